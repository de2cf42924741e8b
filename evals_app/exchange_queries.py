"""One answer of a run with the request it answers: rendered again as it was asked, and held against its digest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from evals_app.engine.questions import ArmSource, questions_of, request_digest
from evals_app.model_settings import ModelSettings
from evals_app.models import Arm, Result, Run
from evals_app.suite_content import CaseSpec
from registry.core.canonical import JSON
from registry.core.errors import Invalid, NotFound


@dataclass(frozen=True)
class Exchange:
    """A result, and the body of its request; `problem` says why that cannot be told, also that it was purged. `is_exact`: its digest is the result's."""

    result: Result
    request: Mapping[str, JSON] | None
    problem: str = ""
    is_exact: bool = False

    @property
    def tool_calls(self) -> list[JSON]:
        """The tools that it calls, as the provider gave them."""
        calls: list[JSON] = json.loads(self.result.tool_calls)
        return calls

    @property
    def is_candidate(self) -> bool:
        """Whether it is the candidate's answer."""
        return self.result.arm == Arm.CANDIDATE


def exchange_of(run: Run, number: int, pk: int) -> Exchange:
    """The answer with that key to the run's case with that number; raises NotFound. Asks the sandbox; three queries."""
    rows = Result.objects.filter(run=run, case__position=number - 1).select_related("case__purge", "purge")
    result = rows.filter(pk=pk).first()
    if result is None:
        raise NotFound("result.not_found", "This case has no such answer.")
    is_candidate = result.arm == Arm.CANDIDATE
    version = run.candidate if is_candidate else run.baseline
    if version is None:
        raise NotFound("result.not_found", "This case has no such answer.")
    if purge := result.case.purge or result.purge:
        return Exchange(result, None, purge.told)
    settings = run.candidate_settings if is_candidate else run.baseline_settings
    source = ArmSource(version.load(), ModelSettings.from_json(json.loads(settings)))
    suite = run.suite_version.load_rules([result.case])
    return _told(result, source, suite.cases[0])


def _told(result: Result, source: ArmSource, case: CaseSpec) -> Exchange:
    [question] = questions_of(source, [case])
    if isinstance(question, Invalid):
        return Exchange(result, None, question.detail)
    if result.model:
        question = replace(question, model=result.model)
    is_exact = request_digest(result.provider_name, question, result.repeat) == result.request_digest
    return Exchange(result, question.body(), is_exact=is_exact)
