import pytest

from prompts_app.actions.environments import (
    archive_environment,
    change_environment,
    create_environment,
    end_freeze,
    find_environment,
    find_freeze,
    freeze_environment,
)
from prompts_app.actions.promotions import close, open_promotion
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.actions.versions import yank_version
from prompts_app.facts import current_policy
from prompts_app.models import Environment, EnvironmentRevision, PolicyVersion
from prompts_app.policy import DEFAULTS, OPEN, Policy
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from tests.builders import Cast, prompt, version
from tests.scenes import found, go_live, in_minutes, policy


def test_new_workspace__has_three_environments_with_the_policies_of_the_table(cast: Cast) -> None:
    rows = list(Environment.objects.in_workspace(cast.workspace.pk))
    assert [row.name for row in rows] == ["development", "staging", "production"]
    assert {row.name: current_policy(row).load() for row in rows} == dict(DEFAULTS)


def test_open_workspace__asks_nothing_and_protects_nothing(free: Cast) -> None:
    assert {current_policy(row).load() for row in Environment.objects.in_workspace(free.workspace.pk)} == {OPEN}


def test_create__comes_last_unless_ranked__with_a_counter_of_its_own(free: Cast) -> None:
    made = create_environment(free.olga, "europe-prod", policy=Policy(approvals=2))
    assert (made.rank, made.label, EnvironmentRevision.objects.get(environment=made).n) == (3, "Europe prod", 0)
    assert current_policy(made).load().approvals == 2
    with pytest.raises(Conflict, match=r"environment\.exists"):
        create_environment(free.olga, "europe-prod")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "Upper"},
        {"name": "ünicode"},
        {"name": "a b"},
        {"name": "x" * 64},
        {"colour": "plaid"},
        {"label": "x" * 64},
        {"rank": -1},
        {"description": "\0"},
    ],
)
def test_create__what_cannot_be__is_invalid(free: Cast, fields: dict) -> None:
    with pytest.raises(Invalid):
        create_environment(free.olga, **{"name": "fine"} | fields)


def test_administration__by_anybody_else__is_forbidden(free: Cast) -> None:
    staging = free.environment("staging")
    key = free.key(scopes=["read", "write", "run", "promote", "check"]).actor
    for actor in (free.vera, free.ada, free.grace, free.rosa, key):
        with pytest.raises(Forbidden):
            create_environment(actor, "no")
        with pytest.raises(Forbidden):
            change_environment(actor, staging, policy={"approvals": 0})
        with pytest.raises(Forbidden):
            freeze_environment(actor, staging, starts_at=in_minutes(0), ends_at=in_minutes(1), reason="no")
        with pytest.raises(Forbidden):
            archive_environment(actor, staging)


def test_policy__changed__is_a_new_version_and_equal_is_none(free: Cast) -> None:
    staging = free.environment("staging")
    change_environment(free.olga, staging, policy={"approvals": 2})
    change_environment(free.olga, staging, policy={"approvals": 2, "protected": False})
    change_environment(free.olga, staging, policy={"min_suites": 1})
    rows = list(PolicyVersion.objects.filter(environment=staging).order_by("number"))
    assert [row.number for row in rows] == [1, 2, 3]
    assert (rows[2].load().approvals, rows[2].load().min_suites, rows[2].by_name) == (2, 1, "Olga")
    with pytest.raises(Invalid):
        change_environment(free.olga, staging, policy={"quorum": 1})


def test_change__of_nothing__is_not_recorded(free: Cast) -> None:
    staging = free.environment("staging")
    events = AuditEvent.objects.count()
    change_environment(free.olga, staging, label=staging.label, policy={})
    assert AuditEvent.objects.count() == events
    changed = change_environment(free.olga, staging, label="Pre-production", colour="teal", rank=7, description="d")
    assert (changed.label, changed.colour, changed.rank, changed.name) == ("Pre-production", "teal", 7, "staging")
    assert AuditEvent.objects.count() == events + 1


def test_freeze__needs_a_reason_and_an_end_after_its_start(free: Cast) -> None:
    staging = free.environment("staging")
    with pytest.raises(Invalid):
        freeze_environment(free.olga, staging, starts_at=in_minutes(0), ends_at=in_minutes(9), reason=" ")
    start = in_minutes(5)
    with pytest.raises(Invalid):
        freeze_environment(free.olga, staging, starts_at=start, ends_at=start, reason="x")
    freeze = freeze_environment(free.olga, staging, starts_at=start, ends_at=in_minutes(9), reason="x")
    assert find_freeze(staging, freeze.pk) == freeze
    with pytest.raises(NotFound):
        find_freeze(free.environment("production"), freeze.pk)
    events = AuditEvent.objects.count()
    end_freeze(free.olga, freeze)
    end_freeze(free.olga, freeze)
    assert AuditEvent.objects.count() == events + 1
    with pytest.raises(Forbidden):
        end_freeze(free.rosa, freeze)


def test_archive__in_use__is_refused_and_afterwards_nothing_moves_there(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    staging = free.environment("staging")
    go_live(free, made.versions.get(), "staging")
    with pytest.raises(Conflict, match=r"environment\.in_use"):
        archive_environment(free.olga, staging)
    withdraw(free.rosa, made, staging, reason="x")
    row = open_promotion(free.ada, version(free.ada, made, "b"), staging)
    with pytest.raises(Conflict, match=r"environment\.in_use"):
        archive_environment(free.olga, staging)
    close(free.ada, row, stamp=None)
    archive_environment(free.olga, staging)
    archive_environment(free.olga, staging)
    with pytest.raises(NotFound):
        find_environment(free.workspace.pk, "staging")
    with pytest.raises(NotFound):
        roll_back(free.rosa, made, staging, reason="too late")
    with pytest.raises(NotFound):
        open_promotion(free.ada, row.version, staging)


def test_label__changed__is_what_readers_are_told_and_the_name_what_programs_are(free: Cast) -> None:
    policy(free, "production", require_predecessor=True)
    trial = change_environment(free.olga, free.environment("staging"), label="Trial", policy={"protected": True})
    made, other = prompt(free.ada, "p", text="a"), prompt(free.ada, "q", text="b")
    only = made.versions.select_related("prompt").get()
    row = open_promotion(free.ada, only, free.environment("production"))
    asked = found(row, free.rosa)["predecessor.missing"]
    go_live(free, only, "staging")

    refusals = {
        "opened": lambda: open_promotion(free.ada, only, trial),
        "yanked": lambda: yank_version(free.ada, only, reason="bad"),
        "archived": lambda: change_prompt(free.ada, made, archived=True),
        "withdrawn": lambda: withdraw(free.rosa, other, trial, reason="unused"),
    }
    told = {}
    for name, refused in refusals.items():
        with pytest.raises(Conflict) as caught:
            refused()
        told[name] = caught.value

    assert asked.message == "This content has not been live in Trial: promote it there first."
    assert [name for name, one in told.items() if "Trial" not in one.detail or "staging" in one.detail] == []
    assert "staging" in told["yanked"].extra["environments"] and told["archived"].extra["environments"] == ["staging"]
