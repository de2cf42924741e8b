"""Which run answers for a version on a suite: the newest that has ended and was asked as the version says."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from evals_app.comparison_sql import RunArm
from evals_app.models import Arm, Run, RunState, Suite
from evals_app.models.run import OPEN_STATES
from evals_app.run_queries import RunLine, lines, runs_of
from prompts_app.models import PromptVersion

OTHERS = 50


@dataclass(frozen=True)
class VersionAnswers:
    """A version with its newest ended answers on a suite, and a run that is under way; None where there is none."""

    version: PromptVersion
    ended: RunArm | None
    under_way: Run | None


def answers_of(suite: Suite, version: PromptVersion) -> VersionAnswers:
    """The newest answers of a version's content, as candidate or as what a candidate was compared with; two queries.

    Runs that compare models say nothing of the version as it is, and are passed over.
    """
    rows = _asked(suite, version)
    ended = rows.filter(state=RunState.FINISHED).first()
    found = None
    if ended is not None:
        is_candidate = ended.candidate.digest == version.digest
        found = RunArm(ended, Arm.CANDIDATE if is_candidate else Arm.BASELINE)
    return VersionAnswers(version, found, rows.filter(state__in=OPEN_STATES).first())


def others_of(run: Run) -> Sequence[RunLine]:
    """The last runs of the same suite that have ended, those of the same prompt first; three queries."""
    rows = runs_of(run.workspace_id).filter(suite_version__suite=run.suite_version.suite_id, state=RunState.FINISHED)
    recent = list(rows.exclude(pk=run.pk)[:OTHERS])
    return sorted(lines(recent), key=lambda line: line.run.prompt_id != run.prompt_id)


def _asked(suite: Suite, version: PromptVersion) -> QuerySet[Run]:
    rows = runs_of(version.prompt.workspace_id).filter(suite_version__suite=suite, prompt=version.prompt)
    said = Q(candidate__digest=version.digest) | Q(baseline__digest=version.digest)
    return rows.filter(said).exclude(evidence_key="")
