"""Everything a chunk needs before the first question is sent: what is still to ask, of whom, and how to score it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evals_app.engine.asking import Ask, Desk, Way
from evals_app.engine.plan import Slot, slots
from evals_app.engine.questions import ArmSource, question_of, request_digest, scorer_values
from evals_app.model_settings import ModelSettings
from evals_app.models import Arm, Case, Provider, Result, Run, RunChunk
from evals_app.providers.limits import Limits
from evals_app.providers.talk import Endpoint, Question, excerpt_of
from evals_app.scorers import Combination, ScorerSpec
from evals_app.suite_content import CaseSpec
from registry.core.errors import Invalid, Unavailable
from registry.core.secrets import unseal

# A template that runs into its limits takes seconds each time: after so many cases of a chunk the rest is not tried.
LIMITS_BORNE = 3


@dataclass(frozen=True)
class OpenDesk:
    """A provider with its key opened, and the models it offers."""

    desk: Desk
    models: tuple[str, ...]


@dataclass(frozen=True)
class ScoredCase:
    """A case as its outputs are scored: its scorers, those of their values that were templates, and how they combine."""

    spec: CaseSpec
    scorers: tuple[ScorerSpec, ...]
    rendered: Mapping[str, str]
    combination: Combination


@dataclass
class Prepared:
    """`asks` are questions to send; `unaskable` are results that need none, since there is nothing that could be sent."""

    run_id: int
    attempt: int
    asks: list[Ask] = field(default_factory=list)
    unaskable: list[Result] = field(default_factory=list)
    cases: dict[int, ScoredCase] = field(default_factory=dict)

    def refuse(self, slot: Slot, kind: str, reason: str) -> None:
        """Note a slot for which nothing can be asked."""
        self.unaskable.append(
            Result(
                run_id=self.run_id,
                case_id=slot.case_id,
                arm=slot.arm,
                repeat=slot.repeat,
                error=kind,
                output=excerpt_of(reason),
                attempt=self.attempt,
            )
        )


def prepare(chunk: RunChunk, *, heartbeat: Callable[[], None]) -> Prepared:
    """What of the chunk has no result yet; a handful of queries. `heartbeat` is called between cases."""
    rows = Run.objects.select_related("candidate__prompt", "baseline__prompt", "suite_version")
    run = rows.get(pk=chunk.run_id)
    prepared = Prepared(run.pk, chunk.attempt)
    span = (chunk.first_position, chunk.last_position)
    cases = list(Case.objects.filter(suite_version=run.suite_version_id, position__range=span).order_by("position"))
    suite = run.suite_version.load_rules(cases)
    specs = {case.pk: spec for case, spec in zip(cases, suite.cases, strict=True)}
    arms = _arms(run)
    desks = _desks(run.workspace_id, {source.settings.provider for source in arms.values()})
    done = _done(run, list(specs))
    limits_met = dict.fromkeys(arms, 0)
    for case_id, spec in specs.items():
        heartbeat()
        wanted = slots([case_id], arms=list(arms), first_repeat=run.first_repeat, repeats=run.repeats)
        missing = [slot for slot in wanted if (slot.case_id, slot.arm, slot.repeat) not in done]
        scorers = suite.scorers_of(spec)
        try:
            values = scorer_values(spec, dict(item for one in scorers for item in one.templates.items()))
        except Invalid as refused:
            for slot in missing:
                prepared.refuse(slot, "scorer", f"a scorer's value cannot be rendered: {refused.detail}")
            continue
        prepared.cases[case_id] = ScoredCase(spec, scorers, values, suite.combination_of(spec))
        for arm, source in arms.items():
            open_slots = [slot for slot in missing if slot.arm == arm]
            found = desks[source.settings.provider]
            _prepare_arm(prepared, open_slots, source=source, spec=spec, desks=found, limits_met=limits_met)
    prepared.asks.sort(key=lambda ask: (ask.slot.case_id, ask.slot.repeat, ask.slot.arm))
    return prepared


def _prepare_arm(
    prepared: Prepared,
    missing: list[Slot],
    *,
    source: ArmSource,
    spec: CaseSpec,
    desks: list[OpenDesk] | str,
    limits_met: dict[str, int],
) -> None:
    if not missing:
        return
    arm = missing[0].arm
    try:
        if limits_met[arm] >= LIMITS_BORNE:
            raise Invalid("template.limit", "The template ran into its limits on earlier cases: not tried again.")
        question = question_of(source, spec)
    except Invalid as refused:
        limits_met[arm] += refused.code == "template.limit"
        for slot in missing:
            prepared.refuse(slot, "template", refused.detail)
        return
    for slot in missing:
        if isinstance(desks, str):
            prepared.refuse(slot, "provider", desks)
        else:
            prepared.asks.append(Ask(slot, tuple(_way(open_desk, question, slot.repeat) for open_desk in desks)))


def _way(open_desk: OpenDesk, question: Question, repeat: int) -> Way:
    """The question as this provider is asked it: by the same model where it offers that, else by its default one."""
    if question.model not in open_desk.models:
        question = replace(question, model=open_desk.models[0])
    desk = open_desk.desk
    return Way(desk, question, request_digest(desk.name, question, repeat))


def _arms(run: Run) -> dict[str, ArmSource]:
    arms = {str(Arm.CANDIDATE): ArmSource(run.candidate.load(), _settings(run.candidate_settings))}
    if run.baseline is not None:
        arms[str(Arm.BASELINE)] = ArmSource(run.baseline.load(), _settings(run.baseline_settings))
    return arms


def _settings(text: str) -> ModelSettings:
    return ModelSettings.from_json(json.loads(text))


def _desks(workspace_id: int, names: set[str]) -> dict[str, list[OpenDesk] | str]:
    """Each provider as it is asked, its fallback after it; or why it cannot be asked."""
    rows = Provider.objects.in_workspace(workspace_id).filter(name__in=names).select_related("fallback")
    found = {row.name: row for row in rows}
    return {name: _opened(found[name]) if name in found else f"there is no provider {name}" for name in names}


def _opened(provider: Provider) -> list[OpenDesk] | str:
    try:
        return [_open(row) for row in (provider, provider.fallback) if row is not None]
    except Unavailable as unreadable:
        return f"{provider.name}: {unreadable.detail}"


def _open(provider: Provider) -> OpenDesk:
    key = unseal(provider.sealed_key, context=provider.key_context) if provider.sealed_key else ""
    endpoint = Endpoint(provider.base_url, key, provider.timeout_s, provider.streams)
    limits = Limits(provider.pk, provider.concurrency, provider.requests_per_minute, provider.tokens_per_minute)
    return OpenDesk(Desk(provider.name, endpoint, limits), tuple(provider.model_names))


def _done(run: Run, case_ids: list[int]) -> set[tuple[int, str, int]]:
    rows = Result.objects.filter(run=run, case__in=case_ids)
    return set(rows.values_list("case_id", "arm", "repeat"))
