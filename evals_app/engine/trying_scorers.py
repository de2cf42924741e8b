"""Scorers tried on an output that somebody brings: nothing is asked, nothing is kept."""

from collections.abc import Mapping, Sequence

from evals_app.engine.questions import scorer_values
from evals_app.engine.scoring import TOOLS
from evals_app.scorers import Asked, Output, Scored, ScorerSpec, score_output
from evals_app.suite_content import CaseSpec
from registry.core.errors import Invalid


def try_scorers(specs: Sequence[ScorerSpec], output: Output, asked: Asked) -> tuple[Scored, ...]:
    """What each says of the output, in order, those that ask a model left out; raises Invalid where a value cannot be rendered."""
    return score_output(output, specs, asked=asked, rendered=rendered_values(specs, asked), tools=TOOLS)


def rendered_values(specs: Sequence[ScorerSpec], asked: Asked) -> Mapping[str, str]:
    """What the templates among the scorers' values come to, by their keys; raises Invalid for one that cannot be rendered."""
    case = CaseSpec("tried", variables=asked.variables, expected=asked.expected)
    templates = {key: text for spec in specs for key, text in spec.templates.items()}
    (rendered,) = scorer_values([case], [templates])
    if isinstance(rendered, Invalid):
        raise rendered
    return rendered
