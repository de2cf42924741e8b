"""Applied by the clock, or as soon as nothing is in the way: in somebody's name, whose right is asked then."""

from datetime import timedelta
from typing import Any

import pytest

from prompts_app import tasks
from prompts_app.actions.applying import (
    apply_due,
    apply_if_ready,
)
from prompts_app.actions.checks import post_external_check
from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import close, open_promotion, rebase, resume, schedule, set_ready, unschedule
from prompts_app.facts import live_deployment
from prompts_app.models import Deployment, Promotion
from registry.core.actions.keys import revoke_key
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.errors import Forbidden
from registry.core.models import ApiKey, Member
from tests.builders import Cast, deliver, prompt, version
from tests.scenes import approve, fresh, go_live, in_minutes, let_pass, policy


def asked(cast: Cast, environment: str = "staging", text: str = "a") -> Promotion:
    return open_promotion(cast.ada, prompt(cast.ada, text=text).versions.get(), cast.environment(environment))


def due(cast: Cast, row: Promotion, minutes_late: float = 1, actor: Actor | None = None) -> Promotion:
    """Scheduled, and its time has come."""
    scheduled = schedule(actor or cast.rosa, row, stamp=None, at=in_minutes(60))
    let_pass(scheduled, timedelta(minutes=60 + minutes_late), "scheduled_for")
    return fresh(scheduled)


def test_due__nothing_in_the_way__is_applied_as_whoever_scheduled_it(free: Cast) -> None:
    row = due(free, asked(free))
    moved = apply_due(row.pk)
    assert moved is not None
    assert (moved.deployment.actor_name, fresh(row).state) == ("Rosa", "applied")
    assert apply_due(row.pk) is None
    assert Deployment.objects.count() == 1


def test_due__before_its_time__is_left_alone(free: Cast) -> None:
    row = schedule(free.rosa, asked(free), stamp=None, at=in_minutes(60))
    assert apply_due(row.pk) is None
    assert fresh(row).state == "scheduled"


def test_due__more_than_15_minutes_late__is_suspended_not_applied(free: Cast) -> None:
    row = due(free, asked(free), minutes_late=16)
    assert apply_due(row.pk) is None
    assert (fresh(row).state, "15 minutes" in fresh(row).note) == ("suspended", True)
    let_pass(row, -timedelta(minutes=16), "scheduled_for")
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended", "never silently tried again"


def test_due__blocked__is_suspended_and_goes_on_when_resumed(free: Cast) -> None:
    row = due(free, asked(free))
    policy(free, "staging", approvals=1)
    assert apply_due(row.pk) is None
    assert (fresh(row).state, fresh(row).note) == ("suspended", "0 of 1 approvals.")
    resume(free.ada, row, stamp=None)
    approve(free.grace, row)
    row = due(free, fresh(row))
    approve(free.grace, row)
    assert apply_due(row.pk) is not None


@pytest.mark.parametrize("change", [{"role": Role.EDITOR}, {"is_active": False}])
def test_due__the_scheduler_lost_the_right__is_suspended(free: Cast, change: dict[str, Any]) -> None:
    row = due(free, asked(free))
    rosa = Member.objects.select_related("user").get(pk=free.rosa.member_id)
    change_member(free.olga, rosa, **change)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended"


def test_due__scheduled_by_a_key__is_applied_as_the_key_while_it_may(free: Cast) -> None:
    key = free.key(scopes=["write", "promote"], name="promoter")
    moved = apply_due(due(free, asked(free), actor=key.actor).pk)
    assert moved is not None
    assert (moved.deployment.actor_kind, moved.deployment.actor_id) == ("key", key.pk)


def test_due__scheduled_by_a_key_before_the_environment_was_protected__is_suspended(free: Cast) -> None:
    """Its responsible member is the owner, who could: a key is no way around."""
    row = due(free, asked(free), actor=free.key(scopes=["write", "promote"], name="promoter").actor)
    policy(free, "staging", protected=True)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "suspended"
    assert live_deployment(row.prompt, row.environment) is None


def test_due__scheduled_by_a_key_that_was_revoked__is_suspended(free: Cast) -> None:
    key = free.key(scopes=["write", "promote"], name="promoter")
    row = due(free, asked(free), actor=key.actor)
    revoke_key(free.olga, ApiKey.objects.get(pk=key.pk))
    assert apply_due(row.pk) is None
    assert "revoked" in fresh(row).note


def test_due__unscheduled_meanwhile__is_left_alone(free: Cast) -> None:
    row = due(free, asked(free))
    unschedule(free.ada, row, stamp=None)
    assert apply_due(row.pk) is None
    assert fresh(row).state == "open"


def test_task__one_promotion_fails__the_others_have_their_turn(free: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    first = due(free, asked(free), minutes_late=2)
    second = due(
        free, open_promotion(free.ada, version(free.ada, prompt(free.ada, "o"), "b"), free.environment("staging"))
    )
    real = tasks.apply_one_due

    def sometimes(pk: int) -> object:
        if pk == first.pk:
            raise RuntimeError("a bug")
        return real(pk)

    monkeypatch.setattr(tasks, "apply_one_due", sometimes)
    tasks.apply_due()
    assert (fresh(first).state, fresh(second).state) == ("scheduled", "applied")


def test_ready__the_last_blocker_goes__is_applied_as_whoever_set_it(free: Cast) -> None:
    policy(free, "staging", approvals=1, external_checks=["lint"])
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    deliver()
    assert fresh(row).state == "open"
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    post_external_check(free.key().actor, row.version, name="external/lint", state="passed")
    deliver()
    row = fresh(row)
    assert (row.state, row.deployment.actor_name if row.deployment else "") == ("applied", "Rosa")


def test_ready__already_ready__is_applied_at_once(free: Cast) -> None:
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    deliver()
    assert fresh(row).state == "applied"


def test_ready__by_whom__is_a_person_who_may_apply(free: Cast) -> None:
    row = asked(free)
    for actor in (free.vera, free.ada, free.grace):
        with pytest.raises(Forbidden, match=r"actor\.role"):
            set_ready(actor, row, stamp=None)
    with pytest.raises(Forbidden, match=r"actor\.key"):
        set_ready(free.key(scopes=["promote", "write"], name="p").actor, row, stamp=None)


def test_ready__whoever_set_it_lost_the_right__stays_open(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    rosa = Member.objects.select_related("user").get(pk=free.rosa.member_id)
    change_member(free.olga, rosa, role=Role.REVIEWER)
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    change_member(free.olga, rosa, role=Role.RELEASER)
    tasks.apply_ready()
    assert fresh(row).state == "applied"


def test_ready__switched_off_closed_or_moved__applies_nothing(free: Cast) -> None:
    policy(free, "staging", approvals=1)
    row = asked(free)
    set_ready(free.rosa, row, stamp=None)
    set_ready(free.rosa, row, stamp=None, ready=False)
    approve(free.grace, row)
    deliver()
    assert fresh(row).state == "open"
    other = open_promotion(free.ada, version(free.ada, row.prompt, "b"), row.environment)
    set_ready(free.rosa, other, stamp=None)
    close(free.ada, other, stamp=None)
    assert apply_if_ready(other.pk) is None
    policy(free, "staging", approvals=0)
    third = open_promotion(free.ada, version(free.ada, row.prompt, "c"), row.environment)
    go_live(free, version(free.ada, row.prompt, "d"), "staging")
    set_ready(free.rosa, third, stamp=None)
    deliver()
    assert fresh(third).state == "open"
    rebase(free.ada, third, stamp=None)
    deliver()
    assert fresh(third).state == "applied"


def test_ready__waits_for_time__is_looked_at_by_the_clock(free: Cast) -> None:
    row = asked(free)
    freeze = freeze_environment(free.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(9), reason="x")
    set_ready(free.rosa, row, stamp=None)
    deliver()
    tasks.apply_ready()
    assert fresh(row).state == "open"
    let_pass(freeze, timedelta(minutes=10), "starts_at", "ends_at")
    tasks.apply_ready()
    assert fresh(row).state == "applied"
