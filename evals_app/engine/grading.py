"""Judging: between an answer and its result, whoever judges is asked, as everybody is asked, and its reply is read.

A result is written once its judges have spoken: an answer whose judging was interrupted has no result yet, and is asked
again with everything else that is missing. What is judged goes into the judge's template as a value, never as a template.
Judges' prompts are rendered together, those of all answers that came in together, and a run that only explores takes
from earlier runs what judges said then.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from evals_app.costs import cost_of
from evals_app.engine.asking import Ask, Outcome, Way
from evals_app.engine.plan import Slot
from evals_app.engine.preparing import Judge, Piece, Prepared, ScoredCase, way_of
from evals_app.engine.scoring import TOOLS, asked_of, output_of, result_of
from evals_app.judge_seats import graded_kind, key_of
from evals_app.model_settings import request_parameters
from evals_app.models import Arm, JudgeReply, Result
from evals_app.providers.talk import Answer, Failure, Likeness, ProviderError, Question, excerpt_of
from evals_app.scorers import Score, ScorerSpec
from evals_app.scorers.graded.judging import Graded, JudgeError, Material, reply_of
from evals_app.scorers.graded.prompts import schema_of
from evals_app.scorers.kinds.pairwise import for_baseline
from evals_app.scorers.protocol import UnscorableError, excerpt
from evals_app.scorers.scoring import settled, target_of, unscorable
from prompts_app.content import VersionContent
from prompts_app.rendering import render_contents
from registry.core.canonical import JSON
from registry.core.errors import Invalid

type Place = tuple[int, int, str]  # case, repeat, and the arm; empty where both are judged together
type ReplyPlace = tuple[str, str, int]  # the arm, the scorer, and which of its questions


@dataclass(frozen=True, eq=False)
class JudgeAsk(Ask):
    """A question to a judge about one answer: for which scorer, and which of its questions."""

    spec: ScorerSpec
    order: int

    @property
    def place(self) -> "ReplyPlace":
        """Where its reply belongs among those of the same answers."""
        return self.slot.arm, self.spec.name, self.order


@dataclass
class _Unit:
    """Answers that become results together: one, or both versions' where a scorer compares them."""

    case: ScoredCase
    wanted: int
    answers: dict[str, Outcome] = field(default_factory=dict)
    replies: dict[tuple[str, str], dict[int, Outcome]] = field(default_factory=lambda: defaultdict(dict))
    graded: dict[str, dict[str, Score]] = field(default_factory=lambda: defaultdict(dict))
    misread: set[ReplyPlace] = field(default_factory=set)
    pending: int = 0
    error: str = ""


@dataclass(frozen=True, eq=False)
class _Draft:
    """A question to a judge that has no words yet: only what goes into its prompt."""

    unit: _Unit
    slot: Slot
    spec: ScorerSpec
    order: int
    variables: dict[str, JSON]
    check: Callable[[Answer], None]


class Grader:
    """Takes outcomes as they come, gives results as they are complete, and asks judges in between.

    `heartbeat` is called before each rendering, which takes a second at most.
    """

    def __init__(self, prepared: Prepared, heartbeat: Callable[[], None] = lambda: None) -> None:
        self._prepared = prepared
        self._heartbeat = heartbeat
        self._units: dict[Place, _Unit] = {}
        self._drafts: list[_Draft] = []
        self._questions: list[JudgeAsk] = []
        self._replies: list[JudgeReply] = []
        self._beyond: dict[str, str] = {}  # judges whose template ran into its limits: seconds each time, so once

    def expect(self, piece: Piece) -> None:
        """These answers will come; both versions' to a case are of the same piece."""
        for ask in (*piece.asks, *(outcome.ask for outcome in piece.known)):
            case = self._prepared.cases[ask.slot.case_id]
            if any(graded_kind(spec) for spec in case.scorers):
                self._units.setdefault(self._place(ask.slot), _Unit(case, 0)).wanted += 1

    def take(self, outcomes: Iterable[Outcome]) -> list[Result]:
        """The results that these outcomes complete, and those that only needed what judges said before."""
        results = [result for outcome in outcomes for result in self._taken(outcome)]
        if self._drafts:
            drafts, self._drafts = self._drafts, []
            known = self._word(drafts)
            for place in dict.fromkeys(self._place(draft.slot) for draft in drafts):
                results += self._completed(place)
            results += [result for outcome in known for result in self._taken(outcome)]
        return results

    def questions(self) -> list[JudgeAsk]:
        """What judges are to be asked now."""
        found, self._questions = self._questions, []
        return found

    def replies(self) -> list[JudgeReply]:
        """What judges said of the answers that became results since the last call, as rows, not saved."""
        found, self._replies = self._replies, []
        return found

    def _taken(self, outcome: Outcome) -> list[Result]:
        place = self._place(outcome.ask.slot) if self._units else None
        unit = self._units.get(place) if place else None
        if place is None or unit is None:
            return [result_of(outcome, self._prepared)]
        self._note(unit, outcome)
        return self._completed(place)

    def _completed(self, place: Place) -> list[Result]:
        """The results of a unit that waits for nothing any more."""
        unit = self._units.get(place)
        if unit is None or unit.pending or len(unit.answers) < unit.wanted:
            return []
        del self._units[place]
        return self._results(unit)

    def _place(self, slot: Slot) -> Place:
        scorers = self._prepared.cases[slot.case_id].scorers
        is_together = self._prepared.is_compared and any(_compares(spec) for spec in scorers)
        return slot.case_id, slot.repeat, "" if is_together else slot.arm

    def _note(self, unit: _Unit, outcome: Outcome) -> None:
        """An answer, or a judge's reply, put where it belongs; once all answers are in, their judges are asked."""
        arm = outcome.ask.slot.arm
        if isinstance(outcome.ask, JudgeAsk):
            unit.pending -= 1
            unit.replies[arm, outcome.ask.spec.name][outcome.ask.order] = outcome
            return
        unit.answers[arm] = outcome
        if len(unit.answers) == unit.wanted:
            self._ask_judges(unit)

    def _ask_judges(self, unit: _Unit) -> None:
        together = [spec for spec in unit.case.scorers if _compares(spec)] if self._prepared.is_compared else []
        if together and (unit.wanted < len(Arm) or any(one.answer is None for one in unit.answers.values())):
            unit.error = f"{together[0].name}: the other version has no answer to compare with."
            return
        for arm, outcome in unit.answers.items():
            if outcome.answer is None:
                continue
            for spec in unit.case.scorers:
                kind = graded_kind(spec)
                if kind and (not kind.compares or (together and arm == Arm.CANDIDATE)):
                    self._ask_judge(unit, outcome, spec, kind)

    def _ask_judge(self, unit: _Unit, outcome: Outcome, spec: ScorerSpec, kind: Graded) -> None:
        slot = outcome.ask.slot
        try:
            material = self._material(unit, outcome, spec)
            questions = kind.questions(material, spec)
        except UnscorableError as why:
            unit.graded[slot.arm][spec.name] = unscorable(spec, str(why))
            return
        check = functools.partial(_check, kind=kind, spec=spec, material=material)
        self._drafts += [_Draft(unit, slot, spec, order, variables, check) for order, variables in enumerate(questions)]
        unit.pending += len(questions)

    def _word(self, drafts: Sequence[_Draft]) -> list[Outcome]:
        """Puts drafts into words and asks them, but for those whose answers are in error already; what is known of them."""
        by_judge: dict[str, list[_Draft]] = defaultdict(list)
        for draft in drafts:
            by_judge[key_of(draft.spec)].append(draft)
        worded: list[tuple[_Draft, Question]] = []
        for key, some in by_judge.items():
            for draft, question in zip(some, self._rendered(key, [one.variables for one in some]), strict=True):
                if isinstance(question, Invalid):
                    why = f"{draft.spec.name}: its judge's prompt cannot be rendered: {question.detail}"
                    draft.unit.error = draft.unit.error or why
                    draft.unit.pending -= 1
                else:
                    worded.append((draft, question))
        asks = []
        for draft, question in worded:
            if draft.unit.error:
                draft.unit.pending -= 1
                continue
            ways = _ways(self._prepared.bench[key_of(draft.spec)], question, draft.slot.repeat, draft.check)
            asks.append(JudgeAsk(draft.slot, ways, draft.spec, draft.order))
        known = self._prepared.known(asks, of=JudgeReply)
        self._questions += [ask for ask in asks if ask not in known]
        return list(known.values())

    def _rendered(self, key: str, values: Sequence[dict[str, JSON]]) -> list[Question | Invalid]:
        """A judge's prompt with each of these values; not tried again once its template has run into its limits."""
        judge = self._prepared.bench[key]
        settings, content = judge.settings, judge.content
        if content is None:
            return [Likeness(settings.model, (), {}, (str(value["output"]), str(value["target"]))) for value in values]
        parameters = request_parameters(settings, tools=content.tools, response_format=content.response_format)
        found: list[Question | Invalid] = []
        while len(found) < len(values):
            if key in self._beyond:
                found.append(Invalid("template.limit", self._beyond[key]))
                continue
            self._heartbeat()
            for one in render_contents(content, values[len(found) :]):
                if isinstance(one, Invalid):
                    self._beyond |= {key: one.detail} if one.code == "template.limit" else {}
                    found.append(one)
                else:
                    messages = one.messages or ({"role": "user", "content": one.text},)
                    found.append(Question(settings.model, tuple(messages), parameters))
        return found

    def _material(self, unit: _Unit, outcome: Outcome, spec: ScorerSpec) -> Material:
        case = unit.case
        other = unit.answers.get(Arm.BASELINE) if outcome.ask.slot.arm == Arm.CANDIDATE else None
        assert outcome.answer is not None
        return Material(
            output_of(outcome.answer),
            target_of(spec, expected=case.spec.expected, rendered=case.rendered),
            asked_of(outcome.way.question, case),
            output_of(other.answer) if other and other.answer else None,
        )

    def _results(self, unit: _Unit) -> list[Result]:
        for arm, name in unit.replies:
            self._read(unit, arm, next(spec for spec in unit.case.scorers if spec.name == name))
        results = []
        for arm, outcome in unit.answers.items():
            result = result_of(outcome, self._prepared, unit.graded[arm])
            replies = [one for (of, _), found in unit.replies.items() if of == arm for one in found.values()]
            rows = [_row(result, reply, unit) for reply in replies]
            self._replies += rows
            _charge(result, rows)
            if unit.error and not result.error:
                result.error, result.output = str(Failure.JUDGE), excerpt_of(unit.error)
                result.scores, result.is_passed = "[]", False
            results.append(result)
        return results

    def _read(self, unit: _Unit, arm: str, spec: ScorerSpec) -> None:
        """What a judge's replies say; one that says nothing is the error of all that depends on it."""
        kind, replies = graded_kind(spec), unit.replies[arm, spec.name]
        assert kind is not None
        judge, readings = self._prepared.bench[key_of(spec)], []
        material = self._material(unit, unit.answers[arm], spec)
        for order in sorted(replies):
            outcome = replies[order]
            if outcome.answer is None:
                unit.error = unit.error or f"{spec.name}: {outcome.error}"
                continue
            try:
                readings.append(reading_of(outcome.answer, kind, spec, material, judge.content))
            except JudgeError as mistake:
                unit.misread.add((arm, spec.name, order))
                unit.error = unit.error or f"{spec.name}: {told_of(mistake, outcome.answer)}"
        if len(readings) < len(replies):
            return
        score = _signed(kind.combine(readings), replies.values())
        unit.graded[arm][spec.name] = settled(spec, score)
        if kind.compares:
            unit.graded[Arm.BASELINE][spec.name] = settled(spec, for_baseline(score))


def _compares(spec: ScorerSpec) -> bool:
    kind = graded_kind(spec)
    return kind is not None and kind.compares


def _ways(judge: Judge, question: Question, repeat: int, check: Callable[[Answer], None]) -> tuple[Way, ...]:
    """By whom a judge is asked: as everybody is, except that no other model stands in for one's embeddings."""
    desks = judge.desks if isinstance(judge.desks, list) else []
    asked = desks if judge.content else desks[:1]
    return tuple(way_of(desk, question, repeat, check=check) for desk in asked)


def _check(answer: Answer, *, kind: Graded, spec: ScorerSpec, material: Material) -> None:
    """Raises ProviderError for a reply that is not of the kind's form, so that the judge is asked again."""
    try:
        kind.read(reply_of(answer.text), material, spec)
    except JudgeError as mistake:
        raise ProviderError(Failure.JUDGE, told_of(mistake, answer)) from None


def reading_of(
    answer: Answer, kind: Graded, spec: ScorerSpec, material: Material, content: VersionContent | None
) -> Score:
    """What one reply says, held to the schema of the judge's prompt too (None: embeddings are compared); raises JudgeError."""
    reply = reply_of(answer.text)
    schema = schema_of(content.response_format) if content else {}
    try:
        mistakes = TOOLS.schema_mistakes(schema, reply) if schema else ()
    except Invalid as refused:
        raise JudgeError(refused.detail) from None
    if mistakes:
        raise JudgeError(f"{mistakes[0].field or 'it'} {mistakes[0].message}")
    return kind.read(reply, material, spec)


def _signed(score: Score, replies: Iterable[Outcome]) -> Score:
    """The score, saying who judged where another provider stood in."""
    others = {reply.way.desk.name for reply in replies if reply.way is not reply.ask.ways[0]}
    return replace(score, detail=f"({', '.join(sorted(others))} stood in) {score.detail}") if others else score


def told_of(mistake: JudgeError, answer: Answer) -> str:
    """What is wrong with a judge's reply, and how it begins."""
    return f"the judge's reply does not fit its schema: {mistake}. It begins: {excerpt(answer.text, 200)}"


def _row(result: Result, reply: Outcome, unit: _Unit) -> JudgeReply:
    """The row for what a judge said, or why it said nothing; not saved."""
    ask = reply.ask
    assert isinstance(ask, JudgeAsk)
    row = JudgeReply(
        run_id=result.run_id,
        case_id=result.case_id,
        arm=result.arm,
        repeat=result.repeat,
        scorer=ask.spec.name,
        position=ask.order,
        provider_name=reply.way.desk.name,
        model=reply.way.question.model,
        request_digest=reply.way.digest,
        is_cached=reply.is_cached,
    )
    if reply.answer is None:
        assert reply.error is not None
        row.error, row.output = str(reply.error.kind), reply.error.excerpt
        return row
    row.error = str(Failure.JUDGE) if ask.place in unit.misread else ""
    row.output, row.latency_ms = reply.answer.text, reply.answer.latency_ms
    row.input_tokens, row.output_tokens = reply.answer.input_tokens, reply.answer.output_tokens
    row.cost = cost_of(
        base_url=reply.way.desk.endpoint.base_url,
        model=row.model,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )
    return row


def _charge(result: Result, rows: Iterable[JudgeReply]) -> None:
    """What judges used for this answer now, told apart from the answer itself; None where nothing is known."""
    asked = [row for row in rows if not row.is_cached]
    read = [row.input_tokens for row in asked if row.input_tokens is not None]
    written = [row.output_tokens for row in asked if row.output_tokens is not None]
    costs = [row.cost for row in asked if row.cost is not None]
    result.judge_input_tokens = sum(read) if read else None
    result.judge_output_tokens = sum(written) if written else None
    result.judge_cost = sum(costs, Decimal(0)) if costs else None
