"""What a run's answers look like as a whole: which way its cases went, each score beside the baseline's, latency and cost."""

from dataclasses import dataclass

from evals_app import comparison_sql
from evals_app.charts import Share, draw_shares
from evals_app.comparison_queries import DifferenceLine, Distribution, differences_of, distributions_of
from evals_app.comparison_sql import RunArm
from evals_app.models import Arm, Run

WAYS = ("passed", "better", "worse", "failed", "error")


@dataclass(frozen=True)
class RunFigures:
    """Without a baseline there are only `distributions`, whose sides are both the candidate.

    `ways` are cases by what became of them, in the order of WAYS; those not answered on both sides are in none.
    """

    run: Run
    ways: tuple[Share, ...]
    differences: tuple[DifferenceLine, ...]
    distributions: tuple[Distribution, ...]

    @property
    def alone(self) -> bool:
        """True where nothing was compared."""
        return self.run.baseline_id is None

    @property
    def cases(self) -> int:
        """How many cases both sides have answered."""
        return sum(share.count for share in self.ways)

    @property
    def is_empty(self) -> bool:
        """True before the first answer."""
        return not self.cases and not any(one.new.answers for one in self.distributions)


def run_figures(run: Run) -> RunFigures:
    """The figures of a run, from what was added up when it ended; counted answer by answer while it works. Six queries at most."""
    new = RunArm(run)
    if run.baseline_id is None:
        return RunFigures(run, (), (), distributions_of(new, new))
    old = RunArm(run, Arm.BASELINE)
    counts = comparison_sql.flip_counts(old, new)
    ways = draw_shares([(way, counts[way]) for way in WAYS])
    return RunFigures(run, ways, differences_of(old, new), distributions_of(old, new))
