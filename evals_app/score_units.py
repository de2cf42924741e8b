"""What the numbers of scores are told in, by the scorers' names. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from evals_app.metric_rules import MEASURES
from evals_app.scorers import SCORERS, Scorer
from evals_app.scorers.spec import PASSES
from evals_app.verdict_rules import Unit


def unit_of(scorer: Scorer) -> Unit:
    """Shares of passed answers are rates; dollars, milliseconds and tokens are that, everything else is a plain number."""
    if scorer.is_raw:
        return MEASURES.get(scorer.kind, "score")
    return "rate" if scorer.is_binary else "score"


def units_of(scorers: Iterable[Mapping[str, Any]]) -> dict[str, Unit]:
    """Of scorers as a suite lists them, and of the pass rate over all of them."""
    known = ((str(spec["name"]), SCORERS.get(spec["kind"])) for spec in scorers)
    return {PASSES: "rate", **{name: unit_of(scorer) for name, scorer in known if scorer}}
