"""Suites as pages read them: the list, and one version with cases, scorers, versions and where it is attached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Q, QuerySet

from evals_app.draft_queries import clusters_of, with_clusters
from evals_app.models import Case, Run, Suite, SuiteAttachment, SuiteVersion
from evals_app.outlook import Outlook
from evals_app.outlook_queries import outlooks
from evals_app.run_queries import RunLine, lines, runs_of
from evals_app.scorers import ScorerSpec
from evals_app.suite_content import SuiteContent
from evals_app.suite_sizes import is_enough_for_all, too_small
from evals_app.tag_queries import tags_with_counts
from evals_app.verdict_words import asked
from prompts_app.models import Prompt
from registry.core.canonical import JSON

PAGE_SIZE = 50
CASES_PER_PAGE = 50
RECENT = 5


@dataclass(frozen=True)
class SuiteLine:
    """A suite as the list shows it; `newest` and `last_run` are None where there is none."""

    suite: Suite
    newest: SuiteVersion | None
    attached: int
    required: int
    last_run: RunLine | None


@dataclass(frozen=True)
class CaseLine:
    """A case as a table shows it."""

    case: Case
    content: dict[str, JSON]


@dataclass(frozen=True)
class RuleLine:
    """A metric and what is asked of it."""

    name: str
    told: str


@dataclass(frozen=True)
class SuiteSheet:
    """One version of a suite with everything around it; `content` holds its rules and scorers, cases only by key.

    `warning` says why the suite cannot be required; empty where it can. `is_enough_for_all`: it could be, if every case had to pass.
    """

    suite: Suite
    version: SuiteVersion
    content: SuiteContent
    warning: str
    cases: tuple[CaseLine, ...]
    page: "Page[Case]"
    tags: tuple[tuple[str, int], ...]
    outlooks: tuple[Outlook, ...] = ()
    is_enough_for_all: bool = False

    @property
    def metric_lines(self) -> tuple[RuleLine, ...]:
        """What is judged besides the pass rate, in words."""
        named = {metric.name for metric in self.content.metrics}
        return tuple(RuleLine(rule.name, asked(rule)) for rule in self.content.rules() if rule.name in named)

    @property
    def scorers(self) -> tuple[ScorerSpec, ...]:
        """The suite's own scorers; cases may add theirs."""
        return self.content.scorers

    @property
    def is_newest(self) -> bool:
        """False for an earlier version."""
        return self.version.number == self.suite.last_number


def suite_list(workspace_id: int, *, page: str | None) -> tuple["Page[Suite]", tuple[SuiteLine, ...]]:
    """One page of suites by slug, and the same as lines; seven queries."""
    found = Paginator(Suite.objects.in_workspace(workspace_id).select_related("created_by__user"), PAGE_SIZE).get_page(
        page
    )
    suites = list(found.object_list)
    versions = SuiteVersion.objects.filter(suite__in=suites, number=F("suite__last_number"))
    newest = {version.suite_id: version for version in versions}
    attached = SuiteAttachment.objects.filter(suite__in=suites).order_by().values_list("suite")
    required = Count("pk", filter=Q(is_required=True))
    counts = {pk: (every, some) for pk, every, some in attached.annotate(every=Count("pk"), some=required)}
    last_runs = Run.objects.filter(suite_version__suite__in=suites).order_by("suite_version__suite", "-pk")
    recent = runs_of(workspace_id).filter(pk__in=last_runs.distinct("suite_version__suite").values("pk"))
    runs = {line.run.suite_version.suite_id: line for line in lines(list(recent))}
    return found, tuple(
        SuiteLine(suite, newest.get(suite.pk), *counts.get(suite.pk, (0, 0)), runs.get(suite.pk)) for suite in suites
    )


def suite_sheet(suite: Suite, version: SuiteVersion, *, tag: str, page: str | None) -> SuiteSheet:
    """One version of a suite, and one page of its cases (those with the tag, if one is given); six queries."""
    rows = version.cases.select_related("purge").order_by("position")
    found = Paginator(rows.filter(tags__contains=[tag]) if tag else rows, CASES_PER_PAGE).get_page(page)
    content = outline(version)
    return SuiteSheet(
        suite=suite,
        version=version,
        content=content,
        warning=too_small(content),
        cases=tuple(CaseLine(case, case.to_json()) for case in found.object_list),
        page=found,
        tags=tags_with_counts(version.pk),
        outlooks=outlooks(suite.pk, content),
        is_enough_for_all=is_enough_for_all(content),
    )


def outline(version: SuiteVersion) -> SuiteContent:
    """A version's rules and scorers over as many observations as it has, its cases left out; one query or two."""
    rules = version.load_rules(version.cases.order_by("position")[:1])
    return with_clusters(rules, clusters_of(version))


def versions_of(suite: Suite) -> QuerySet[SuiteVersion]:
    """Every version, newest first."""
    return SuiteVersion.objects.filter(suite=suite).defer("rules").order_by("-number")


def attachments_of(suite: Suite) -> QuerySet[SuiteAttachment]:
    """Where the suite is attached, by prompt."""
    return SuiteAttachment.objects.filter(suite=suite).select_related("prompt").order_by("prompt__name")


def unfilled(
    attachments: Iterable[SuiteAttachment], cases: Sequence[CaseLine], *, most: int = 3
) -> list[tuple[str, list[str]]]:
    """The prompts that could not be asked these cases, with the variables that each requires and none of the cases has.

    Only the first attachments are looked at; two queries for each.
    """
    given = {name for line in cases for name in _names(line.content.get("variables"))}
    found = []
    for attachment in list(attachments)[:most] if cases else ():
        newest = attachment.prompt.versions.order_by("-number").first()
        required = ((newest.load().variables if newest else None) or {}).get("required")
        names = [str(name) for name in required if name not in given] if isinstance(required, list) else []
        if names:
            found.append((attachment.prompt.name, names))
    return found


def _names(variables: JSON) -> Iterable[str]:
    return variables if isinstance(variables, dict) else ()


def recent_runs(suite: Suite) -> tuple[RunLine, ...]:
    """The last runs of any of its versions; three queries."""
    return lines(list(runs_of(suite.workspace_id).filter(suite_version__suite=suite)[:RECENT]))


def prompts_to_choose(workspace_id: int, *, most: int = 500) -> list[str]:
    """Names of prompts that have a version, for completing what is typed; one query."""
    rows = Prompt.objects.in_workspace(workspace_id).archived(archived=False).filter(last_number__gt=0)
    return list(rows.order_by("name").values_list("name", flat=True)[:most])


def only_one(names: Sequence[str]) -> str:
    """What needs no choice: the one name there is; empty where there are none or more."""
    return names[0] if len(names) == 1 else ""
