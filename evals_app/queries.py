"""Reads across tables; a fixed number of queries each, said in the docstring."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Max
from django.db.models.functions import Now

from evals_app.model_settings import Offer
from evals_app.models import Provider, Run, RunState, Suite, SuiteAttachment, SuiteVersion
from prompts_app.facts import current_policies
from prompts_app.models import Environment, LivePointer, Prompt, PromptVersion
from prompts_app.policy import Policy


def offers(workspace_id: int) -> list[Offer]:
    """The workspace's providers as far as choosing a model goes; one query."""
    return [
        Offer(provider.name, tuple(provider.model_names), provider.is_default)
        for provider in Provider.objects.in_workspace(workspace_id)
    ]


@dataclass(frozen=True)
class Place:
    """An environment with its policy and what is live there for one prompt."""

    environment: Environment
    policy: Policy
    live: PromptVersion | None


def places_of(prompt: Prompt) -> list[Place]:
    """Every environment of the workspace, lowest rank first; three queries."""
    pointers = LivePointer.objects.live().filter(prompt=prompt).select_related("deployment__version__prompt")
    live = {pointer.environment_id: pointer.deployment.version for pointer in pointers if pointer.deployment}
    environments = list(Environment.objects.in_workspace(prompt.workspace_id))
    policies = current_policies(environments)
    return [
        Place(environment, policies[environment.pk].load(), live.get(environment.pk)) for environment in environments
    ]


def evidence_lasts(places: Sequence[Place]) -> timedelta:
    """How long an answer stays good: the strictest of the policies; two weeks where there is none."""
    return timedelta(days=min((place.policy.max_age_days for place in places), default=14))


@dataclass(frozen=True)
class Attempts:
    """Earlier runs that answer the same question. `pooled` are those a new one is judged together with, oldest first.

    `broken`: the newest that was begun after them and came to nothing, so that the check is an error.
    """

    open: Run | None
    pooled: tuple[Run, ...]
    next_repeat: int
    broken: Run | None = None

    @property
    def fresh(self) -> Run | None:
        """The newest answer, where it still holds."""
        return self.pooled[-1] if self.pooled and not self.broken else None


def attempts_at(prompt_id: int, evidence_key: str, *, lasts: timedelta) -> Attempts:
    """What was asked before; runs in error, cancelled, too old, purged or beyond the suite's looks are no looks. Four queries."""
    runs = Run.objects.of_evidence(prompt_id, evidence_key).select_related("suite_version__suite")
    finished = runs.filter(state=RunState.FINISHED, finished_at__gt=Now() - lasts)
    last = runs.aggregate(last=Max(F("first_repeat") + F("repeats")))["last"]
    pooled = tuple(finished.filter(posts_check=True, purge=None).order_by("pk"))
    failed = runs.filter(
        posts_check=True, state__in=[RunState.ERROR, RunState.CANCELLED], finished_at__gt=Now() - lasts
    )
    if pooled:
        failed = failed.filter(pk__gt=pooled[-1].pk)
    return Attempts(
        open=runs.open().first(),
        pooled=pooled,
        next_repeat=last or 0,
        broken=failed.select_related("prompt", "candidate", "baseline").order_by("-pk").first(),
    )


def newest_suite_version(suite_id: int) -> SuiteVersion | None:
    """The version a run would use; None before the first was saved."""
    return SuiteVersion.objects.filter(suite=suite_id).select_related("suite").order_by("-number").first()


def is_required_where_protected(suite: Suite, prompt: Prompt | None = None) -> bool:
    """Whether the gate of a protected environment relies on the suite, for any prompt or for this one."""
    required = SuiteAttachment.objects.filter(suite=suite, is_required=True)
    if not (required.filter(prompt=prompt) if prompt else required).exists():
        return False
    rows = current_policies(Environment.objects.in_workspace(suite.workspace_id)).values()
    return any(policy.protected and policy.require_suites for policy in (row.load() for row in rows))
