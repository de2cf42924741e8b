"""Everything a chunk needs before the first question is sent: what is still to ask, of whom, and how to score it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from evals_app.engine import cache
from evals_app.engine.asking import Ask, Desk, Outcome, Way
from evals_app.engine.plan import Slot, slots
from evals_app.engine.questions import ArmSource, questions_of, scorer_values
from evals_app.judge_queries import pinned_versions
from evals_app.judge_seats import Seat, key_of, seats_from_text
from evals_app.model_settings import ModelSettings
from evals_app.models import Arm, Case, JudgeReply, Provider, Result, Run, RunChunk
from evals_app.providers.limits import Limits
from evals_app.providers.talk import Answer, Endpoint, Question, excerpt_of
from evals_app.scorers import Combination, ScorerSpec
from evals_app.scorers.graded.judging import prompt_name
from evals_app.suite_content import CaseSpec
from prompts_app.content import VersionContent
from registry.core.errors import Invalid, Unavailable
from registry.core.secrets import unseal

log = structlog.get_logger(__name__)

# A template that runs into its limits takes seconds each time: after so many cases of a chunk the rest is not tried.
LIMITS_BORNE = 3
# How many cases are rendered before the questions about them are sent; more where those before had nothing to ask.
CASES_AT_ONCE = 40
GROWS_BY = 4


@dataclass(frozen=True)
class OpenDesk:
    """A provider with its key opened, and the models it offers."""

    desk: Desk
    models: tuple[str, ...]


@dataclass(frozen=True)
class Judge:
    """Who judges, ready to be asked: its prompt (None: only embeddings are compared), its settings and desks.

    `desks` is a text where there is nobody to ask: why.
    """

    content: VersionContent | None
    settings: ModelSettings
    desks: list[OpenDesk] | str


@dataclass(frozen=True)
class ScoredCase:
    """A case as its outputs are scored: its scorers, those of their values that were templates, and how they combine."""

    spec: CaseSpec
    scorers: tuple[ScorerSpec, ...]
    rendered: Mapping[str, str]
    combination: Combination


@dataclass
class Piece:
    """Some cases of a chunk, ready.

    `asks` are questions to send, `known` are answered from the cache; `unaskable` are results that need no question,
    since there is nothing that could be sent.
    """

    asks: list[Ask] = field(default_factory=list)
    known: list[Outcome] = field(default_factory=list)
    unaskable: list[Result] = field(default_factory=list)


class Prepared:
    """A chunk as it is worked on: `cases` are those prepared so far, `capacity` how many questions its providers bear.

    `bench` holds the judges of the run by name; `is_compared`: there is a baseline.
    """

    def __init__(self, chunk: RunChunk, run: Run) -> None:
        self.run_id, self.attempt = run.pk, chunk.attempt
        self.suite_version = run.suite_version
        self.cases: dict[int, ScoredCase] = {}
        self._run = run
        self._arms = _arms(run)
        seats = seats_from_text(run.judges)
        settings = [seat.settings for seat in seats.values()] + [source.settings for source in self._arms.values()]
        self._desks = _desks(run.workspace_id, {one.provider for one in settings})
        self.bench = _bench(run, seats, self._desks)
        self.is_compared = run.baseline_id is not None
        opened = [desks for desks in self._desks.values() if not isinstance(desks, str)]
        self.capacity = sum(desks[0].desk.limits.concurrency for desks in opened)
        self._limits_met = dict.fromkeys(self._arms, 0)
        self._span = (chunk.first_position, chunk.last_position)
        self._is_begun = chunk.done > 0

    def known[A: Ask](self, asks: Sequence[A], *, of: type[Result] | type[JudgeReply]) -> dict[A, Outcome]:
        """What the cache answers of these; nothing where a check is posted: that rests on what was asked for it."""
        return cache.known(self._run.workspace_id, asks, of=of) if asks and not self._run.posts_check else {}

    def pieces(self, heartbeat: Callable[[], None]) -> Iterator[Piece]:
        """What of the chunk has no result yet, a few cases at a time: the first questions are out while more are rendered."""
        self._heartbeat = heartbeat
        size = CASES_AT_ONCE
        for specs in self._read():
            begun = 0
            while begun < len(specs):
                piece = self._piece(specs[begun : begun + size])
                begun += size
                size = CASES_AT_ONCE if piece.asks else size * GROWS_BY
                yield piece

    def _read(self) -> Iterator[list[tuple[int, CaseSpec]]]:
        """The cases of the first piece, then all others: nobody need wait for those to ask the first questions."""
        first, last = self._span
        second = first + CASES_AT_ONCE
        cases = Case.objects.filter(suite_version=self.suite_version).order_by("position")
        for span in ((first, min(second - 1, last)), (second, last)):
            rows = list(cases.filter(position__range=span)) if span[0] <= span[1] else []
            if rows:
                self._suite = self.suite_version.load_rules(rows)
                self._done = _done(self._run, [row.pk for row in rows]) if self._is_begun else set()
                yield [(row.pk, spec) for row, spec in zip(rows, self._suite.cases, strict=True)]

    def _piece(self, cases: list[tuple[int, CaseSpec]]) -> Piece:
        piece = Piece()
        wanted = slots([pk for pk, _ in cases], arms=list(self._arms), first_repeat=self._run.first_repeat,
                       repeats=self._run.repeats)  # fmt: skip
        missing: dict[int, list[Slot]] = {}
        for slot in wanted:
            if (slot.case_id, slot.arm, slot.repeat) not in self._done:
                missing.setdefault(slot.case_id, []).append(slot)
        open_cases = [(pk, spec) for pk, spec in cases if pk in missing]
        askable = self._with_scorers(piece, open_cases, missing)
        for arm in self._arms:
            self._ask_arm(piece, arm, askable, missing)
        piece.asks.sort(key=lambda ask: (ask.slot.case_id, ask.slot.repeat, ask.slot.arm))
        if found := self.known(piece.asks, of=Result):
            piece.asks, piece.known = [ask for ask in piece.asks if ask not in found], list(found.values())
        return piece

    def _with_scorers(
        self, piece: Piece, cases: list[tuple[int, CaseSpec]], missing: dict[int, list[Slot]]
    ) -> list[tuple[int, CaseSpec]]:
        """The cases whose scorers' values can be rendered, and whose judges asked; the others are refused."""
        scorers = [self._suite.scorers_of(spec) for _, spec in cases]
        templates = [dict(item for one in specs for item in one.templates.items()) for specs in scorers]
        values = scorer_values([spec for _, spec in cases], templates, heartbeat=self._heartbeat)
        askable = []
        for (pk, spec), specs, value in zip(cases, scorers, values, strict=True):
            if isinstance(value, Invalid):
                for slot in missing[pk]:
                    self._refuse(piece, slot, "scorer", f"a scorer's value cannot be rendered: {value.detail}")
                continue
            if why := _lacks_judge(specs, self.bench):
                for slot in missing[pk]:
                    self._refuse(piece, slot, "provider", why)
                continue
            self.cases[pk] = ScoredCase(spec, specs, value, self._suite.combination_of(spec))
            askable.append((pk, spec))
        return askable

    def _ask_arm(
        self, piece: Piece, arm: str, cases: list[tuple[int, CaseSpec]], missing: dict[int, list[Slot]]
    ) -> None:
        source = self._arms[arm]
        desks = self._desks[source.settings.provider]
        wanted = [(spec, found) for pk, spec in cases if (found := [slot for slot in missing[pk] if slot.arm == arm])]
        for (_, open_slots), question in zip(wanted, self._questions(arm, [spec for spec, _ in wanted]), strict=True):
            for slot in open_slots:
                if isinstance(question, Invalid):
                    self._refuse(piece, slot, "template", question.detail)
                elif isinstance(desks, str):
                    self._refuse(piece, slot, "provider", desks)
                else:
                    piece.asks.append(Ask(slot, tuple(way_of(desk, question, slot.repeat) for desk in desks)))

    def _questions(self, arm: str, specs: list[CaseSpec]) -> list[Question | Invalid]:
        """Rendered until the template has run into its limits three times."""
        source = self._arms[arm]
        found: list[Question | Invalid] = []
        while len(found) < len(specs):
            if self._limits_met[arm] >= LIMITS_BORNE:
                found.append(
                    Invalid("template.limit", "The template ran into its limits on earlier cases: not tried again.")
                )
                continue
            self._heartbeat()
            some = questions_of(source, specs[len(found) :])
            self._limits_met[arm] += sum(isinstance(one, Invalid) and one.code == "template.limit" for one in some)
            found += some
        return found

    def _refuse(self, piece: Piece, slot: Slot, kind: str, reason: str) -> None:
        """Note a slot for which nothing can be asked."""
        piece.unaskable.append(
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


def run_of(chunk: RunChunk) -> Run:
    """The run of a chunk, with the versions that preparing reads; one query."""
    return Run.objects.select_related("candidate__prompt", "baseline__prompt", "suite_version").get(pk=chunk.run_id)


def prepare(chunk: RunChunk, run: Run) -> Prepared:
    """What a chunk, just claimed, needs before anything is rendered; a handful of queries."""
    return Prepared(chunk, run)


def way_of(
    open_desk: OpenDesk, question: Question, repeat: int, *, check: Callable[[Answer], None] | None = None
) -> Way:
    """The question as this provider is asked it: by the same model where it offers that, else by its default one."""
    if question.model not in open_desk.models:
        question = replace(question, model=open_desk.models[0])
    desk = open_desk.desk
    return Way(desk, question, repeat, check)


def _arms(run: Run) -> dict[str, ArmSource]:
    arms = {str(Arm.CANDIDATE): ArmSource(run.candidate.load(), _settings(run.candidate_settings))}
    if run.baseline is not None:
        arms[str(Arm.BASELINE)] = ArmSource(run.baseline.load(), _settings(run.baseline_settings))
    return arms


def _bench(run: Run, seats: Mapping[str, Seat], desks: Mapping[str, list[OpenDesk] | str]) -> dict[str, Judge]:
    """The judges of a run with the very prompts that its suite version pins; one query where there are any."""
    prompts = pinned_versions(run.workspace_id, [seat.digest for seat in seats.values() if seat.digest])
    return {
        key: Judge(
            prompts[prompt_name(key), seat.version].load() if seat.digest else None,
            seat.settings,
            desks[seat.settings.provider],
        )
        for key, seat in seats.items()
    }


def _lacks_judge(scorers: Sequence[ScorerSpec], bench: Mapping[str, Judge]) -> str:
    """Why one of the scorers has nobody who judges; empty where each has."""
    for spec in scorers:
        desks = bench[key].desks if (key := key_of(spec)) else []
        if isinstance(desks, str):
            return f"{spec.name}: {desks}"
    return ""


def _settings(text: str) -> ModelSettings:
    return ModelSettings.from_json(json.loads(text))


def _desks(workspace_id: int, names: set[str]) -> dict[str, list[OpenDesk] | str]:
    """Each provider as it is asked, its fallback after it; or why it cannot be asked."""
    rows = Provider.objects.in_workspace(workspace_id).filter(name__in=names).select_related("fallback")
    found = {row.name: row for row in rows}
    return {name: _opened(found[name]) if name in found else f"there is no provider {name}" for name in names}


def _opened(provider: Provider) -> list[OpenDesk] | str:
    try:
        desks = [open_desk(provider)]
    except Unavailable as unreadable:
        return f"{provider.name}: {unreadable.detail}"
    if provider.fallback is not None:
        try:
            desks.append(open_desk(provider.fallback))
        except Unavailable as unreadable:
            log.warning("provider.fallback_unreadable", provider=provider.fallback.pk, reason=unreadable.code)
    return desks


def open_desk(provider: Provider) -> OpenDesk:
    """A provider ready to be asked; raises Unavailable for a key that does not open."""
    key = unseal(provider.sealed_key, context=provider.key_context) if provider.sealed_key else ""
    endpoint = Endpoint(provider.base_url, key, provider.timeout_s, provider.streams)
    limits = Limits(provider.pk, provider.concurrency, provider.requests_per_minute, provider.tokens_per_minute)
    return OpenDesk(Desk(provider.name, endpoint, limits), tuple(provider.model_names))


def _done(run: Run, case_ids: list[int]) -> set[tuple[int, str, int]]:
    rows = Result.objects.filter(run=run, case__in=case_ids)
    return set(rows.values_list("case_id", "arm", "repeat"))
