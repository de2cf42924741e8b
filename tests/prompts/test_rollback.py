from typing import Any

import pytest

from prompts_app.actions.applying import apply_promotion, override_promotion
from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import open_promotion, schedule
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.rollback import clear_quarantine, roll_back, withdraw
from prompts_app.actions.versions import yank_version
from prompts_app.facts import live_deployment
from prompts_app.models import (
    CheckState,
    Deployment,
    DeploymentKind,
    Environment,
    EnvironmentRevision,
    LivePointer,
    Prompt,
    PromptVersion,
    Quarantine,
)
from registry.core.actor import Role
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from tests.builders import Cast, deliver, join, prompt, version
from tests.scenes import codes, fresh, go_live, in_minutes, policy, post, suite


def history(cast: Cast, *texts: str) -> tuple[Prompt, list[PromptVersion], Environment]:
    """A prompt whose versions were live in staging one after the other."""
    made = prompt(cast.ada, text=None)
    versions = [version(cast.ada, made, text) for text in texts]
    for one in versions:
        go_live(cast, one, "staging")
    return made, versions, cast.environment("staging")


def live_text(made: Prompt, environment: Environment) -> str | None:
    live = live_deployment(made, environment)
    return live.version.load().source.text if live and live.version else None


def test_roll_back__by_default__goes_to_the_latest_other_digest(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b", "c")
    moved = roll_back(free.rosa, made, staging, reason="worse")
    assert (moved.deployment.kind, moved.deployment.version, moved.deployment.reason) == (
        DeploymentKind.ROLLBACK,
        versions[1],
        "worse",
    )
    assert moved.deployment.version.digest == versions[1].digest
    assert moved.revision == 4
    roll_back(free.rosa, made, staging, reason="also bad")
    assert live_text(made, staging) == "a", "what was rolled back is quarantined, so no going to and fro"
    with pytest.raises(Conflict, match=r"rollback\.no_target"):
        roll_back(free.rosa, made, staging, reason="once more")


def test_roll_back__default_target__skips_yanked_quarantined_and_equal_ones(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b", "c", "d")
    yank_version(free.ada, versions[2], reason="leaks")
    go_live(free, version(free.ada, made, "b"), "staging")
    roll_back(free.rosa, made, staging, reason="bad b")
    assert live_text(made, staging) == "d", "c is yanked"
    roll_back(free.rosa, made, staging, reason="bad d")
    assert live_text(made, staging) == "a", "b is quarantined"


def test_roll_back__to_any_earlier_deployment__yields_its_exact_digest(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b", "c")
    first = Deployment.objects.get(version=versions[0])
    moved = roll_back(free.rosa, made, staging, reason="far back", to_deployment=first.pk)
    assert moved.deployment.version == versions[0]
    assert Deployment.objects.filter(prompt=made).count() == 4, "history is not rewritten"


def test_roll_back__to_what_is_live__is_a_no_op(free: Cast) -> None:
    made, _, staging = history(free, "a", "b")
    version(free.ada, made, "x")
    live = live_deployment(made, staging)
    events = AuditEvent.objects.count()
    moved = roll_back(free.rosa, made, staging, reason="sure", to_deployment=live.pk)
    assert (moved.deployment, moved.revision) == (live, live.revision)
    assert AuditEvent.objects.count() == events
    assert not Quarantine.objects.exists()


def test_roll_back__past_every_gate__succeeds(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    policy(
        free,
        "staging",
        approvals=2,
        require_suites=True,
        min_suites=3,
        require_predecessor=True,
        soak_minutes=60,
        allow_override=False,
        protected=True,
    )
    suite(free.ada, made, is_safety=True)
    post(versions[0], staging, CheckState.FAILED)
    freeze_environment(free.olga, staging, starts_at=in_minutes(-1), ends_at=in_minutes(60), reason="sale")
    assert roll_back(free.rosa, made, staging, reason="fire").deployment.version == versions[0]


def test_roll_back__by_whom__is_a_releaser(free: Cast) -> None:
    made, _, staging = history(free, "a", "b")
    for actor in (free.vera, free.ada, free.grace):
        with pytest.raises(Forbidden, match=r"actor\.role"):
            roll_back(actor, made, staging, reason="no")
    for key in (free.key(scopes=["promote", "write"], name="p"), free.key("service", environment="staging")):
        with pytest.raises(Forbidden, match=r"actor\.key"):
            roll_back(key.actor, made, staging, reason="no")


@pytest.mark.parametrize("reason", ["", "  ", "a\0"])
def test_roll_back_and_withdraw__without_a_reason__are_invalid(free: Cast, reason: str) -> None:
    made, _, staging = history(free, "a", "b")
    with pytest.raises(Invalid):
        roll_back(free.rosa, made, staging, reason=reason)
    with pytest.raises(Invalid):
        withdraw(free.rosa, made, staging, reason=reason)


def test_roll_back__to_a_yanked_version__is_refused_for_good(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    first = Deployment.objects.get(version=versions[0])
    yank_version(free.ada, versions[0], reason="leaks")
    with pytest.raises(Conflict) as refused:
        roll_back(
            free.rosa,
            made,
            staging,
            reason="x",
            to_deployment=first.pk,
            acknowledge_breaking=True,
            clear_quarantine=True,
        )
    assert [blocker["code"] for blocker in refused.value.extra["blockers"]] == ["version.yanked"]
    assert live_text(made, staging) == "b"


def test_roll_back__to_what_was_never_live_here__is_not_found(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    elsewhere = go_live(free, versions[0], "development")
    other = prompt(free.ada, "other")
    others = go_live(free, other.versions.get(), "staging")
    gone = withdraw(free.rosa, other, staging, reason="x").deployment
    for pk in (elsewhere.pk, others.pk, gone.pk, 10**9):
        with pytest.raises(NotFound, match=r"deployment\.not_found"):
            roll_back(free.rosa, made, staging, reason="x", to_deployment=pk)


def test_roll_back__breaking_and_quarantined__says_both_and_goes_with_both_acknowledged(free: Cast) -> None:
    made = prompt(free.ada, text=None)
    staging = free.environment("staging")
    wide = version(free.ada, made, "{{ a }} {{ b }}")
    narrow = version(free.ada, made, "{{ a }}")
    target = go_live(free, wide, "staging")
    go_live(free, narrow, "staging")
    roll_back(free.rosa, made, staging, reason="one", acknowledge_breaking=True)
    roll_back(
        free.rosa,
        made,
        staging,
        reason="two",
        to_deployment=Deployment.objects.filter(version=narrow).first().pk,
        clear_quarantine=True,
    )
    assert set(Quarantine.objects.filter(cleared_at=None).values_list("digest", flat=True)) == {wide.digest}
    with pytest.raises(Conflict) as refused:
        roll_back(free.rosa, made, staging, reason="x", to_deployment=target.pk)
    assert {blocker["code"] for blocker in refused.value.extra["blockers"]} == {
        "contract.breaking",
        "digest.quarantined",
    }
    events = AuditEvent.objects.count()
    roll_back(
        free.rosa,
        made,
        staging,
        reason="three",
        to_deployment=target.pk,
        acknowledge_breaking=True,
        clear_quarantine=True,
    )
    assert live_deployment(made, staging).version == wide
    assert AuditEvent.objects.count() == events + 1
    cleared = Quarantine.objects.filter(digest=wide.digest).exclude(cleared_at=None).get()
    assert (cleared.cleared_by_name, cleared.clear_reason) == ("Rosa", "three")


def test_quarantine__false__leaves_the_digest_free(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    roll_back(free.rosa, made, staging, reason="not its fault", quarantine=False)
    assert not Quarantine.objects.exists()
    assert codes(open_promotion(free.ada, versions[1], staging), free.rosa) == set()


def test_quarantine__the_way_back__is_clearing_or_an_override(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    roll_back(free.rosa, made, staging, reason="worse")
    row = open_promotion(free.ada, versions[1], staging)
    with pytest.raises(Conflict, match=r"promotion\.blocked"):
        apply_promotion(free.rosa, row, stamp=None)
    otto = join(free.olga, "Otto", Role.RELEASER, grants=("override",))
    override_promotion(otto, row, stamp=None, reason="we know what we are doing")
    assert live_text(made, staging) == "b"
    assert Quarantine.objects.filter(cleared_at=None).exists(), "an override clears nothing for the next time"


def test_clear_quarantine__by_whom_and_when__follows_the_roles(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    roll_back(free.rosa, made, staging, reason="worse")
    digest = versions[1].digest
    for actor in (free.grace, free.ada, free.key(scopes=["promote"], name="p").actor):
        with pytest.raises(Forbidden):
            clear_quarantine(actor, made, staging, digest=digest, reason="x")
    with pytest.raises(Invalid):
        clear_quarantine(free.rosa, made, staging, digest=digest, reason="")
    clear_quarantine(free.rosa, made, staging, digest=digest, reason="cause found elsewhere")
    with pytest.raises(NotFound):
        clear_quarantine(free.rosa, made, staging, digest=digest, reason="again")


def test_roll_back__scheduled_promotions__are_suspended_and_told(free: Cast) -> None:
    made, _, staging = history(free, "a", "b")
    row = schedule(
        free.rosa, open_promotion(free.ada, version(free.ada, made, "c"), staging), stamp=None, at=in_minutes(9)
    )
    elsewhere = schedule(
        free.rosa, open_promotion(free.ada, row.version, free.environment("production")), stamp=None, at=in_minutes(9)
    )
    roll_back(free.rosa, made, staging, reason="worse")
    assert (fresh(row).state, fresh(elsewhere).state) == ("suspended", "scheduled")
    deliver()


def test_roll_back__onto_the_digest_of_a_scheduled_promotion__supersedes_it(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    row = schedule(free.rosa, open_promotion(free.ada, versions[0], staging), stamp=None, at=in_minutes(9))
    roll_back(free.rosa, made, staging, reason="worse")
    assert fresh(row).state == "superseded"


def test_withdraw__a_first_deployment__leaves_nothing_live(free: Cast) -> None:
    made, versions, staging = history(free, "a")
    with pytest.raises(Conflict, match=r"rollback\.no_target"):
        roll_back(free.rosa, made, staging, reason="x")
    moved = withdraw(free.rosa, made, staging, reason="not ready")
    assert (moved.deployment.kind, moved.deployment.version, moved.revision) == (DeploymentKind.WITHDRAWAL, None, 2)
    assert live_deployment(made, staging) is None
    again = withdraw(free.rosa, made, staging, reason="twice")
    assert (again.deployment, EnvironmentRevision.objects.get(environment=staging).n) == (moved.deployment, 2)
    assert roll_back(free.rosa, made, staging, reason="back").deployment.version == versions[0]


def test_withdraw__where_nothing_was_ever_live__conflicts(free: Cast) -> None:
    with pytest.raises(Conflict, match=r"withdraw\.nothing_live"):
        withdraw(free.rosa, prompt(free.ada), free.environment("staging"), reason="x")


def test_withdraw__by_a_key__takes_the_scope_and_an_unprotected_environment(free: Cast) -> None:
    made, _, staging = history(free, "a")
    with pytest.raises(Forbidden):
        withdraw(free.key(name="plain").actor, made, staging, reason="x")
    promoter = free.key(scopes=["promote"], name="p").actor
    policy(free, "staging", protected=True)
    with pytest.raises(Forbidden, match=r"actor\.key"):
        withdraw(promoter, made, staging, reason="x")
    policy(free, "staging", protected=False)
    assert withdraw(promoter, made, staging, reason="x").deployment.actor_kind == "key"


def test_withdraw__with_quarantine__keeps_the_digest_out(free: Cast) -> None:
    made, versions, staging = history(free, "a")
    withdraw(free.rosa, made, staging, reason="bad", quarantine=True)
    assert codes(open_promotion(free.ada, versions[0], staging), free.rosa) == {"digest.quarantined"}


def test_roll_back__of_an_archived_prompt__only_where_it_is_live(free: Cast) -> None:
    made, versions, staging = history(free, "a", "b")
    go_live(free, versions[0], "production")
    withdraw(free.rosa, made, free.environment("production"), reason="off")
    policy(free, "production", protected=True)
    change_prompt(free.ada, made, archived=True)
    with pytest.raises(Conflict, match=r"prompt\.archived"):
        roll_back(free.rosa, made, free.environment("production"), reason="x")
    assert roll_back(free.rosa, made, staging, reason="x").deployment.version == versions[0]


def test_pointer__after_every_kind_of_move__is_one_row_per_place(free: Cast) -> None:
    made, _, staging = history(free, "a", "b")
    roll_back(free.rosa, made, staging, reason="x")
    withdraw(free.rosa, made, staging, reason="x")
    assert LivePointer.objects.filter(prompt=made, environment=staging).count() == 1
    kinds: list[Any] = list(Deployment.objects.filter(prompt=made).order_by("pk").values_list("kind", "revision"))
    assert kinds == [("promotion", 1), ("promotion", 2), ("rollback", 3), ("withdrawal", 4)]
