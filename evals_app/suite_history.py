"""How the versions of a prompt did on a suite over time: each by its newest finished run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.case_rates import case_rates, clusters_in
from evals_app.differences import rate_bounds
from evals_app.models import Run, RunState, Suite
from evals_app.run_queries import runs_of
from prompts_app.models import Prompt

MOST = 20
STEP, HEIGHT, TOP, BOTTOM = 36.0, 150.0, 10.0, 120.0
LABELS = 24.0  # left of the first version, for the axis's labels


@dataclass(frozen=True)
class Point:
    """A version's pass rate by its newest finished run; bounds are None where there is too little to say.

    `x` and the `y`s are its place in the drawing.
    """

    run: Run
    score: float
    lower: float | None
    upper: float | None
    cases: int
    x: float = 0.0

    @property
    def y(self) -> float:
        """Where its score is drawn."""
        return _y(self.score)

    @property
    def y_lower(self) -> float:
        """Where its bar begins, the lower end."""
        return _y(self.score if self.lower is None else self.lower)

    @property
    def y_upper(self) -> float:
        """Where its bar ends."""
        return _y(self.score if self.upper is None else self.upper)


def suite_history(suite: Suite, prompt: Prompt) -> tuple[Point, ...]:
    """The last twenty versions that have a finished run, by number; three queries.

    Runs that compare models are passed over. Bounds hold each at the suite version's one-sided level.
    """
    rows = runs_of(suite.workspace_id).filter(suite_version__suite=suite, prompt=prompt, state=RunState.FINISHED)
    newest = rows.exclude(evidence_key="").order_by("-candidate__number", "-pk").distinct("candidate__number")[:MOST]
    runs = sorted(newest, key=lambda run: run.candidate.number)
    rates = case_rates(runs)
    clusters = clusters_in([run.suite_version_id for run in runs])
    answered = [run for run in runs if run.pk in rates]
    return tuple(_point(run, *rates[run.pk], clusters, place) for place, run in enumerate(answered))


def _point(run: Run, cases: Sequence[int], means: Sequence[float], clusters: dict[int, str], place: int) -> Point:
    alpha = float(json.loads(run.suite_version.rules)["alpha"])
    labels = [clusters.get(case, f"case:{case}") for case in cases]
    bounds = rate_bounds(means, labels, is_single=run.repeats == 1, alpha=alpha)
    lower, upper = bounds or (None, None)
    return Point(run, sum(means) / len(means), lower, upper, len(cases), x=LABELS + STEP * (place + 1))


def _y(score: float) -> float:
    return round(BOTTOM - score * (BOTTOM - TOP), 1)
