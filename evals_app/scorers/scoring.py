"""One output scored by all scorers of its case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evals_app.scorers.combining import Scored
from evals_app.scorers.protocol import (
    LONGEST_DETAIL,
    Asked,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
)
from evals_app.scorers.registry import SCORERS
from registry.core.canonical import JSON


def score_output(
    output: Output, specs: Sequence[ScorerSpec], *, asked: Asked, rendered: Mapping[str, str], tools: Tools
) -> tuple[Scored, ...]:
    """What each scorer says, in order; those that ask a model, or are never run, are left out.

    `rendered` holds what was rendered of the values, by the keys of `ScorerSpec.templates`.
    """
    return tuple(
        Scored(spec, _score(output, spec, asked=asked, rendered=rendered, tools=tools))
        for spec in specs
        if SCORERS[spec.kind].is_run and not SCORERS[spec.kind].is_graded
    )


def target_of(spec: ScorerSpec, *, expected: JSON, rendered: Mapping[str, str]) -> JSON:
    """What a spec compares with on a case; raises UnscorableError where there is nothing."""
    if spec.has_value:
        return spec.filled(rendered)
    if SCORERS[spec.kind].target != "value or expected":
        return None
    if expected is None:
        raise UnscorableError("There is nothing to compare with: no value, and the case expects nothing.")
    return expected


def settled(spec: ScorerSpec, score: Score) -> Score:
    """A kind's answer after threshold and negation.

    Negated, the opposite passes, and a share counts from the other end of its range; an amount stays what it is.
    """
    scorer = SCORERS[spec.kind]
    value, passed = score.value, _is_reached(scorer, spec, score)
    if spec.negate:
        passed = not passed
        value = value if scorer.is_raw else sum(scorer.range) - value
    return Score(value, passed, _short(f"{'Negated: ' if spec.negate else ''}{score.detail}"))


def is_higher_better(spec: ScorerSpec) -> bool:
    """The direction of a spec's values: a negated amount stays what it is, and is better the other way round."""
    return points_up(SCORERS[spec.kind], negate=spec.negate)


def points_up(scorer: Scorer, *, negate: bool) -> bool:
    """The direction of what a kind measures, negated or not."""
    return scorer.higher_is_better != (negate and scorer.is_raw)


def unscorable(spec: ScorerSpec, reason: str) -> Score:
    """The worst value there is, not passed, negated or not."""
    scorer = SCORERS[spec.kind]
    return Score(scorer.range[0 if scorer.higher_is_better else 1], False, _short(reason))


def _score(output: Output, spec: ScorerSpec, *, asked: Asked, rendered: Mapping[str, str], tools: Tools) -> Score:
    try:
        target = target_of(spec, expected=asked.expected, rendered=rendered)
        return settled(spec, SCORERS[spec.kind].score(output, target, spec, asked, tools))
    except UnscorableError as error:
        return unscorable(spec, str(error))


def _is_reached(scorer: Scorer, spec: ScorerSpec, score: Score) -> bool:
    if scorer.is_raw:
        return score.passed
    best = scorer.range[1 if scorer.higher_is_better else 0]
    threshold = next(one for one in (spec.threshold, scorer.default_threshold, best) if one is not None)
    return score.value >= threshold if scorer.higher_is_better else score.value <= threshold


def _short(detail: str) -> str:
    return detail if len(detail) <= LONGEST_DETAIL else f"{detail[: LONGEST_DETAIL - 1]}…"
