"""Scorers: each compares one output with a target, registered by the kind that suites name."""

from evals_app.scorers.combining import Combination, Combined, Group, Scored, combined
from evals_app.scorers.protocol import Asked, Output, Score, Scorer, ScorerSpec, Tools
from evals_app.scorers.registry import SCORERS
from evals_app.scorers.scoring import is_higher_better, score_output
from evals_app.scorers.spec import parse_scorer, parse_scorers, read_scorers, scorer_versions

__all__ = [
    "SCORERS",
    "Asked",
    "Combination",
    "Combined",
    "Group",
    "Output",
    "Score",
    "Scored",
    "Scorer",
    "ScorerSpec",
    "Tools",
    "combined",
    "is_higher_better",
    "parse_scorer",
    "parse_scorers",
    "read_scorers",
    "score_output",
    "scorer_versions",
]
