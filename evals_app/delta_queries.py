"""What a reviewer asks beside a verdict: score by score, what answers cost and how long they take, and whether the suite
itself is still the one that what is live was approved by."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from evals_app.comparison_queries import DifferenceLine, compare
from evals_app.comparison_sql import RunArm, Spread
from evals_app.models import Arm, Run, Suite, SuiteVersion
from evals_app.suite_diff import SuiteDifference
from evals_app.verdict_words import count
from evals_app.version_queries import compare_versions
from registry.core.canonical import JSON

MOST_CASES = 5_000  # of both versions together, up to which cases are compared one by one


@dataclass(frozen=True)
class Measure:
    """Cost or latency of an answer on both sides; `change` is the share by which the median grew, None where unknown."""

    name: str
    old: Spread
    new: Spread

    @property
    def change(self) -> float | None:
        """Above 0 for more."""
        if not self.old.median or self.new.median is None:
            return None
        return self.new.median / self.old.median - 1

    @property
    def words(self) -> str:
        """The change for people: `12 % more`."""
        if self.change is None:
            return ""
        share = round(abs(self.change) * 100)
        return f"{share}\N{NO-BREAK SPACE}% {'more' if self.change > 0 else 'less'}" if share else "the same"


@dataclass(frozen=True)
class Delta:
    """An ended run's two versions score by score, and by what their answers cost and take."""

    scores: tuple[DifferenceLine, ...]
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class SuiteChange:
    """A required suite that is not what it was when what is live went live; `difference` is None for very large ones."""

    suite: Suite
    old: SuiteVersion | None
    new: SuiteVersion
    authors: tuple[str, ...]
    difference: SuiteDifference | None

    @property
    def words(self) -> tuple[str, ...]:
        """What changed, in few words."""
        if self.old is None:
            return (f"new since: {count(self.new.case_count, 'case')}",)
        if self.difference is None:
            return (f"{count(self.old.case_count, 'case')} then, {self.new.case_count:,} now",)
        counts = self.difference.counts
        cases = ", ".join(f"{counts[op]} {op}" for op in ("added", "removed", "changed") if counts[op])
        found = [f"cases: {cases}"] if cases else []
        found += [f"scorer {one.name} {one.op}" for one in self.difference.scorers]
        found += [f"{rule.field}: {_short(rule.old)}, now {_short(rule.new)}" for rule in self.difference.rules]
        return tuple(found)


def delta_of(run: Run) -> Delta | None:
    """Both versions of one run beside each other; None while it is open, or where it has no baseline. Six queries."""
    if run.is_open or run.baseline_id is None:
        return None
    found = compare(RunArm(run, Arm.BASELINE), RunArm(run, Arm.CANDIDATE))
    measures = tuple(
        Measure(one.measure, one.old, one.new) for one in found.distributions if one.new.median is not None
    )
    return Delta(found.differences, measures)


def suite_changes(suites: Sequence[Suite], since: datetime | None) -> tuple[SuiteChange, ...]:
    """Suites with a newer version than at that time; none where nothing was live. One query, three for each that changed."""
    if since is None:
        return ()
    rows = SuiteVersion.objects.filter(suite__in=suites).select_related("suite").order_by("suite__slug", "number")
    by_suite: dict[int, list[SuiteVersion]] = {}
    for version in rows:
        by_suite.setdefault(version.suite_id, []).append(version)
    found = []
    for versions in by_suite.values():
        then = [version for version in versions if version.created_at <= since]
        later = [version for version in versions if version.created_at > since]
        if later:
            found.append(_change(then[-1] if then else None, later))
    return tuple(found)


def _change(old: SuiteVersion | None, later: Sequence[SuiteVersion]) -> SuiteChange:
    new = later[-1]
    authors = tuple(dict.fromkeys(version.author_name for version in later))
    is_small = old is not None and old.case_count + new.case_count <= MOST_CASES
    return SuiteChange(new.suite, old, new, authors, compare_versions(old, new) if old and is_small else None)


def _short(value: JSON) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:39]}…"
