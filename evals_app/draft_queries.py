"""The editor of a suite as its page reads it: one page of rows, of the draft or of the version it would begin from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet

from evals_app.metric_rows import scorer_names
from evals_app.models import Case, DraftCase, Suite, SuiteAttachment, SuiteDraft, SuiteVersion
from evals_app.outlook_queries import outlooks
from evals_app.suite_cells import Cells, cells_of, columns_of
from evals_app.suite_content import CaseSpec, SuiteContent, parse_suite
from evals_app.suite_editing import (
    FIRST_RULES,
    broken_rows,
    case_mistakes,
    is_blank,
    read_rules,
    rules_as_read,
    typed_rules,
    with_keys,
)
from evals_app.suite_sizes import SizeNote, size_note
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid

ROWS_PER_PAGE = 25


@dataclass(frozen=True)
class EditorRow:
    """One row of the table: `number` is what names it in the form, `place` where it stands, counted from 1."""

    number: int
    place: int
    cells: Cells
    columns: tuple[tuple[str, str], ...]
    mistakes: tuple[str, ...]

    @property
    def stamp(self) -> str:
        """Comes back with the row, to tell whether it was touched."""
        return self.cells.stamp


@dataclass(frozen=True)
class EditorSheet:
    """What the editor shows. `draft` is None before anything was typed; `behind` is what somebody saved since it began.

    `size` is None where its rules cannot be read; `removable` are the columns that somebody added and no case of the page fills.
    """

    suite: Suite
    draft: SuiteDraft | None
    based_on: int
    behind: SuiteVersion | None
    rules: Mapping[str, str]
    names: tuple[str, ...]
    removable: tuple[str, ...]
    rows: tuple[EditorRow, ...]
    page: "Page[DraftCase] | Page[Case]"
    count: int
    size: SizeNote | None
    scorer_names: tuple[str, ...]

    @property
    def last_page(self) -> int:
        """The number of the last page."""
        return self.page.paginator.num_pages


def editor_sheet(suite: Suite, member_id: int, *, page: str | None) -> EditorSheet:
    """One page of the editor; a fixed number of queries, whatever the size of the suite.

    A row that nobody has filled in yet says nothing of what it lacks: saving leaves it out. One without a key gets one then.
    """
    draft = SuiteDraft.objects.filter(suite=suite, member_id=member_id).first()
    newest = SuiteVersion.objects.filter(suite=suite, number=suite.last_number).first()
    if draft is not None:
        found: Page[DraftCase] | Page[Case] = Paginator(
            DraftCase.objects.filter(draft=draft).order_by("position"), ROWS_PER_PAGE
        ).get_page(page)
        rules = {**typed_rules(FIRST_RULES), **json.loads(draft.rules)}
        given = list(draft.names)
    else:
        cases = Case.objects.filter(suite_version=newest).order_by("position")
        found = Paginator(cases, ROWS_PER_PAGE).get_page(page)
        rules = typed_rules(json.loads(newest.rules) if newest else FIRST_RULES)
        given = []
    contents: list[dict[str, JSON]] = [json.loads(row.content) for row in found.object_list]
    filled, asked = columns_of(contents), _variables_asked(suite)
    names = columns_of((), [*given, *filled, *asked])
    return EditorSheet(
        suite=suite,
        draft=draft,
        based_on=draft.based_on if draft else suite.last_number,
        behind=newest if draft is not None and draft.based_on != suite.last_number else None,
        rules=rules,
        names=names,
        removable=tuple(name for name in given if name not in {*filled, *asked}),
        rows=_rows(found, contents, names, rules, draft),
        page=found,
        count=found.paginator.count,
        size=_size(suite, rules, draft, newest),
        scorer_names=_scorer_names(rules, draft, newest),
    )


def draft_of(suite: Suite, member_id: int | None) -> SuiteDraft | None:
    """The person's draft of the suite, if there is one; one query. Keys have none."""
    if member_id is None:
        return None
    return SuiteDraft.objects.filter(suite=suite, member_id=member_id).first()


def draft_stamp(suite: Suite, draft: SuiteDraft | None) -> str:
    """Changes with the draft; without one with the version that a draft would begin from."""
    return f"{draft.pk}-{draft.updated_at.timestamp():.6f}" if draft else f"none-{suite.last_number}"


def draft_as_read(suite: Suite, draft: SuiteDraft | None) -> dict[str, JSON]:
    """The draft, or what it would begin from, as a suite version is saved; a rule that cannot be read is the text typed."""
    if draft is None:
        newest = SuiteVersion.objects.filter(suite=suite, number=suite.last_number).first()
        rules: Mapping[str, JSON] = json.loads(newest.rules) if newest else FIRST_RULES
        stored: QuerySet[Case] | QuerySet[DraftCase] = Case.objects.filter(suite_version=newest).order_by("position")
    else:
        rules = rules_as_read(json.loads(draft.rules))
        stored = DraftCase.objects.filter(draft=draft).order_by("position")
    cases: list[JSON] = [json.loads(content) for content in stored.values_list("content", flat=True)]
    return {"cases": cases, **rules}


def place_of(draft: SuiteDraft, row: int) -> int:
    """On which page of the editor a row is, counted from 1; the first where it is not there."""
    found = DraftCase.objects.filter(draft=draft, row=row).first()
    if found is None:
        return 1
    return DraftCase.objects.filter(draft=draft, position__lt=found.position).count() // ROWS_PER_PAGE + 1


def keys_in_draft(suite: Suite, member_id: int) -> set[str]:
    """The keys of the person's draft, or of the version it would begin from; two queries."""
    draft = SuiteDraft.objects.filter(suite=suite, member_id=member_id).first()
    if draft is not None:
        return set(DraftCase.objects.filter(draft=draft).values_list("key", flat=True))
    cases = Case.objects.filter(suite_version__suite=suite, suite_version__number=suite.last_number)
    return set(cases.values_list("key", flat=True))


def clusters_of(version: SuiteVersion) -> int:
    """How many observations a version's cases make; counted from the cases where the version does not say."""
    if version.cluster_count is not None:
        return version.cluster_count
    keys = version.cases.values_list("key", "content")
    return len({f"case:{key}" if (found := _cluster(content)) is None else f"cluster:{found}" for key, content in keys})


def _rows(
    page: "Page[DraftCase] | Page[Case]",
    contents: Sequence[Mapping[str, JSON]],
    names: Sequence[str],
    rules: Mapping[str, str],
    draft: SuiteDraft | None,
) -> tuple[EditorRow, ...]:
    mistakes = _mistakes(contents, rules) if draft else {}
    taken = _keys_used_twice(draft, contents) if draft else set()
    rows = []
    for index, (row, content) in enumerate(zip(page.object_list, contents, strict=True)):
        cells = cells_of(content, names)
        said = [] if is_blank(content) else list(mistakes.get(index, ()))
        if content.get("key") in taken:
            said.append("key is the key of another case too: keys are unique within a suite")
        number = row.row if isinstance(row, DraftCase) else cast("Case", row).position
        columns = tuple(zip(names, cells.variables, strict=True))
        rows.append(EditorRow(number, page.start_index() + index, cells, columns, tuple(said)))
    return tuple(rows)


def _mistakes(contents: Sequence[Mapping[str, JSON]], rules: Mapping[str, str]) -> dict[int, list[str]]:
    """What is wrong with the rows of one page, by their place on it; keys used twice are found apart."""
    found: dict[int, list[str]] = {}
    errors: list[FieldError] = broken_rows(contents)
    readable: list[JSON] = [*with_keys(contents)]
    try:
        parse_suite({**_rules(rules), "cases": readable})
    except Invalid as refused:
        errors += [error for error in refused.errors if error.code != "taken" and not error.field.endswith("].more")]
    for mistake in case_mistakes(Invalid("suite.invalid", "", errors=errors)):
        found.setdefault(mistake.index, []).append(mistake.text)
    return found


def _rules(typed: Mapping[str, str]) -> dict[str, JSON]:
    """The rules as far as they can be read: rows are looked at also while a rule is half typed."""
    try:
        return read_rules(typed)
    except Invalid:
        return {"mode": "report_only"}


def _keys_used_twice(draft: SuiteDraft, contents: Iterable[Mapping[str, JSON]]) -> set[JSON]:
    keys = [key[:200] for case in contents if isinstance(key := case.get("key"), str) and key]
    rows = DraftCase.objects.filter(draft=draft, key__in=keys).order_by().values("key")
    return set(rows.annotate(number=Count("pk")).filter(number__gt=1).values_list("key", flat=True))


def _size(
    suite: Suite, typed: Mapping[str, str], draft: SuiteDraft | None, newest: SuiteVersion | None
) -> SizeNote | None:
    """What the size of the draft allows under its rules; None where they cannot be read."""
    try:
        sample: JSON = [{"key": "any", "expected": "any", "scorers": [{"kind": "equals"}]}]
        content = parse_suite({**read_rules(typed), "cases": sample})
    except Invalid:
        return None
    if draft is not None:
        rows = DraftCase.objects.filter(draft=draft)
        shared = Count("cluster", distinct=True, filter=~Q(cluster=""))
        counts = rows.aggregate(shared=shared, alone=Count("pk", filter=Q(cluster="")))
        sized = with_clusters(content, counts["shared"] + counts["alone"])
    else:
        sized = with_clusters(content, clusters_of(newest) if newest else 0)
    return size_note(sized, outlooks(suite.pk, sized, is_new=not suite.last_number))


def with_clusters(content: SuiteContent, number: int) -> SuiteContent:
    """The same rules over that many observations: what the smallest useful size is asked of."""
    return replace(content, cases=tuple(CaseSpec(str(index)) for index in range(number)))


def _variables_asked(suite: Suite) -> tuple[str, ...]:
    """The variables of the prompts that the suite is attached to, of the first three."""
    attached = SuiteAttachment.objects.filter(suite=suite).select_related("prompt").order_by("prompt__name")[:3]
    names: dict[str, None] = {}
    for attachment in attached:
        newest = attachment.prompt.versions.order_by("-number").first()
        schema = newest.load().variables if newest else None
        properties = (schema or {}).get("properties")
        names |= dict.fromkeys(properties) if isinstance(properties, dict) else {}
    return columns_of((), names)


def _scorer_names(rules: Mapping[str, str], draft: SuiteDraft | None, newest: SuiteVersion | None) -> tuple[str, ...]:
    """The scorers that metrics can be of: the suite's, and those that the first hundred cases with their own bring."""
    rows: QuerySet[DraftCase] | QuerySet[Case] = (
        DraftCase.objects.filter(draft=draft) if draft else Case.objects.filter(suite_version=newest)
    )
    own = rows.filter(content__contains='"scorers"').order_by("position").values_list("content", flat=True)
    scorers = [_read_or_none(rules.get("scorers", "")), *(json.loads(text).get("scorers") for text in own[:100])]
    return tuple(dict.fromkeys(name for one in scorers for name in scorer_names(one)))


def _read_or_none(text: str) -> JSON:
    try:
        return parse_json(text) if text.strip() else None
    except InvalidJson:
        return None


def _cluster(content: str) -> str | None:
    """The cluster of a stored case, which most have none of: those are not parsed."""
    if '"cluster"' not in content:
        return None
    cluster = json.loads(content).get("cluster")
    return cluster if isinstance(cluster, str) else None
