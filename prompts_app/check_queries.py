"""Checks of a version, as they were posted and as they count in an environment."""

from dataclasses import dataclass

from prompts_app.facts import current_policy, live_deployment, required_check_facts
from prompts_app.history_queries import checks_of
from prompts_app.models import Environment, PromptVersion, VersionCheck
from registry.core.clock import database_now


@dataclass(frozen=True)
class CountedCheck:
    """A check as it counts: `check` is None where nothing was posted."""

    name: str
    state: str
    required: bool
    check: VersionCheck | None


def newest_checks(version: PromptVersion) -> list[VersionCheck]:
    """The newest answer of each check, for each content it was compared with; newest first."""
    return list(checks_of(version).order_by("-pk"))


def checks_in(version: PromptVersion, environment: Environment) -> list[CountedCheck]:
    """The required checks as they count in the environment, then the others that fit what is live there. Six queries."""
    policy = current_policy(environment).load()
    live = live_deployment(version.prompt, environment)
    baseline = live.version.digest if live and live.version else None
    posted = {
        check.name: check
        for check in newest_checks(version)
        if check.baseline_digest == baseline or check.name.startswith("external/")
    }
    now = database_now()
    required = required_check_facts(version.prompt, version, policy, live)
    found = [
        CountedCheck(fact.name, fact.counts_as(now, policy.max_age_days), True, posted.get(fact.name))
        for fact in required
    ]
    named = {check.name for check in found}
    others = [check for check in posted.values() if check.name not in named]
    return found + [CountedCheck(check.name, check.state, False, check) for check in others]
