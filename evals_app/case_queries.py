"""One case of a run: both arms' answers side by side, what differs in them, and what the scorers said."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app.case_counts import Pick, counted_cases
from evals_app.models import Arm, Case, Result, ResultLabel, Run
from evals_app.run_queries import CaseRow, rows_of
from prompts_app.text_diff import Run as Stretch
from prompts_app.text_diff import text_runs
from registry.core.canonical import JSON
from registry.core.errors import NotFound

# Longer answers are shown without marking what differs.
LONGEST_COMPARED = 200_000


@dataclass(frozen=True)
class ScoreLine:
    """What one scorer said of one answer."""

    name: str
    passed: bool
    score: float | None
    detail: str


@dataclass(frozen=True)
class LabelLine:
    """What somebody says of an answer; `is_own`: it is the reader's own label."""

    label: ResultLabel
    is_own: bool


@dataclass(frozen=True)
class Answer:
    """One answer; `stretches` is its output, each `same`, or `insert` or `delete` where the other arm's differs."""

    result: Result
    scores: tuple[ScoreLine, ...]
    stretches: tuple[Stretch, ...]
    labels: tuple[LabelLine, ...] = ()

    @property
    def tool_calls(self) -> list[JSON]:
        """The tools that it calls, as the provider gave them."""
        calls: list[JSON] = json.loads(self.result.tool_calls)
        return calls

    @property
    def state(self) -> str:
        """`error`, `passed` or `failed`."""
        return "error" if self.result.error else "passed" if self.result.is_passed else "failed"


@dataclass(frozen=True)
class Pair:
    """The answers of one repeat; None where one is not there (yet)."""

    number: int
    candidate: Answer | None
    baseline: Answer | None


@dataclass(frozen=True)
class CaseSheet:
    """A case in a run, and its neighbours among the cases picked, by number."""

    row: CaseRow
    content: dict[str, JSON]
    pairs: tuple[Pair, ...]
    previous: int | None
    following: int | None


def case_sheet(run: Run, number: int, pick: Pick, *, reader: int = 0) -> CaseSheet:
    """The run's case with that number, counted from 1, for the member `reader`; raises NotFound. Seven queries at most."""
    cases = counted_cases(run)
    case = next(iter(cases.load([number - 1])), None)
    if case is None:
        raise NotFound("case.not_found", "This run has no case with that number.")
    before, after = cases.neighbours(pick, case.position)
    return CaseSheet(
        row=rows_of(run, [case])[0],
        content=case.to_json(),
        pairs=_pairs(run, case, reader),
        previous=None if before is None else before + 1,
        following=None if after is None else after + 1,
    )


def _pairs(run: Run, case: Case, reader: int) -> tuple[Pair, ...]:
    found: dict[int, dict[str, Result]] = {}
    rows = Result.objects.filter(run=run, case=case).select_related("purge").prefetch_related("labels__member__user")
    for result in rows.order_by("repeat"):
        found.setdefault(result.repeat, {})[result.arm] = result
    return tuple(
        _pair(repeat - run.first_repeat + 1, arms.get(Arm.CANDIDATE), arms.get(Arm.BASELINE), reader)
        for repeat, arms in found.items()
    )


def _pair(number: int, new: Result | None, base: Result | None, reader: int) -> Pair:
    runs = _difference(new, base)
    return Pair(number, _answer(new, runs, "delete", reader), _answer(base, runs, "insert", reader))


def _difference(new: Result | None, base: Result | None) -> Sequence[Stretch] | None:
    if new is None or base is None or new.error or base.error:
        return None
    if len(new.output) + len(base.output) > LONGEST_COMPARED:
        return None
    return text_runs(base.output, new.output)


def _answer(
    result: Result | None, runs: Sequence[Stretch] | None, other: Literal["insert", "delete"], reader: int
) -> Answer | None:
    if result is None:
        return None
    stretches = (Stretch("same", result.output),) if runs is None else tuple(run for run in runs if run.op != other)
    labels = tuple(LabelLine(label, label.member_id == reader) for label in result.labels.all())
    return Answer(result, tuple(_score_lines(result)), stretches, labels)


def _score_lines(result: Result) -> list[ScoreLine]:
    return [
        ScoreLine(str(one["name"]), bool(one["passed"]), one["score"], str(one["detail"]))
        for one in json.loads(result.scores)
    ]
