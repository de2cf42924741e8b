"""Judging: between an answer and its result, whoever judges is asked, as everybody is asked, and its reply is read.

A result is written once its judges have spoken: an answer whose judging was interrupted has no result yet, and is asked
again with everything else that is missing. What is judged goes into the judge's template as a value, never as a template.
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
from evals_app.models import Arm, Result
from evals_app.providers.talk import Answer, Failure, Likeness, ProviderError, Question, excerpt_of
from evals_app.scorers import Score, ScorerSpec
from evals_app.scorers.graded.judging import Graded, JudgeError, Material, reply_of
from evals_app.scorers.graded.prompts import schema_of
from evals_app.scorers.kinds.pairwise import for_baseline
from evals_app.scorers.protocol import UnscorableError, excerpt
from evals_app.scorers.scoring import settled, target_of, unscorable
from prompts_app.rendering import render_content
from registry.core.canonical import JSON
from registry.core.errors import Invalid

type Place = tuple[int, int, str]  # case, repeat, and the arm; empty where both are judged together


@dataclass(frozen=True, eq=False)
class JudgeAsk(Ask):
    """A question to a judge about one answer: for which scorer, and which of its questions."""

    spec: ScorerSpec
    order: int


@dataclass
class _Unit:
    """Answers that become results together: one, or both versions' where a scorer compares them."""

    case: ScoredCase
    wanted: int
    answers: dict[str, Outcome] = field(default_factory=dict)
    replies: dict[tuple[str, str], dict[int, Outcome]] = field(default_factory=lambda: defaultdict(dict))
    graded: dict[str, dict[str, Score]] = field(default_factory=lambda: defaultdict(dict))
    pending: int = 0
    error: str = ""


class Grader:
    """Takes outcomes as they come, gives results as they are complete, and asks judges in between."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._units: dict[Place, _Unit] = {}
        self._questions: list[JudgeAsk] = []
        self._beyond: dict[str, str] = {}  # judges whose template ran into its limits: seconds each time, so once

    def expect(self, piece: Piece) -> None:
        """These answers will come; both versions' to a case are of the same piece."""
        for ask in (*piece.asks, *(outcome.ask for outcome in piece.known)):
            case = self._prepared.cases[ask.slot.case_id]
            if any(graded_kind(spec) for spec in case.scorers):
                self._units.setdefault(self._place(ask.slot), _Unit(case, 0)).wanted += 1

    def take(self, outcomes: Iterable[Outcome]) -> list[Result]:
        """The results that these outcomes complete."""
        results: list[Result] = []
        for outcome in outcomes:
            place = self._place(outcome.ask.slot) if self._units else None
            unit = self._units.get(place) if place else None
            if place is None or unit is None:
                results.append(result_of(outcome, self._prepared))
                continue
            self._note(unit, outcome)
            if len(unit.answers) == unit.wanted and not unit.pending:
                del self._units[place]
                results += self._results(unit)
        return results

    def questions(self) -> list[JudgeAsk]:
        """What judges are to be asked now."""
        found, self._questions = self._questions, []
        return found

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
        key, slot = key_of(spec), outcome.ask.slot
        try:
            if key in self._beyond:
                raise Invalid("template.limit", self._beyond[key])
            material = self._material(unit, outcome, spec)
            check = functools.partial(_check, kind=kind, spec=spec, material=material)
            asks = [
                JudgeAsk(slot, _ways(self._prepared.bench[key], variables, slot.repeat, check), spec, order)
                for order, variables in enumerate(kind.questions(material, spec))
            ]
        except UnscorableError as why:
            unit.graded[slot.arm][spec.name] = unscorable(spec, str(why))
        except Invalid as refused:
            self._beyond |= {key: refused.detail} if refused.code == "template.limit" else {}
            unit.error = unit.error or f"{spec.name}: its judge's prompt cannot be rendered: {refused.detail}"
        else:
            unit.pending += len(asks)
            self._questions += asks

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
            _charge(
                result, [reply for (of, _), replies in unit.replies.items() if of == arm for reply in replies.values()]
            )
            if unit.error and not result.error:
                result.error, result.output = str(Failure.JUDGE), excerpt_of(unit.error)
                result.scores, result.is_passed = "[]", False
            results.append(result)
        return results

    def _read(self, unit: _Unit, arm: str, spec: ScorerSpec) -> None:
        """What a judge's replies say; the first that says nothing is the error of all that depends on it."""
        kind, replies = graded_kind(spec), unit.replies[arm, spec.name]
        assert kind is not None
        judge, readings = self._prepared.bench[key_of(spec)], []
        material = self._material(unit, unit.answers[arm], spec)
        for order in sorted(replies):
            outcome = replies[order]
            if outcome.answer is None:
                unit.error = unit.error or f"{spec.name}: {outcome.error}"
                return
            try:
                readings.append(_reading(outcome.answer, kind, spec, material, judge))
            except JudgeError as mistake:
                unit.error = unit.error or f"{spec.name}: {_told(mistake, outcome.answer)}"
                return
        score = _signed(kind.combine(readings), replies.values())
        unit.graded[arm][spec.name] = settled(spec, score)
        if kind.compares:
            unit.graded[Arm.BASELINE][spec.name] = settled(spec, for_baseline(score))


def _compares(spec: ScorerSpec) -> bool:
    kind = graded_kind(spec)
    return kind is not None and kind.compares


def _question(judge: Judge, variables: dict[str, JSON]) -> Question:
    """The question to a judge; raises what rendering raises (`Invalid`)."""
    settings, content = judge.settings, judge.content
    if content is None:
        return Likeness(settings.model, (), {}, (str(variables["output"]), str(variables["target"])))
    rendered = render_content(content, variables)
    messages = rendered.messages or ({"role": "user", "content": rendered.text},)
    return Question(
        settings.model,
        tuple(messages),
        request_parameters(settings, tools=content.tools, response_format=content.response_format),
    )


def _ways(judge: Judge, variables: dict[str, JSON], repeat: int, check: Callable[[Answer], None]) -> tuple[Way, ...]:
    """By whom a judge is asked: as everybody is, except that no other model stands in for one's embeddings."""
    question = _question(judge, variables)
    desks = judge.desks if isinstance(judge.desks, list) else []
    asked = desks if judge.content else desks[:1]
    return tuple(way_of(desk, question, repeat, check=check) for desk in asked)


def _check(answer: Answer, *, kind: Graded, spec: ScorerSpec, material: Material) -> None:
    """Raises ProviderError for a reply that is not of the kind's form, so that the judge is asked again."""
    try:
        kind.read(reply_of(answer.text), material, spec)
    except JudgeError as mistake:
        raise ProviderError(Failure.JUDGE, _told(mistake, answer)) from None


def _reading(answer: Answer, kind: Graded, spec: ScorerSpec, material: Material, judge: Judge) -> Score:
    """What one reply says, held to the judge's own schema too; raises JudgeError."""
    reply = reply_of(answer.text)
    schema = schema_of(judge.content.response_format) if judge.content else {}
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


def _told(mistake: JudgeError, answer: Answer) -> str:
    return f"the judge's reply does not fit its schema: {mistake}. It begins: {excerpt(answer.text, 200)}"


def _charge(result: Result, replies: Sequence[Outcome]) -> None:
    """What judges used for this answer, told apart from the answer itself; None where nothing is known."""
    given = [(reply.answer, _cost(reply)) for reply in replies if reply.answer]
    read = [answer.input_tokens for answer, _ in given if answer.input_tokens is not None]
    written = [answer.output_tokens for answer, _ in given if answer.output_tokens is not None]
    costs = [cost for _, cost in given if cost is not None]
    result.judge_input_tokens = sum(read) if read else None
    result.judge_output_tokens = sum(written) if written else None
    result.judge_cost = sum(costs, Decimal(0)) if costs else None


def _cost(outcome: Outcome) -> Decimal | None:
    assert outcome.answer is not None
    return cost_of(
        base_url=outcome.way.desk.endpoint.base_url,
        model=outcome.way.question.model,
        input_tokens=outcome.answer.input_tokens,
        output_tokens=outcome.answer.output_tokens,
    )
