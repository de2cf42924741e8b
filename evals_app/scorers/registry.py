"""Every scorer there is, by the kind that names it."""

from collections.abc import Mapping

from evals_app.scorers.contains import Contains
from evals_app.scorers.equals import Equals
from evals_app.scorers.json_schema import JsonSchema
from evals_app.scorers.jsonpath import JsonPath
from evals_app.scorers.protocol import Scorer
from evals_app.scorers.regex import Regex

_ALL: tuple[Scorer, ...] = (Equals(), Contains(), Regex(), JsonSchema(), JsonPath())

SCORERS: Mapping[str, Scorer] = {scorer.kind: scorer for scorer in _ALL}
