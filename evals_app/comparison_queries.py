"""Two sets of answers to one suite side by side: what flipped, by how much each score differs, cost and latency."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Q

from evals_app import comparison_sql
from evals_app.case_rates import clusters_in
from evals_app.charts import Histogram, draw_histogram
from evals_app.comparison_sql import FlipRow, RunArm, Spread
from evals_app.differences import Difference, Measured, difference
from evals_app.excerpts import excerpt
from evals_app.interval_drawing import Drawing, draw_difference
from evals_app.models import Arm, Result, SuiteVersion
from evals_app.score_units import units_of
from evals_app.scorer_queries import scorers_named
from evals_app.scorers import SCORERS
from evals_app.scorers.scoring import points_up
from evals_app.scorers.spec import PASSES
from evals_app.verdict_rules import Unit
from registry.core.errors import NotFound

FLIPS_PER_PAGE = 50
MEASURES = ("latency", "cost")


@dataclass(frozen=True)
class DifferenceLine:
    """A difference with its interval drawn, where it has one, and what its numbers are told in."""

    found: Difference
    drawing: Drawing | None
    unit: Unit = "rate"
    higher_is_better: bool = True


@dataclass(frozen=True)
class Distribution:
    """A measure on both sides; `chart` is None where no answer has a value above 0."""

    measure: str
    old: Spread
    new: Spread
    chart: Histogram | None


@dataclass(frozen=True)
class Flip:
    """A flipped case with one answer of each side in short."""

    row: FlipRow
    old_excerpt: str
    new_excerpt: str


@dataclass(frozen=True)
class FlipsPage:
    """One page of flipped cases."""

    flips: tuple[Flip, ...]
    page: "Page[int]"


@dataclass(frozen=True)
class Comparison:
    """All about two sides but the cases. `left_out` are cases of either suite version that the other does not ask alike."""

    old: RunArm
    new: RunArm
    common: int
    counts: dict[str, int]
    differences: tuple[DifferenceLine, ...]
    distributions: tuple[Distribution, ...]

    @property
    def flip_count(self) -> int:
        """How many cases flipped, either way."""
        return self.counts["better"] + self.counts["worse"]

    @property
    def answered(self) -> int:
        """How many of the common cases both sides have answers or errors for."""
        return sum(self.counts.values())

    @property
    def is_one_suite(self) -> bool:
        """True where both answered the same suite version."""
        return self.old.run.suite_version_id == self.new.run.suite_version_id

    @property
    def left_out(self) -> int:
        """Cases that only one of the two suite versions asks, or asks otherwise."""
        return sum(side.run.suite_version.case_count for side in (self.old, self.new)) - 2 * self.common

    @property
    def scores_alike(self) -> bool:
        """False where the two suite versions do not score by the same scorers."""
        old, new = (json.loads(side.run.suite_version.rules)["scorers"] for side in (self.old, self.new))
        return bool(old == new)

    @property
    def old_label(self) -> str:
        """The old side's version, with its run where both have the same number."""
        return self._label(self.old)

    @property
    def new_label(self) -> str:
        """Likewise the new side's."""
        return self._label(self.new)

    def _label(self, side: RunArm) -> str:
        number = str(side.version.number)
        return f"{number}, run {side.run.pk}" if self.old.version.number == self.new.version.number else number

    @property
    def alpha(self) -> float:
        """The one-sided level of each bound."""
        return _alpha(self.new.run.suite_version)

    @property
    def is_moving(self) -> bool:
        """True while either run may still change."""
        return self.old.run.is_open or self.new.run.is_open


def compare(old: RunArm, new: RunArm) -> Comparison:
    """Two sides of runs on one suite; raises NotFound where they are of different suites. Six queries at most."""
    if old.run.suite_version.suite_id != new.run.suite_version.suite_id:
        raise NotFound("comparison.suites", "These runs are of different suites: only runs of one suite compare.")
    for side in (old, new):
        if side.arm not in side.run.arms:
            raise NotFound("comparison.no_baseline", f"Run {side.run.pk} compares with nothing: it has no baseline.")
    return Comparison(
        old=old,
        new=new,
        common=comparison_sql.common_count(old, new),
        counts=comparison_sql.flip_counts(old, new),
        differences=differences_of(old, new),
        distributions=distributions_of(old, new),
    )


def flips_page(compared: Comparison, *, which: str, page: str | None) -> FlipsPage:
    """One page of the flipped cases, only `better` or `worse` where asked; two queries."""
    old, new = compared.old, compared.new
    count = compared.counts[which] if which else compared.flip_count
    found = Paginator(range(count), FLIPS_PER_PAGE).get_page(page)
    if not count:
        return FlipsPage((), found)
    offset = found.start_index() - 1
    rows = comparison_sql.flipped(old, new, which=which, limit=FLIPS_PER_PAGE, offset=offset)
    return FlipsPage(tuple(with_excerpts(old, new, rows)), found)


def flips_after(old: RunArm, new: RunArm, *, which: str, after: int, limit: int) -> list[Flip]:
    """Flipped cases behind a position, for paging by key; two queries."""
    return with_excerpts(old, new, comparison_sql.flipped(old, new, which=which, limit=limit, after=after))


def with_excerpts(old: RunArm, new: RunArm, rows: Sequence[FlipRow]) -> list[Flip]:
    """Flipped cases with an answer of each side, one that failed where there is one; one query."""
    wanted = Q(run=old.run, arm=old.arm, case__in=[row.old_case for row in rows])
    wanted |= Q(run=new.run, arm=new.arm, case__in=[row.new_case for row in rows])
    answers = Result.objects.filter(wanted).order_by("is_passed", "repeat")
    samples: dict[tuple[int, str, int], str] = {}
    for run, arm, case, output in answers.values_list("run", "arm", "case", excerpt()):
        samples.setdefault((run, arm, case), output)
    return [
        Flip(
            row,
            samples.get((old.run.pk, old.arm, row.old_case), ""),
            samples.get((new.run.pk, new.arm, row.new_case), ""),
        )
        for row in rows
    ]


def differences_of(old: RunArm, new: RunArm) -> tuple[DifferenceLine, ...]:
    """Each score that both sides have, with the interval of its difference; two queries, three where cases bring scorers."""
    version = new.run.suite_version
    rules = json.loads(version.rules)
    rows = comparison_sql.score_rows(old, new, passes=PASSES)
    specs = scorers_named(version, [row.name for row in rows])
    kinds = {name: SCORERS.get(spec["kind"]) for name, spec in specs.items()}
    negated = {name for name, spec in specs.items() if spec.get("negate")}
    units = units_of(specs.values())
    order = {name: place for place, name in enumerate([PASSES, *(spec["name"] for spec in rules["scorers"])])}
    is_single = old.run.repeats == new.run.repeats == 1
    clusters = clusters_in([version.pk])
    lines = []
    for row in sorted(rows, key=lambda row: (order.get(row.name, len(order)), row.name)):
        scorer = kinds.get(row.name)
        is_binary = row.name == PASSES or (scorer.is_binary if scorer else row.is_single)
        measured = Measured(
            name=row.name,
            mean_new=row.mean_new,
            mean_old=row.mean_old,
            cases=row.cases,
            deltas=row.deltas,
            is_single=is_single and row.is_single,
            is_binary=is_binary,
            higher_is_better=scorer is None or points_up(scorer, negate=row.name in negated),
        )
        found = difference(measured, clusters, alpha=rules["alpha"])
        unit = units.get(row.name, "rate" if is_binary else "score")
        # The margin is of shares: an amount has none here.
        drawing = _drawn(found, unit, 0.0 if scorer and scorer.is_raw else rules["margin"])
        lines.append(DifferenceLine(found, drawing, unit, measured.higher_is_better))
    return tuple(lines)


def _drawn(found: Difference, unit: Unit, margin: float) -> Drawing | None:
    if found.lower is None or found.upper is None:
        return None
    drawn: Unit = "rate" if unit == "rate" else "score"
    return draw_difference(found.lower, found.upper, found.delta, margin=margin, unit=drawn)


def distributions_of(old: RunArm, new: RunArm) -> tuple[Distribution, ...]:
    """Cost and latency of both sides, drawn on one axis each; two queries."""
    spreads = comparison_sql.spreads(old, new)
    tops = {}
    for measure in MEASURES:
        ends = [spread.p99 for (name, _), spread in spreads.items() if name == measure and spread.p99 is not None]
        if ends and max(ends) > 0:
            tops[measure] = _round_up(max(ends))
    counts = comparison_sql.histogram(old, new, tops=tops) if tops else {}
    return tuple(
        Distribution(
            measure,
            spreads.get((measure, False), Spread()),
            spreads.get((measure, True), Spread()),
            draw_histogram(tops[measure], counts.get((measure, False)), counts.get((measure, True)))
            if measure in tops
            else None,
        )
        for measure in MEASURES
    )


def _round_up(value: float) -> float:
    """The next number with two leading digits: an end for an axis."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / step - 1e-9) * step


def _alpha(version: SuiteVersion) -> float:
    return float(json.loads(version.rules)["alpha"])


def arm_of(name: str) -> Arm:
    """The arm of that name, the candidate where none is named; raises NotFound for another."""
    if name in ("", Arm.CANDIDATE):
        return Arm.CANDIDATE
    if name == Arm.BASELINE:
        return Arm.BASELINE
    raise NotFound("comparison.arm", "A run has two arms: candidate and baseline.")
