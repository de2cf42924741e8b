"""Names, people, links and messages, asked for at once."""

import itertools
import os
from collections.abc import Callable
from typing import Any

import pytest

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import (
    create_environment,
)
from prompts_app.actions.promotions import (
    open_promotion,
)
from prompts_app.actions.prompts import create_prompt
from prompts_app.models import Promotion, Prompt
from registry.core import outbox
from registry.core.actions.sessions import create_sign_in_link, redeem_link
from registry.core.actions.workspaces import add_member, change_member, find_or_create_user
from registry.core.actor import Actor, Role
from registry.core.models import JobState, Member, Notification, OutboxMessage
from tests.builders import Cast, deliver, join, make_cast, prompt, version
from tests.invariants.checker import untold, violations
from tests.invariants.racing import codes, race

pytestmark = pytest.mark.django_db(transaction=True)


ROUNDS = int(os.environ.get("ROUNDS", "4"))
NAMES = itertools.count()


@pytest.fixture
def free(transactional_db: None) -> Any:
    """An open workspace; after the race everything in it is looked at."""
    cast = make_cast(is_open=True)
    yield cast
    assert violations(cast.workspace.pk) == []


def asked(cast: Cast, text: str = "a", environment: str = "staging", of: Prompt | None = None) -> Promotion:
    made = of or prompt(cast.ada, f"p{next(NAMES)}", text=None)
    return open_promotion(cast.ada, version(cast.ada, made, text), cast.environment(environment))


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user").get(pk=actor.member_id)


def test_open__the_same_version_at_once__is_one_promotion(free: Cast) -> None:
    first = prompt(free.ada).versions.select_related("prompt").get()
    outcomes = race(*[lambda: open_promotion(free.ada, first, free.environment("staging"))] * 4)
    assert codes(outcomes) == ["", *["promotion.exists"] * 3]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda cast: create_prompt(cast.ada, "same", kind="text"), "prompt.exists"),
        (lambda cast: create_environment(cast.olga, "same"), "environment.exists"),
        (
            lambda cast: add_member(cast.olga, find_or_create_user("same@example.com"), role=Role.EDITOR),
            "member.exists",
        ),
    ],
    ids=["prompt", "environment", "member"],
)
def test_create__the_same_name_at_once__is_one_and_conflicts(
    free: Cast, make: Callable[[Cast], object], code: str
) -> None:
    assert codes(race(*[lambda: make(free)] * 4)) == ["", code, code, code]


def test_owners__who_leave_at_once__leave_one(free: Cast) -> None:
    for n in range(ROUNDS):
        second = join(free.olga, f"Otto{n}", Role.OWNER)
        pair = [member(free.olga), member(second)]
        outcomes = race(*(lambda one=one: change_member(free.olga, one, role=Role.ADMIN) for one in pair))
        assert codes(outcomes) == ["", "member.last_owner"]
        rows = Member.objects.filter(workspace=free.workspace, role="owner")
        assert rows.count() == 1
        Member.objects.filter(pk=free.olga.member_id).update(role="owner")
        Member.objects.filter(pk=second.member_id).update(role="admin")


def test_link__redeemed_twice_at_once__signs_in_once(free: Cast) -> None:
    for n in range(ROUNDS):
        token = create_sign_in_link(member(free.ada).user)
        outcomes = race(*[lambda: redeem_link(token, address=f"127.0.{n // 250}.{n % 250 + 1}")] * 3)
        assert codes(outcomes) == ["", "session.refused", "session.refused"]


def test_message__dispatched_twice_at_once__is_told_once(free: Cast) -> None:
    row = asked(free)
    deliver()
    Notification.objects.all().delete()
    apply_promotion(free.rosa, row, stamp=None)
    [message] = OutboxMessage.objects.filter(topic="deployment.created", state=JobState.QUEUED)
    outcomes = race(*(lambda n=n: outbox.dispatch(message.pk, owner=f"w{n}") for n in range(4)))
    assert sorted(outcome.value for outcome in outcomes) == [False, False, False, True]
    deliver()
    assert untold(free.workspace.pk) == []
