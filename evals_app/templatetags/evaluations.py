"""How pages write numbers of evaluations: rates, differences, money, times."""

import json
from datetime import timedelta
from decimal import Decimal

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from evals_app.comparison_queries import DifferenceLine
from evals_app.interval_drawing import MINUS, signed_points
from evals_app.models import Run
from evals_app.scorers import SCORERS, Scorer, ScorerSpec
from evals_app.scorers.graded.judging import prompt_name
from evals_app.scorers.registry import FAMILIES
from evals_app.scorers.spec import PASSES
from evals_app.verdict_rules import Unit
from evals_app.verdict_words import score
from prompts_app.evaluation import as_of_then
from registry.core.canonical import JSON
from registry.core.templatetags.ui import distance

register = template.Library()

NONE = "\N{EN DASH}"
# Scores whose names say little to who has not written the suite.
PLAIN_SCORES = {PASSES: "all scorers together", "jsonpath": "one value inside the answer's JSON is the expected one"}


@register.filter
def rate(value: float | None) -> str:
    """A mean of scores from 0 to 1 in percent; a dash for none."""
    return NONE if value is None else f"{value * 100:.1f}".removesuffix(".0") + "\N{NO-BREAK SPACE}%"


@register.filter
def told_by(text: str, run: Run) -> str:
    """What a run says; once what it was held against is live no more, as of then."""
    replaced = run.baseline if getattr(run, "is_replaced", False) else None
    return as_of_then(text, replaced.number) if replaced else text


@register.filter
def points(value: float | None) -> str:
    """A difference of two such means in points, with its sign."""
    return NONE if value is None else signed_points(value)


@register.filter
def hundredths(value: float) -> str:
    """A number without a unit, to two places, with a minus as wide as a digit."""
    return f"{value:.2f}".replace("-", MINUS)


@register.filter
def scored(value: float | None, unit: Unit) -> str:
    """A mean score in what it is told in; a dash for none."""
    return rate(value) if value is None or unit == "rate" else score(value, unit)


@register.filter
def apart(value: float | None, line: DifferenceLine) -> str:
    """A difference of two such means, above 0 for better: in points, with its sign, or in words where lower is better."""
    if value is None or line.unit == "rate":
        return points(value)
    amount = score(abs(value), line.unit)
    if line.higher_is_better:
        return f"{'+' if value > 0 else MINUS if value < 0 else ''}{amount}"
    return f"{amount} {'better' if value > 0 else 'worse'}" if value else amount


@register.filter
def chance(value: float) -> str:
    """A p-value, by two digits."""
    return f"p = {value:.2g}" if value >= 0.001 else "p < 0.001"


@register.filter
def money(value: Decimal | None) -> str:
    """US dollars: cents where there are any, else the two leading digits."""
    if value is None:
        return NONE
    if value == 0 or value >= Decimal("0.1"):
        return f"${value:,.2f}"
    places = min(8, 1 - value.adjusted())
    return f"${value:.{places}f}"


@register.filter
def milliseconds(value: float | None) -> str:
    """A latency: `340 ms`, `2.4 s`."""
    if value is None:
        return NONE
    return f"{value:.0f}\N{NO-BREAK SPACE}ms" if value < 1000 else f"{value / 1000:.1f}\N{NO-BREAK SPACE}s"


@register.filter
def measured(value: float | None, measure: str) -> str:
    """A latency or a cost, whichever `measure` names; a dash for none."""
    if measure == "latency":
        return milliseconds(value)
    return money(None if value is None else Decimal(str(value)))


@register.filter
def word_tone(word: str) -> str:
    """The tone of `better` and `worse`; neutral for anything else."""
    return {"better": "pass", "worse": "fail"}.get(word, "")


@register.filter
def tally(value: int | None) -> str:
    """A number of things, its thousands told apart; a dash for none."""
    return NONE if value is None else f"{value:,}"


@register.simple_tag
def span_words(value: timedelta) -> str:
    """A length of time: `about 40 s`."""
    return f"about {distance(value)}"


@register.filter
def compact(value: JSON) -> str:
    """A value on one line: strings as they are, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split())


@register.filter
def pairs(value: JSON) -> list[tuple[str, JSON]]:
    """An object's members in order, also those called as a method is; nothing for what is no object."""
    return list(value.items()) if isinstance(value, dict) else []


@register.filter
def listed(value: JSON) -> list[JSON]:
    """A list as it is; nothing for what is no list."""
    return value if isinstance(value, list) else []


@register.simple_tag
def scorer_kinds() -> list[tuple[str, list[Scorer]]]:
    """Every kind of scorer, by family."""
    return [(family, [one for one in SCORERS.values() if one.family == family]) for family in FAMILIES]


@register.filter
def score_meaning(name: str) -> SafeString:
    """What a score is of, in a few words, where its name is a kind's and nobody gave it another; empty otherwise."""
    kind = SCORERS.get(name)
    return marked(PLAIN_SCORES.get(name) or (kind.about if kind else ""))


@register.filter
def marked(text: str) -> SafeString:
    """Escaped text in which what stands between backticks is code."""
    pieces = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", one) if place % 2 else one,) for place, one in pieces)
    )


@register.filter
def expects(spec: ScorerSpec) -> bool:
    """Whether a scorer without a value compares with what the case expects."""
    return SCORERS[spec.kind].target == "value or expected"


@register.filter
def words(text: str) -> list[str]:
    """The words of a text."""
    return text.split()


@register.filter
def judge_prompt(key: str) -> str:
    """The name of the prompt in the key of a run's judge."""
    return prompt_name(key)


WAYS = {
    "passed": "passed on both",
    "better": "got better",
    "worse": "got worse",
    "failed": "failed on both",
    "error": "no answer on a side",
}


@register.filter
def way_words(way: str) -> str:
    """What became of a case from one version to the other, in words."""
    return WAYS.get(way, way)
