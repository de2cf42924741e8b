"""The two reasons for which runs start by themselves: a new version, and a promotion that lacks evidence."""

from evals_app.budget_queries import UnpricedError
from evals_app.engine.starting import Wish, evidence_key_of, start
from evals_app.model_settings import SettingsError
from evals_app.models import Reason, RunOn, Suite, SuiteAttachment
from evals_app.queries import Place, places_of
from prompts_app.actions.checks import record_check
from prompts_app.facts import current_policy, live_deployment, required_check_facts
from prompts_app.gates import RUN_WHEN_OPENED, CheckFact
from prompts_app.models import CheckState, Promotion, PromptVersion
from prompts_app.policy import Policy, stricter
from registry.core.clock import database_now


def start_runs_for_version(version_id: int) -> int:
    """For each attached suite that runs on new versions: one run per distinct content live where it counts.

    Returns how many runs are new. A suite without a version, and a version equal to what is live, start nothing.
    """
    version = PromptVersion.objects.select_related("prompt").get(pk=version_id)
    attachments = SuiteAttachment.objects.filter(prompt=version.prompt, run_on=RunOn.NEW_VERSION)
    suites = [attachment.suite for attachment in attachments.select_related("suite").order_by("suite__slug")]
    if not suites:
        return 0
    baselines = _baselines(version, places_of(version.prompt))
    wishes = [
        Wish(version, baseline, suite, Reason.NEW_VERSION, member_id=version.author_id, by_name=version.author_name)
        for suite in suites
        for baseline in baselines
    ]
    return sum(_start(wish) for wish in wishes)


def start_missing_checks(promotion: Promotion, *, states: frozenset[str] = RUN_WHEN_OPENED) -> int:
    """A run for each required suite of a pending promotion whose check counts as one of `states`; how many are new.

    None where what it asks for is live already: it was applied after it was read, and what is left to compare is
    a content with itself, which costs answers and would be told as the newest word about it.
    """
    live = live_deployment(promotion.prompt, promotion.environment)
    if not promotion.is_pending or (live and live.version and live.version.digest == promotion.version.digest):
        return 0
    policy = stricter(promotion.policy_opened.load(), current_policy(promotion.environment).load())
    facts = required_check_facts(promotion.prompt, promotion.version, policy, live)
    suites = _suites_of(promotion.prompt.workspace_id, facts, policy, states)
    return sum(
        _start(
            Wish(
                promotion.version,
                live.version if live else None,
                suite,
                Reason.PROMOTION,
                member_id=promotion.author_id,
                by_name=promotion.author_name,
            )
        )
        for suite in suites
    )


def _suites_of(workspace_id: int, facts: tuple[CheckFact, ...], policy: Policy, states: frozenset[str]) -> list[Suite]:
    now = database_now()
    wanted = [
        fact.name.removeprefix("suite/")
        for fact in facts
        if fact.name.startswith("suite/") and fact.counts_as(now, policy.max_age_days) in states
    ]
    return list(Suite.objects.in_workspace(workspace_id).filter(slug__in=wanted))


def _baselines(version: PromptVersion, places: list[Place]) -> list[PromptVersion | None]:
    """What is live where suites are asked for, each content once; everywhere, where no environment asks."""
    asking = [place for place in places if place.policy.require_suites] or places
    distinct = {place.live.digest if place.live else None: place.live for place in asking}
    return [live for digest, live in distinct.items() if digest != version.digest]


def _start(wish: Wish) -> bool:
    """Starts one; without a model to ask, or with a budget that cannot be kept, the check says so for all to see."""
    if not wish.suite.last_number:
        return False
    try:
        return start(wish).is_new
    except (SettingsError, UnpricedError) as error:
        why = f"no model can be asked: {error}" if isinstance(error, SettingsError) else str(error)
        record_check(
            wish.candidate.prompt,
            digest=wish.candidate.digest,
            name=wish.suite.check_name,
            baseline_digest=wish.baseline.digest if wish.baseline else None,
            evidence_key=evidence_key_of(wish),
            state=CheckState.ERROR,
            summary=why,
        )
        return False
