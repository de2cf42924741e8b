"""How many cases a suite must have before it can be required anywhere."""

from dataclasses import dataclass

from evals_app.scorers.spec import PASSES
from evals_app.stats import minimum_size, minimum_size_for_floor, minimum_size_for_gain
from evals_app.suite_content import SuiteContent
from evals_app.verdict_rules import Rule

# What people weigh against each other when they choose one.
USUAL_MARGINS = (0.1, 0.05, 0.03)


@dataclass(frozen=True)
class SizeNote:
    """What the suite's size allows: `warning` is why it could not be required, `margins` how many cases each margin takes at least."""

    observations: int
    warning: str
    margins: tuple[tuple[float, int], ...]


def size_note(content: SuiteContent) -> SizeNote:
    """The size of a suite held against its rules; margins only where its pass rate is compared."""
    rule = content.rules()[0]
    is_compared = rule.mode == "non_inferior" and rule.binary
    margins = tuple((one, minimum_size(one, rule.alpha, rule.looks)) for one in USUAL_MARGINS) if is_compared else ()
    return SizeNote(content.clusters, too_small(content), margins)


def too_small(content: SuiteContent) -> str:
    """Why this suite cannot be required anywhere; empty when it can.

    A suite so small that it could not pass even if no case changed may be saved, but not required (clusters count, not
    the cases in them).
    """
    if not content.posts_checks:
        return "A suite that only reports posts no check: choose another mode before requiring it."
    for rule in content.rules():
        least, limit = _least(rule)
        if content.clusters < least:
            of = "" if rule.name == PASSES else f" of {rule.name}"
            return (
                f"With {limit}{of} it takes at least {least} cases to pass, and the suite has {content.clusters}: add "
                f"{least - content.clusters} more, widen the limit, or choose the mode all_pass, which makes no statistical claim."
            )
    return ""


def _least(rule: Rule) -> tuple[int, str]:
    """How many clusters it takes to pass a metric at best, and because of what."""
    if rule.mode in {"all_pass", "report_only"}:
        return 0, ""
    if not rule.binary:
        return 2, "a comparison"
    if rule.mode == "floor":
        floor = rule.floor if rule.floor is not None else rule.first_floor or 0.5
        return minimum_size_for_floor(floor, rule.alpha, rule.looks), f"a floor of {floor:g}"
    if rule.mode == "superior":
        return minimum_size_for_gain(rule.alpha, rule.looks), "a gain to show"
    return minimum_size(rule.margin, rule.alpha, rule.looks), f"a margin of {rule.margin:g}"
