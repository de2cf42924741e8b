"""The cases of a run, a page of them by what was picked."""

from dataclasses import dataclass, replace

from django.core.paginator import Page, Paginator

from evals_app.case_counts import Pick, counted_cases
from evals_app.models import Run
from evals_app.run_queries import CaseRow, rows_of
from evals_app.tag_queries import tags_with_counts

CASES_PER_PAGE = 50


@dataclass(frozen=True)
class CaseGrid:
    """One page of a run's cases by what was picked, and how many there are of each kind to pick from (of the tag chosen)."""

    rows: tuple[CaseRow, ...]
    page: "Page[int]"
    pick: Pick
    counts: dict[str, int]
    tags: tuple[tuple[str, int], ...]


def case_grid(run: Run, pick: Pick, *, page: str | None, is_opened: bool = False) -> CaseGrid:
    """One page of the run's cases; six queries.

    Where nothing was picked (`is_opened`) a run that did not pass shows which cases flipped, if any did.
    """
    cases = counted_cases(run)
    counts = cases.counts(pick)
    if is_opened and run.verdict in ("failed", "inconclusive") and counts["flipped"]:
        pick = replace(pick, status="flipped")
    paginator = Paginator(cases.picked(pick), CASES_PER_PAGE)
    paginator.count = counts.get(pick.status or "all", 0)
    found = paginator.get_page(page)
    places = list(found.object_list)
    return CaseGrid(
        rows=rows_of(run, sorted(cases.load(places), key=lambda case: places.index(case.position))),
        page=found,
        pick=pick,
        counts=counts,
        tags=tags_with_counts(run.suite_version_id),
    )
