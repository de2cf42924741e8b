"""The worst moments there are, each played out exactly in one of the two ways of `racing`. What is wrong afterwards comes
back in words; the tests want nothing, the guards want something."""

import itertools
from collections.abc import Callable
from datetime import timedelta

from prompts_app.actions.applying import apply_due, apply_if_ready, apply_promotion
from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion, schedule, set_ready
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.reviews import vote
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.facts import current_policy, live_deployment, subject_of
from prompts_app.models import Deployment, Promotion, Prompt, VersionYank, Vote
from prompts_app.policy import OPEN
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.models import AuditEvent, Member
from tests.builders import Cast, join, prompt, version
from tests.invariants.checker import violations
from tests.invariants.racing import Outcome, Play, codes
from tests.scenes import approve, fresh, go_live, in_minutes, let_pass, policy

type Scenario = Callable[[Cast, Play], list[str]]
NAMES = itertools.count()


def asked(cast: Cast, text: str = "a", environment: str = "staging", of: Prompt | None = None) -> Promotion:
    """A promotion over something that is live: a first one would wait for the other's pointer to be made."""
    made = of
    if made is None:
        made = prompt(cast.ada, f"s{next(NAMES)}", text="zero")
        place, rules = cast.environment(environment), current_policy(cast.environment(environment)).load()
        change_environment(cast.olga, place, policy=OPEN.to_json())
        go_live(cast, made.versions.get(), environment)
        change_environment(cast.olga, place, policy=rules.to_json())
    return open_promotion(cast.ada, version(cast.ada, made, text), cast.environment(environment))


def moves(row: Promotion) -> int:
    """How often its place changed since it was asked for."""
    return Deployment.objects.filter(prompt=row.prompt, environment=row.environment, pk__gt=row.base_id).count()


def two_applies(cast: Cast, play: Play) -> list[str]:
    """6: one place, two promotions."""
    first = asked(cast)
    second = asked(cast, "b", of=first.prompt)
    outcomes = play(*(lambda row=row: apply_promotion(cast.rosa, row, stamp=None) for row in (first, second)))
    wrong = [] if codes(outcomes) == ["", "promotion.blocked"] else [f"6: both applied: {codes(outcomes)}"]
    return wrong + violations(cast.workspace.pk)


def one_promotion_twice(cast: Cast, play: Play) -> list[str]:
    """F10: a double submit."""
    row = asked(cast)
    outcomes = play(*[lambda: apply_promotion(cast.rosa, row, stamp=None)] * 2)
    count = moves(row)
    wrong = [] if codes(outcomes) == ["", "promotion.state"] and count == 1 else [f"5: {count} deployments"]
    return wrong + violations(cast.workspace.pk)


def two_final_approvals(cast: Cast, play: Play) -> list[str]:
    """7: promote when ready."""
    policy(cast, "staging", approvals=1)
    gwen = join(cast.olga, f"Gwen{next(NAMES)}", Role.REVIEWER)
    row = asked(cast)
    set_ready(cast.rosa, row, stamp=None)

    def approve_and_look(actor: Actor) -> object:
        vote(actor, fresh(row), Vote.APPROVE, stamp=None, subject_hash=subject_of(row).hash)
        return apply_if_ready(row.pk)

    play(lambda: approve_and_look(cast.grace), lambda: approve_and_look(gwen))
    count = moves(row)
    return ([] if count == 1 else [f"7: {count} applies"]) + violations(cast.workspace.pk)


def two_clocks(cast: Cast, play: Play) -> list[str]:
    """17: two workers fire for one scheduled promotion."""
    row = schedule(cast.rosa, asked(cast), stamp=None, at=in_minutes(5))
    let_pass(row, timedelta(minutes=6), "scheduled_for")
    play(*[lambda: apply_due(row.pk)] * 2)
    count = moves(row)
    return ([] if count == 1 else [f"17: applied {count} times"]) + violations(cast.workspace.pk)


def two_saves(cast: Cast, play: Play) -> list[str]:
    """24: each saver has a number of their own."""
    made = prompt(cast.ada, f"s{next(NAMES)}", text="base")
    outcomes = play(
        *(lambda text=text: create_version(cast.ada, made, {"text": text}).version.number for text in ("a", "b"))
    )
    numbers = sorted(outcome.value for outcome in outcomes if outcome.won)
    return ([] if numbers == [2, 3] else [f"24: numbers {numbers}"]) + violations(cast.workspace.pk)


def _first_or_refused(cast: Cast, applied: Outcome, change: str, words: str) -> list[str]:
    """Whoever applied must stand before the change in the audit chain."""
    events = AuditEvent.objects.filter(workspace=cast.workspace, event__in=["version.promoted", change])
    last = events.order_by("-sequence").values_list("event", flat=True).first()
    wrong = [words] if applied.won and last == "version.promoted" else []
    return wrong + violations(cast.workspace.pk)


def demoted_while_applied(cast: Cast, play: Play) -> list[str]:
    """5 and 10: the only approver is demoted, not yet committed, when somebody applies."""
    policy(cast, "staging", approvals=1)
    row = asked(cast)
    approve(cast.grace, row)
    grace = Member.objects.select_related("user").get(pk=cast.grace.member_id)
    _, applied = play(
        lambda: change_member(cast.olga, grace, role=Role.EDITOR),
        lambda: apply_promotion(cast.rosa, row, stamp=None),
    )
    return _first_or_refused(cast, applied, "member.changed", "10: applied on the vote of somebody demoted")


def releaser_demoted_while_applying(cast: Cast, play: Play) -> list[str]:
    """5: whoever applies loses the right, not yet committed, when their request is on its way."""
    row = asked(cast)
    rosa = Member.objects.select_related("user").get(pk=cast.rosa.member_id)
    _, applied = play(
        lambda: change_member(cast.olga, rosa, role=Role.EDITOR),
        lambda: apply_promotion(cast.rosa, row, stamp=None),
    )
    return _first_or_refused(cast, applied, "member.changed", "5: applied by somebody who no longer may")


def archived_while_applied(cast: Cast, play: Play) -> list[str]:
    """23: it goes live where it is protected, not yet committed, when somebody archives it."""
    made, place = prompt(cast.ada, f"s{next(NAMES)}", text="zero"), cast.environment("production")
    go_live(cast, made.versions.get(), "production")
    withdraw(cast.rosa, made, place, reason="not yet")
    policy(cast, "production", protected=True)
    row = asked(cast, environment="production", of=made)
    play(
        lambda: apply_promotion(cast.rosa, row, stamp=None),
        lambda: change_prompt(cast.ada, row.prompt, archived=True),
    )
    is_archived = Prompt.objects.get(pk=row.prompt_id).is_archived
    live = live_deployment(row.prompt, row.environment)
    return (["23: archived and live where protected"] if is_archived and live else []) + violations(cast.workspace.pk)


def yanked_while_applied(cast: Cast, play: Play) -> list[str]:
    """5: the version is withdrawn, not yet committed, when somebody applies it."""
    row = asked(cast)
    play(
        lambda: yank_version(cast.ada, row.version, reason="leaks"),
        lambda: apply_promotion(cast.rosa, row, stamp=None),
    )
    live = live_deployment(row.prompt, row.environment)
    is_yanked = VersionYank.objects.filter(version=row.version).exists()
    wrong = ["5: a yanked version is live"] if is_yanked and live and live.version == row.version else []
    return wrong + violations(cast.workspace.pk)


def demoted_while_voting(cast: Cast, play: Play) -> list[str]:
    """Locks in a circle: the vote refers to a member whom somebody changes."""
    row = asked(cast)
    grace = Member.objects.select_related("user").get(pk=cast.grace.member_id)
    play(lambda: approve(cast.grace, row), lambda: change_member(cast.olga, grace, role=Role.EDITOR))
    return violations(cast.workspace.pk)


def blocked_by_everything(cast: Cast, play: Play) -> list[str]:
    """5: no race at all: nothing is applied over what stands in the way."""
    policy(cast, "staging", approvals=1, min_suites=1, external_checks=["lint"])
    row = asked(cast)
    outcomes = play(lambda: apply_promotion(cast.rosa, row, stamp=None), lambda: None)
    wrong = [] if outcomes[0].code == "promotion.blocked" else ["5: applied over blockers"]
    return wrong + violations(cast.workspace.pk)


RACES: tuple[Scenario, ...] = (
    two_applies,
    one_promotion_twice,
    two_final_approvals,
    two_clocks,
    two_saves,
    demoted_while_applied,
    releaser_demoted_while_applying,
    archived_while_applied,
    yanked_while_applied,
)
SCENARIOS: tuple[Scenario, ...] = (*RACES, demoted_while_voting, blocked_by_everything)
