"""The main job through the actions: written, refused, approved, promoted, rolled back."""

import pytest

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.reviews import vote
from prompts_app.actions.rollback import roll_back
from prompts_app.facts import judge, live_deployment, subject_of
from prompts_app.models import DeploymentKind, Vote
from registry.core.audit import verify_chain
from registry.core.errors import Conflict
from tests.builders import Cast, deliver, prompt, version


def test_story__from_first_version_to_rollback__what_is_live_follows(cast: Cast) -> None:
    made = prompt(cast.ada)
    first = made.versions.get(number=1)
    development, staging = cast.environment("development"), cast.environment("staging")
    assert live_deployment(made, development).version == first

    asked = open_promotion(cast.ada, first, staging)
    assert [blocker.code for blocker in judge(asked, cast.ada).blockers] == ["actor.forbidden"]
    moved = apply_promotion(cast.rosa, asked, stamp=None)
    assert moved.revision == 1

    second = version(cast.ada, made, "Hi {{ name }}")
    again = open_promotion(cast.ada, second, staging)
    assert apply_promotion(cast.rosa, again, stamp=None).revision == 2
    back = roll_back(cast.rosa, made, staging, reason="worse tone")
    assert back.deployment.kind == DeploymentKind.ROLLBACK
    assert live_deployment(made, staging).version == first
    with pytest.raises(Conflict, match=r"promotion\.blocked"):
        apply_promotion(cast.rosa, open_promotion(cast.ada, second, staging), stamp=None)
    assert verify_chain(cast.workspace.pk).ok
    assert deliver() > 0


def test_production__needs_a_reviewer_who_wrote_none_of_it(cast: Cast) -> None:
    made = prompt(cast.ada)
    first = made.versions.get(number=1)
    asked = open_promotion(cast.ada, first, cast.environment("production"))
    codes = {blocker.code for blocker in judge(asked, cast.rosa).blockers}
    assert codes == {"predecessor.missing", "suites.missing", "approvals.insufficient"}
    vote(cast.grace, asked, Vote.APPROVE, stamp=None, subject_hash=subject_of(asked).hash)
    assert len(judge(asked, cast.rosa).facts.valid_approvals()) == 1
