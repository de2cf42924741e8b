"""Invariant 3 and faults F3 and F4: all or nothing, wherever the process is killed; and what was done is still told."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from prompts_app.actions.promotions import open_promotion, schedule, set_ready
from prompts_app.models import Promotion
from registry.core import jobs
from registry.core.actor import Role
from registry.core.models import JobState, OutboxMessage
from tests.builders import Cast, deliver, join, make_cast, prompt, version
from tests.invariants.checker import untold, violations
from tests.scenes import go_live, in_minutes, let_pass, policy
from tests.servers import ROOT, environment

pytestmark = pytest.mark.django_db(transaction=True)


class Mortal:
    """The program that dies where it is told to."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.invariants.killed"],
            cwd=ROOT,
            env=environment(DATABASE_POOL_SIZE="2"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, action: str, arguments: dict[str, Any], *, when: str, at: int = 0) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
        request = {"action": action, "arguments": arguments, "when": when, "at": at}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def mortal(django_db_setup: None) -> Iterator[Mortal]:
    """One program for all tests of this file; it ends with its standard input."""
    program = Mortal()
    yield program
    assert program.process.stdin
    program.process.stdin.close()
    program.process.wait(30)


@pytest.fixture
def free(transactional_db: None) -> Cast:
    return make_cast(is_open=True)


def state() -> tuple[object, ...]:
    """Everything an action here could leave behind, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT count(*) FROM core_auditevent), (SELECT sum(sequence) FROM core_audithead),
                   (SELECT count(*) FROM core_outboxmessage), (SELECT count(*) FROM prompts_app_deployment),
                   (SELECT string_agg(environment_id || ':' || n, ',' ORDER BY environment_id)
                      FROM prompts_app_environmentrevision),
                   (SELECT string_agg(state || stamp, ',' ORDER BY id) FROM prompts_app_promotion),
                   (SELECT sum(last_number) FROM prompts_app_prompt), (SELECT count(*) FROM prompts_app_promptversion),
                   (SELECT string_agg(coalesce(deployment_id, 0)::text, ',' ORDER BY id)
                      FROM prompts_app_livepointer WHERE deployment_id IS NOT NULL),
                   (SELECT count(*) FROM prompts_app_override), (SELECT count(*) FROM prompts_app_quarantine)
            """
        )
        row: tuple[object, ...] = cursor.fetchone()
    return row


def _apply(cast: Cast) -> tuple[str, dict[str, Any]]:
    row = open_promotion(cast.ada, prompt(cast.ada).versions.get(), cast.environment("staging"))
    return "apply", {"member": cast.rosa.member_id, "promotion": row.pk}


def _override(cast: Cast) -> tuple[str, dict[str, Any]]:
    policy(cast, "staging", approvals=1)
    otto = join(cast.olga, "Otto", Role.RELEASER, grants=("override",))
    return "override", {**_apply(cast)[1], "member": otto.member_id}


def _due(cast: Cast) -> tuple[str, dict[str, Any]]:
    given = _apply(cast)[1]
    row = schedule(cast.rosa, Promotion.objects.get(pk=given["promotion"]), stamp=None, at=in_minutes(5))
    let_pass(row, timedelta(minutes=6), "scheduled_for")
    return "due", given


def _ready(cast: Cast) -> tuple[str, dict[str, Any]]:
    given = _apply(cast)[1]
    set_ready(cast.rosa, Promotion.objects.get(pk=given["promotion"]), stamp=None)
    return "ready", given


def _roll_back(cast: Cast) -> tuple[str, dict[str, Any]]:
    made = prompt(cast.ada, text="a")
    go_live(cast, made.versions.get(), "staging")
    go_live(cast, version(cast.ada, made, "b"), "staging")
    later = open_promotion(cast.ada, version(cast.ada, made, "c"), cast.environment("staging"))
    schedule(cast.rosa, later, stamp=None, at=in_minutes(60))
    return "roll_back", {
        "member": cast.rosa.member_id,
        "prompt": made.pk,
        "environment": cast.environment("staging").pk,
    }


def _withdraw(cast: Cast) -> tuple[str, dict[str, Any]]:
    return "withdraw", _roll_back(cast)[1]


def _save(cast: Cast) -> tuple[str, dict[str, Any]]:
    """A version that goes live by itself in the same transaction."""
    policy(cast, "development", auto_apply=True)
    made = prompt(cast.ada)
    return "save", {"member": cast.ada.member_id, "prompt": made.pk, "text": "Hi {{ name }}"}


# Every statement of applying; of the others, which share its path, some.
CASES = [(_apply, 1), (_roll_back, 4), (_override, 11), (_due, 11), (_ready, 11), (_withdraw, 11), (_save, 11)]


@pytest.mark.parametrize(("make", "step"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_killed__before_any_statement_or_the_commit__nothing_happened(
    free: Cast, mortal: Mortal, make: Callable[[Cast], tuple[str, dict[str, Any]]], step: int
) -> None:
    action, given = make(free)
    before = state()
    deaths = 0
    for at in range(1, 400, step):
        answer = mortal.ask(action, given, when="statement", at=at)
        if answer["signal"] == 0:
            break
        deaths += 1
        assert state() == before, f"killed before statement {at}"
    assert deaths * step > 20, "an action has more statements than that"
    assert answer["exit"] == 0
    assert state() != before, "not killed, it is done"
    assert violations(free.workspace.pk) == []


@pytest.mark.parametrize("make", [case[0] for case in CASES], ids=lambda make: make.__name__)
def test_killed__around_the_commit__nothing_or_all_of_it_and_it_is_still_told(
    free: Cast, mortal: Mortal, make: Callable[[Cast], tuple[str, dict[str, Any]]]
) -> None:
    action, given = make(free)
    before = state()
    assert mortal.ask(action, given, when="commit")["signal"] == 9
    assert state() == before
    answer = mortal.ask(action, given, when="committed")
    assert answer["signal"] == 9
    assert state() != before, "the answer was lost, the work was not"
    assert violations(free.workspace.pk) == []
    waiting = OutboxMessage.objects.filter(state=JobState.QUEUED)
    assert waiting.exists(), "nobody was told of the rows"
    swept: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(jobs._looked_after, OutboxMessage, swept.append)
        for message in waiting:
            let_pass(message, timedelta(minutes=1), "hinted_at", "not_before")
        jobs.sweep()
    assert set(waiting.values_list("pk", flat=True)) <= set(swept), "the sweeper finds them"
    deliver()
    assert untold(free.workspace.pk) == []
