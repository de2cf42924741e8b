"""What one chooses from to open a promotion: the versions, where each of them may not go, and what its suites say there."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from prompts_app.facts import live_deployment
from prompts_app.gates import CheckFact, evidence_key
from prompts_app.models import (
    CheckState,
    Environment,
    LivePointer,
    Prompt,
    PromptVersion,
    Quarantine,
    RequiredCheck,
    VersionCheck,
    VersionYank,
)
from prompts_app.policy import Policy


@dataclass(frozen=True)
class Choice:
    """One version; `held_in` are the ids of environments in which its content is quarantined."""

    number: int
    message: str
    is_yanked: bool
    held_in: tuple[int, ...]

    def said(self, places: Sequence[Environment]) -> str:
        """How the choice reads: its number, its message, and where it may not go."""
        held = [place.label for place in places if place.pk in self.held_in]
        away = "yanked" if self.is_yanked else f"quarantined in {', '.join(held)}" if held else ""
        return " · ".join(part for part in (f"v{self.number}", self.message[:60], away) if part)


@dataclass(frozen=True)
class Failed:
    """A suite that a version has failed, beside which version that is live in `place`; on its own where that is None."""

    title: str
    beside: int | None
    place: str


def choices(prompt: Prompt) -> tuple[Choice, ...]:
    """Every version of a prompt, newest first; one query."""
    held = Quarantine.objects.filter(prompt=OuterRef("prompt"), digest=OuterRef("digest"), cleared_at=None)
    rows = PromptVersion.objects.filter(prompt=prompt).order_by("-number")
    yanked = Exists(VersionYank.objects.filter(version=OuterRef("pk")))
    found = rows.values_list("number", "message", yanked, ArraySubquery(held.values("environment")))
    return tuple(Choice(number, message, is_yanked, tuple(places)) for number, message, is_yanked, places in found)


def proposed(prompt: Prompt, found: Sequence[Choice], places: Sequence[Environment]) -> tuple[int, str]:
    """What would go on next: the newest version that may, by number, and the lowest environment, by name, that has an older
    one. Where none has, the newest to the last. One query for each place."""
    for place in places:
        live = live_deployment(prompt, place)
        number = live.version.number if live and live.version else 0
        best = next((one.number for one in found if not one.is_yanked and place.pk not in one.held_in), 0)
        if best > number:
            return best, place.name
    return prompt.last_number, places[-1].name if places else ""


def failed_suites(version: PromptVersion, live: PromptVersion | None, policy: Policy) -> tuple[Failed, ...]:
    """The required suites that a version has failed beside what is live somewhere, or on its own where nothing is (`live`);
    one query."""
    required = RequiredCheck.objects.filter(prompt=version.prompt, definition__name=OuterRef("name"))
    rows = VersionCheck.objects.filter(prompt=version.prompt, digest=version.digest)
    pointers = LivePointer.objects.live().filter(
        prompt=version.prompt, deployment__version__digest=OuterRef("baseline_digest")
    )
    highest = pointers.order_by("-environment__rank")
    rows = rows.annotate(
        recipe=Subquery(required.values("definition__recipe")[:1]),
        title=Subquery(required.values("definition__title")[:1]),
        beside=Subquery(highest.values("deployment__version__number")[:1]),
        place=Subquery(highest.values("environment__label")[:1]),
    ).exclude(recipe=None)
    order = ("name", "baseline_digest", "evidence_key")
    now, found = timezone.now(), []
    for row in rows.order_by(*order, "-pk").distinct(*order):
        expected = evidence_key(version.digest, row.baseline_digest, row.recipe)
        fact = CheckFact(row.name, row.state, row.created_at, row.evidence_key, expected)
        is_held_against = row.beside is not None or (row.baseline_digest is None and live is None)
        if is_held_against and fact.counts_as(now, policy.max_age_days) == CheckState.FAILED:
            found.append(Failed(row.title or row.name, row.beside, row.place or ""))
    return tuple(found)
