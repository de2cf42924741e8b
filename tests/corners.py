"""Workspaces that look otherwise than one at work: one with nothing in it, one in which everything stands in the way."""

from datetime import timedelta

from django.utils import timezone

from evals_app.actions.labels import set_label
from evals_app.actions.runs import start_run
from evals_app.models import Result, Run
from evals_app.scripted_provider import Rule
from prompts_app.actions.environments import create_default_environments, freeze_environment
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.reviews import comment
from prompts_app.actions.rollback import roll_back
from prompts_app.actions.versions import yank_version
from prompts_app.models import CheckState, Promotion, Vote
from registry.core.actions.workspaces import add_member, create_workspace
from registry.core.actor import Actor, Role
from registry.core.models import Member
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.evaluated import RULES, Evaluated

EMPTY, STUCK = "empty", "stuck"
LOOSE = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}
STRICT = {"approvals": 2, "require_predecessor": True, "require_suites": True, "min_suites": 9}
STATES = (CheckState.FAILED, CheckState.ERROR, CheckState.INCONCLUSIVE, CheckState.PENDING)


def empty_workspace(owner: Actor) -> None:
    """A workspace in which its owner has done nothing yet."""
    made, _ = create_workspace(EMPTY, name="Empty", owner=Member.objects.get(pk=owner.member_id).user)
    create_default_environments(Actor.system(made.pk))


def let_look(cast: Cast) -> None:
    """The owner reads Linus' workspace, where they may administer nothing."""
    add_member(cast.linus, Member.objects.get(pk=cast.olga.member_id).user, role=Role.VIEWER)


def stuck_promotion() -> Promotion:
    """A promotion with every kind of blocker at once, in a workspace of its own."""
    cast = builders.make_cast(STUCK)
    production = scenes.policy(cast, "production", **LOOSE)
    made = builders.prompt(cast.ada, "support/triage", text="Sort {{ text }}")
    scenes.go_live(cast, made.versions.select_related("prompt").get(number=1))
    worse = builders.version(cast.ada, made, "Sort {{ text }} for {{ name }}")
    scenes.go_live(cast, worse)
    roll_back(cast.rosa, made, production, reason="It asked for a name that nobody has")
    asked = open_promotion(cast.ada, worse, production)
    scenes.go_live(cast, builders.version(cast.ada, made, "Sort {{ text }} again"))
    for state in STATES:
        scenes.suite(cast.olga, made, f"suite/{state}", is_safety=state == CheckState.ERROR)
        scenes.post(worse, production, state, name=f"suite/{state}")
    scenes.suite(cast.olga, made, "suite/missing")
    comment(cast.grace, asked, body="Who is asked for the name?")
    scenes.approve(cast.grace, asked, Vote.REQUEST_CHANGES)
    now = timezone.now()
    freeze_environment(cast.olga, production, starts_at=now, ends_at=now + timedelta(days=1), reason="Sale")
    scenes.policy(cast, "production", **STRICT)
    yank_version(cast.ada, worse, reason="Nobody has a name")
    return scenes.fresh(asked)


def judged_run(cast: Cast, made: Evaluated) -> Run:
    """A run that a model has judged, and a person's word on an answer of it."""
    made.provider.script(*RULES, Rule(anywhere=" CRITERION", answer='{"reason": "It says so.", "verdict": "met"}'))
    rubric = {"kind": "rubric", "value": "It names the number."}
    suite = building.suite(cast.ada, "judged", of=building.cases(3), scorers=[rubric, {"kind": "contains"}])
    run = building.work(start_run(cast.ada, made.run.candidate, suite, baseline=made.run.baseline))
    answer = Result.objects.select_related("case", "run__prompt").get(run=run, case__position=0, arm="candidate")
    set_label(cast.grace, answer, label="failed", note="It says more than the number.")
    return run
