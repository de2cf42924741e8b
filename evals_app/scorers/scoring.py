"""One output scored by all scorers of its case, and what they come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals_app.scorers.protocol import LONGEST_DETAIL, Score, ScorerSpec, Tools, UnscorableError
from evals_app.scorers.registry import SCORERS
from registry.core.canonical import JSON


@dataclass(frozen=True, slots=True)
class Scored:
    """What one scorer said about one output."""

    spec: ScorerSpec
    score: Score

    def to_json(self) -> dict[str, JSON]:
        return {
            "name": self.spec.name,
            "score": self.score.value,
            "passed": self.score.passed,
            "detail": self.score.detail,
        }


def score_output(
    output: str, specs: Sequence[ScorerSpec], *, expected: JSON, rendered: Mapping[str, str], tools: Tools
) -> tuple[Scored, ...]:
    """All scorers in order. `rendered` holds, by scorer name, the values that are templates (`ScorerSpec.template`)."""
    return tuple(
        Scored(spec, _score(output, spec, expected=expected, rendered=rendered, tools=tools)) for spec in specs
    )


def is_passed(scored: Sequence[Scored]) -> bool:
    """All scorers that count have passed; with none that counts nothing has."""
    counted = [one.score.passed for one in scored if one.spec.counts]
    return bool(counted) and all(counted)


def _score(output: str, spec: ScorerSpec, *, expected: JSON, rendered: Mapping[str, str], tools: Tools) -> Score:
    scorer = SCORERS[spec.kind]
    target = expected
    if spec.has_value:
        target = spec.value if spec.template is None else rendered[spec.name]
    try:
        if target is None and not spec.has_value:
            raise UnscorableError("There is nothing to compare with: no value, and the case expects nothing.")
        score = scorer.score(output, target, spec, tools)
    except UnscorableError as error:
        return Score(scorer.range[0], False, _short(str(error)))
    least, most = scorer.range
    value = least + most - score.value if spec.negate else score.value
    threshold = most if spec.threshold is None else spec.threshold
    passed = value >= threshold if scorer.higher_is_better else value <= threshold
    return Score(value, passed, _short(f"{'Negated: ' if spec.negate else ''}{score.detail}"))


def _short(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[: LONGEST_DETAIL - 1]}…"
