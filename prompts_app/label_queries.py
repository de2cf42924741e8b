"""What points at a version: environments in which it is live, free labels, and `latest`, which is nobody's to move."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, Max, OuterRef, QuerySet

from prompts_app.models import Environment, LivePointer, Prompt, PromptVersion, VersionLabel

LATEST = "latest"


@dataclass(frozen=True)
class Pointing:
    """A label, and since when it points where it does."""

    name: str
    since: datetime


def labels_of(versions: Iterable[PromptVersion]) -> dict[int, list[Pointing]]:
    """For each version by id, what points at it: environments by rank, free labels by name, `latest`. Three queries."""
    asked = {version.pk: version for version in versions}
    found: dict[int, list[Pointing]] = defaultdict(list)
    live = LivePointer.objects.filter(deployment__version__in=asked, environment__archived_at=None)
    for pk, name, since in live.order_by("environment__rank", "environment_id").values_list(
        "deployment__version_id", "environment__name", "deployment__created_at"
    ):
        found[pk].append(Pointing(name, since))
    for pk, name, since in free_labels().filter(version__in=asked).values_list("version_id", "name", "moved_at"):
        found[pk].append(Pointing(name, since))
    newest = newest_numbers({version.prompt_id for version in asked.values()})
    for pk, version in asked.items():
        if newest.get(version.prompt_id) == version.number:
            found[pk].append(Pointing(LATEST, version.created_at))
    return found


def labelled_version(prompt: Prompt, label: str) -> PromptVersion | None:
    """The version that a label points at: live in an environment of that name, bookmarked, or `latest`."""
    rows = PromptVersion.objects.filter(prompt=prompt)
    if label == LATEST:
        return rows.filter(yank=None).order_by("-number").first()
    live = LivePointer.objects.live().filter(prompt=prompt, environment__name=label, environment__archived_at=None)
    return (
        rows.filter(pk__in=live.values("deployment__version")).first()
        or rows.filter(pk__in=free_labels().filter(prompt=prompt, name=label).values("version")).first()
    )


def free_labels() -> QuerySet[VersionLabel]:
    """Those that count: a withdrawn version answers to its number only, and an environment made later takes its name over."""
    taken = Environment.objects.filter(workspace=OuterRef("prompt__workspace"), name=OuterRef("name"))
    return VersionLabel.objects.filter(~Exists(taken), version__yank=None).order_by("name")


def newest_numbers(prompts: Iterable[int]) -> dict[int, int]:
    """The newest version that was not withdrawn, by the prompts' ids; one query."""
    rows = PromptVersion.objects.filter(prompt__in=list(prompts), yank=None).order_by()
    return dict(rows.values("prompt").annotate(newest=Max("number")).values_list("prompt_id", "newest"))
