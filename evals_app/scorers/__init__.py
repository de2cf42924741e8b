"""Scorers: each compares one output with a target, registered by the kind that suites name."""

from evals_app.scorers.protocol import Asked, Output, Score, Scorer, ScorerSpec, Tools
from evals_app.scorers.registry import SCORERS
from evals_app.scorers.scoring import Scored, is_higher_better, is_passed, score_output
from evals_app.scorers.spec import parse_scorers, read_scorers, scorer_versions

__all__ = [
    "SCORERS",
    "Asked",
    "Output",
    "Score",
    "Scored",
    "Scorer",
    "ScorerSpec",
    "Tools",
    "is_higher_better",
    "is_passed",
    "parse_scorers",
    "read_scorers",
    "score_output",
    "scorer_versions",
]
