"""What suites know of two versions that they were not asked about side by side: each one's own score, by its own run."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from evals_app.metric_lines import MetricLine, metrics_of
from evals_app.models import Arm, Run, RunState, Suite
from evals_app.run_queries import runs_of
from prompts_app.models import PromptVersion


@dataclass(frozen=True)
class Known:
    """How a version did in its newest finished run on a suite; `against` is what that run held beside it, None for nothing.
    `score` is empty where the run has no figure for it."""

    run: Run
    arm: Arm
    score: str
    against: PromptVersion | None


@dataclass(frozen=True)
class Apart:
    """A suite with what it knows of each of two versions; None where no run of one has finished."""

    suite: Suite
    old: Known | None
    new: Known | None

    @property
    def is_one_run(self) -> bool:
        """True where one run asked both, in the other direction."""
        return self.old is not None and self.new is not None and self.old.run.pk == self.new.run.pk


def known_apart(old: PromptVersion, new: PromptVersion, *, but: Collection[int]) -> tuple[Apart, ...]:
    """Suites that know something of either, without those of ids `but`, by their address; two or three queries.

    Runs that compare models say nothing of a version as it is, and are passed over.
    """
    sides = [_newest(version) for version in (old, new)]
    suites = {run.suite_version.suite_id: run.suite_version.suite for side in sides for run in side.values()}
    metrics = metrics_of(list({run.pk: run for side in sides for run in side.values()}.values())) if suites else {}
    found = []
    for suite in sorted(suites.values(), key=lambda suite: suite.slug):
        if suite.pk in but:
            continue
        known = [
            _known(version, side[suite.pk], metrics) if suite.pk in side else None
            for version, side in zip((old, new), sides, strict=True)
        ]
        found.append(Apart(suite, *known))
    return tuple(found)


def _newest(version: PromptVersion) -> dict[int, Run]:
    """By suite, the newest finished run in which the version's content answered."""
    rows = runs_of(version.prompt.workspace_id).filter(prompt=version.prompt, state=RunState.FINISHED)
    rows = rows.filter(Q(candidate__digest=version.digest) | Q(baseline__digest=version.digest))
    rows = rows.exclude(evidence_key="").order_by("suite_version__suite", "-pk").distinct("suite_version__suite")
    return {run.suite_version.suite_id: run for run in rows}


def _known(version: PromptVersion, run: Run, metrics: dict[int, list[MetricLine]]) -> Known:
    is_candidate = run.candidate.digest == version.digest
    line = next(iter(metrics.get(run.pk, ())), None)
    score = (line.now if is_candidate else line.was) if line else ""
    arm = Arm.CANDIDATE if is_candidate else Arm.BASELINE
    return Known(run, arm, score, run.baseline if is_candidate else run.candidate)
