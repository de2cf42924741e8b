"""How many cases a suite must have before it can be required anywhere."""

import math
from dataclasses import dataclass, replace

from evals_app.metric_rules import MEASURES
from evals_app.outlook import Outlook
from evals_app.scorers.spec import PASSES
from evals_app.stats import minimum_size, minimum_size_for_floor, minimum_size_for_gain
from evals_app.suite_content import SuiteContent
from evals_app.verdict_rules import Rule

# What people weigh against each other when they choose one.
USUAL_MARGINS = (0.1, 0.05, 0.03)


@dataclass(frozen=True)
class SizeNote:
    """What the suite's size allows: `warning` is why it could not be required, `margins` how many cases each margin takes at
    least, `outlooks` how likely a version that is just as good would pass. `is_enough_for_all`: it could be required if every case
    had to pass."""

    observations: int
    warning: str
    margins: tuple[tuple[float, int], ...]
    outlooks: tuple[Outlook, ...] = ()
    is_enough_for_all: bool = False


def size_note(content: SuiteContent, outlooks: tuple[Outlook, ...]) -> SizeNote:
    """The size of a suite held against its rules; margins only where its pass rate is compared."""
    rule = content.rules()[0]
    is_compared = rule.mode == "non_inferior" and rule.binary
    margins = tuple((one, minimum_size(one, rule.alpha, rule.looks)) for one in USUAL_MARGINS) if is_compared else ()
    warning = too_small(content)
    return SizeNote(content.clusters, warning, margins, () if warning else outlooks, is_enough_for_all(content))


def is_enough_for_all(content: SuiteContent) -> bool:
    """Whether a suite that cannot be required by its rules could be, if it passed when every case passes."""
    return bool(content.clusters and too_small(content)) and not too_small(replace(content, mode="all_pass"))


def too_small(content: SuiteContent) -> str:
    """Why this suite cannot be required anywhere; empty when it can.

    A suite so small that it could not pass even if no case changed may be saved, but not required (clusters count, not
    the cases in them; of a metric those that have its scorer).
    """
    if not content.posts_checks:
        return "A suite that only reports posts no check: choose another mode before requiring it."
    for rule in content.rules():
        least, limit = _least(rule)
        of = "" if rule.name == PASSES else f" of {rule.name}"
        if math.isinf(least):
            return f"No number of cases shows {limit}{of}: ask for less, or choose the mode all_pass."
        there = _clusters(content, rule)
        if there < least:
            has = "the suite has" if there == content.clusters else "the scorer is asked of"
            takes, more = f"ith {limit}{of} it takes at least {least} cases to pass, and {has} {there}", least - there
            if rule.name != PASSES:
                return f"W{takes}: add {more} more, or widen the limit."
            return (
                f"Let it pass when every case passes, which makes no statistical claim, or add {more} more: w{takes}."
            )
    return ""


def _clusters(content: SuiteContent, rule: Rule) -> int:
    """How many observations a metric has: all, but of a scorer that only some cases bring those of these."""
    if rule.name == PASSES or rule.name in MEASURES or any(spec.name == rule.name for spec in content.scorers):
        return content.clusters
    return len({case.cluster_key for case in content.cases if any(spec.name == rule.name for spec in case.scorers)})


def _least(rule: Rule) -> tuple[float, str]:
    """How many clusters it takes to pass a metric at best, and because of what; infinity where none are enough."""
    if rule.mode in {"all_pass", "report_only"}:
        return 0, ""
    if not rule.binary:
        return 2, "a comparison"
    if rule.mode == "floor":
        floor = rule.floor if rule.floor is not None else rule.first_floor or 0.5
        size = minimum_size_for_floor(floor, rule.alpha, rule.looks) if floor < 1 else math.inf
        return size, f"a floor of {floor:g}"
    if rule.mode == "superior":
        return minimum_size_for_gain(rule.alpha, rule.looks), "a gain to show"
    return minimum_size(rule.margin, rule.alpha, rule.looks), f"a margin of {rule.margin:g}"
