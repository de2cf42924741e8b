"""Whole versions of a suite, read without making their cases objects: compared, and written as files."""

import json

from evals_app.models import Case, Purge, SuiteVersion
from evals_app.suite_diff import SuiteDifference, compare_suites
from registry.core.canonical import JSON


def compare_versions(old: SuiteVersion, new: SuiteVersion) -> SuiteDifference:
    """What differs from the one to the other; two queries, both versions' cases in memory."""
    before, after = contents_of(old), contents_of(new)
    same = before.items() & after.items()
    shared = dict(same)
    found = compare_suites(
        json.loads(old.rules),
        {key: json.loads(text) for key, text in before.items() if key not in shared},
        json.loads(new.rules),
        {key: json.loads(text) for key, text in after.items() if key not in shared},
    )
    return SuiteDifference(found.cases, found.scorers, found.rules, found.unchanged + len(shared))


def contents_of(version: SuiteVersion) -> dict[str, str]:
    """The JSON text of each case by its key, in order; what was purged says so. One query, one more where there is any."""
    rows = list(version.cases.order_by("position").values_list("key", "content", "purge"))
    purges = Purge.objects.in_bulk({pk for _, _, pk in rows if pk is not None})
    return {key: content if pk is None else _marked(content, purges[pk]) for key, content, pk in rows}


def _marked(content: str, purge: Purge) -> str:
    return json.dumps({**json.loads(content), "purged": purge.told}, ensure_ascii=False)


def shown_case(case: Case) -> dict[str, JSON]:
    """A case as it is shown: as it was given, or what is left of it and who purged it."""
    return case.to_json() if case.purge is None else {**case.to_json(), "purged": case.purge.told}


def cases_of(version: SuiteVersion) -> list[dict[str, JSON]]:
    """All cases in order; one query."""
    return [json.loads(content) for content in version.cases.order_by("position").values_list("content", flat=True)]
