"""Scorers that ask a model, tried on an output that somebody brings: what their judges are asked, and what replies say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals_app.engine.grading import reading_of, told_of
from evals_app.engine.tryouts import Said
from evals_app.judge_seats import graded_kind
from evals_app.model_settings import ModelSettings, request_parameters
from evals_app.providers.talk import Likeness, Question
from evals_app.scorers import Asked, Output, Score, Scored, ScorerSpec
from evals_app.scorers.graded.judging import JudgeError, Material
from evals_app.scorers.protocol import UnscorableError
from evals_app.scorers.scoring import settled, target_of, unscorable
from prompts_app.content import VersionContent
from prompts_app.models import PromptVersion
from prompts_app.rendering import render_content
from registry.core.canonical import JSON
from registry.core.errors import Invalid


@dataclass(frozen=True)
class Sitting:
    """Who judges for a scorer. `content` is the judge's prompt, None where embeddings are compared; `row` its version, None
    before there is one: then it is the prompt that comes with the kind."""

    spec: ScorerSpec
    settings: ModelSettings
    content: VersionContent | None = None
    row: PromptVersion | None = None


@dataclass(frozen=True)
class Hearing:
    """What one judge is asked about an output; without questions `why` says why there are none."""

    sitting: Sitting
    material: Material | None = None
    questions: tuple[Question, ...] = ()
    why: str = ""


def hearing_of(
    sitting: Sitting, output: Output, asked: Asked, *, rendered: Mapping[str, str], other: Output | None
) -> Hearing:
    """The questions to a judge; asks the sandbox. `rendered` holds what the scorers' values came to."""
    spec, kind = sitting.spec, graded_kind(sitting.spec)
    assert kind is not None
    try:
        material = Material(output, target_of(spec, expected=asked.expected, rendered=rendered), asked, other)
        questions = tuple(_worded(sitting, values) for values in kind.questions(material, spec))
    except UnscorableError as nothing:
        return Hearing(sitting, why=str(nothing))
    except Invalid as refused:
        return Hearing(sitting, why=f"The judge's prompt cannot be rendered: {refused.detail}")
    return Hearing(sitting, material, questions)


def heard(hearing: Hearing, said: Sequence[Said]) -> Scored:
    """What a judge's replies, in the order of its questions, come to; one that cannot be read never passes."""
    spec = hearing.sitting.spec
    try:
        return Scored(spec, settled(spec, _score(hearing, said)))
    except UnscorableError as why:
        return Scored(spec, unscorable(spec, str(why)))


def _worded(sitting: Sitting, values: Mapping[str, JSON]) -> Question:
    settings, content = sitting.settings, sitting.content
    if content is None:
        return Likeness(settings.model, (), {}, (str(values["output"]), str(values["target"])))
    rendered = render_content(content, values)
    messages = rendered.messages or ({"role": "user", "content": rendered.text},)
    parameters = request_parameters(settings, tools=content.tools, response_format=content.response_format)
    return Question(settings.model, tuple(messages), parameters)


def _score(hearing: Hearing, said: Sequence[Said]) -> Score:
    spec, kind = hearing.sitting.spec, graded_kind(hearing.sitting.spec)
    if hearing.why or hearing.material is None or kind is None:
        raise UnscorableError(hearing.why)
    readings = []
    for one in said:
        if one.answer is None:
            raise UnscorableError(f"The judge gave no answer: {one.error}")
        try:
            readings.append(reading_of(one.answer, kind, spec, hearing.material, hearing.sitting.content))
        except JudgeError as mistake:
            raise UnscorableError(f"{told_of(mistake, one.answer)}") from None
    return kind.combine(readings)
