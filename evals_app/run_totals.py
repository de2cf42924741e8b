"""What the answers of a run, and whoever judges them, add up to."""

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from evals_app.models import Result, Run


@dataclass(frozen=True)
class Totals:
    """What all answers of a run add up to; `cost` in US dollars. None where nothing is known."""

    cost: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None

    def __add__(self, other: "Totals") -> "Totals":
        """Both together; what one of them does not know counts nothing."""
        costs = [cost for cost in (self.cost, other.cost) if cost is not None]
        read = [count for count in (self.input_tokens, other.input_tokens) if count is not None]
        written = [count for count in (self.output_tokens, other.output_tokens) if count is not None]
        return Totals(
            sum(costs, Decimal(0)) if costs else None, sum(read) if read else None, sum(written) if written else None
        )


def totals_of(run: Run) -> Totals:
    """What the answers it asked for, and their judges, add up to so far; two queries. Those from the cache cost nothing now."""
    sums = (
        Result.objects.filter(run=run, is_cached=False)
        .order_by()
        .aggregate(Sum("cost"), Sum("input_tokens"), Sum("output_tokens"))
    )
    return Totals(sums["cost__sum"], sums["input_tokens__sum"], sums["output_tokens__sum"]) + judged_totals(run)


def judged_totals(run: Run) -> Totals:
    """What the run's judges used so far; one query, none where nobody judges."""
    if not run.has_judges:
        return Totals()
    names = ("judge_cost", "judge_input_tokens", "judge_output_tokens")
    sums = (
        Result.objects.filter(run=run)
        .order_by()
        .aggregate(**{name.removeprefix("judge_"): Sum(name) for name in names})
    )
    return Totals(**sums)
