"""Kinds that ask a model: the material they judge, the questions to the judge, and how its replies are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evals_app.scorers.graded.prompts import JudgePrompt
from evals_app.scorers.options import Option
from evals_app.scorers.protocol import (
    Asked,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
    as_text,
)
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError
from registry.core.fields import Fields

LONGEST_REASON = 10_000
MOST_ITEMS = 500
BY = "|"  # no name of a prompt holds one
ONLY_IN_RUNS = "Only its judge can say: it is asked in a run."


class JudgeError(Exception):
    """The judge's reply is not what its schema asks for; the text says what is wrong with it."""


def name_option(name: str, about: str) -> Option[str | None]:
    """A name that may be left out."""
    schema: dict[str, JSON] = {"type": "string", "minLength": 1, "maxLength": 255, "description": about}
    return Option(name, None, schema, lambda given: given.text(name, None, least=1, most=255))


JUDGE = name_option("judge", "The prompt that judges, such as judges/rubric; the kind's own where left out.")
PROVIDER = name_option("provider", "Whose model judges; whose the judge's own config names where left out.")
MODEL = name_option("model", "The model that judges; with a provider alone its first one, else the judge's own.")
JUDGED_BY: tuple[Option[Any], ...] = (JUDGE, PROVIDER, MODEL)
CONTEXT = name_option("context", "The variable that holds the retrieved context; `context` where left out.")


@dataclass(frozen=True, slots=True)
class Material:
    """What is judged: an answer, what it is compared with, what was asked, and the other version's answer.

    `other` is the baseline's answer to the same case and repeat, for the kinds that compare.
    """

    output: Output
    target: JSON
    asked: Asked
    other: Output | None = None

    @property
    def question(self) -> str:
        """The conversation that the answer answers; the case's variables where no message is known."""
        turns = self.asked.messages
        if not turns:
            return as_text(dict(self.asked.variables))
        if len(turns) == 1:
            return as_text(turns[0].get("content"))
        return "\n\n".join(f"{turn.get('role')}: {as_text(turn.get('content'))}" for turn in turns)

    @property
    def answer(self) -> str:
        """The answer as the judge reads it, calls of tools included."""
        return told(self.output)

    def passages(self, spec: ScorerSpec) -> tuple[str, ...]:
        """The retrieved context: the entries of a list, else the paragraphs of a text; raises UnscorableError for none."""
        name = CONTEXT.of(spec) or "context"
        given = self.asked.variables.get(name)
        parts = given if isinstance(given, list) else as_text(given or "").split("\n\n")
        found = tuple(text for text in map(as_text, parts) if text.strip())
        if not found:
            raise UnscorableError(f"There is no context: the case has no variable {name}, or it is empty.")
        return found

    def context(self, spec: ScorerSpec) -> str:
        """The same as one text."""
        return "\n\n".join(self.passages(spec))


class Graded(Scorer):
    """A kind whose verdict a model gives. Its module says what the judge is told and how a reply is read.

    Every judge answers in JSON that fits a strict schema, so no text can say "passed" in another way. `compares`: both
    versions' answers are needed. `prompt` is the judge where a spec names none; None where no prompt judges.
    `example_replies` are what a judge replies to the example: to the output that passes, and to the one that does not.
    """

    family: ClassVar[Family] = "model graded"
    is_binary: ClassVar[bool] = False
    is_graded: ClassVar[bool] = True
    compares: ClassVar[bool] = False
    options: ClassVar[tuple[Option[Any], ...]] = JUDGED_BY
    prompt: ClassVar[JudgePrompt | None] = None
    example_replies: ClassVar[tuple[tuple[JSON, ...], tuple[JSON, ...]]]

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        """Nothing without its judge."""
        raise UnscorableError(ONLY_IN_RUNS)

    def questions(self, material: Material, spec: ScorerSpec) -> tuple[dict[str, JSON], ...]:
        """The variables of each question to the judge; raises UnscorableError where there is nothing to judge."""
        raise NotImplementedError

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        """What one reply says; raises JudgeError for one that does not say what it was asked."""
        raise NotImplementedError

    def combine(self, readings: Sequence[Score]) -> Score:
        """What the replies to all questions come to, in the order of the questions."""
        (only,) = readings
        return only


def judge_key(spec: ScorerSpec, kind: Graded) -> str:
    """Who judges for a spec, by name: the prompt and the model that the spec names, or where none judges that model alone."""
    model = f"{spec.options.get('provider') or ''}:{spec.options.get('model') or ''}"
    if kind.prompt is None:
        return model
    name = JUDGE.of(spec) or kind.prompt.name
    return name if model == ":" else f"{name}{BY}{model}"


def prompt_name(key: str) -> str:
    """The name of the prompt in a `judge_key`."""
    return key.partition(BY)[0]


def own_model(spec: ScorerSpec) -> dict[str, JSON]:
    """The settings that a spec names over those of its judge; empty for none."""
    provider, model = PROVIDER.of(spec), MODEL.of(spec)
    if provider is None:
        return {} if model is None else {"model": model}
    return {"provider": provider, "model": model}


def told(output: Output) -> str:
    """An answer as a judge reads it: its text, and after it the tools it calls."""
    if not output.tool_calls:
        return output.text
    return f"{output.text}\n\nCalls of tools: {as_text(list(output.tool_calls))}".strip()


def fenced(**values: str) -> dict[str, JSON]:
    """Variables of a judge's prompt, with a `fence` that marks where each begins and ends.

    The fence is a digest of all of them, so no text can hold its own end mark.
    """
    fence = hashlib.sha256("\x00".join(values.values()).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return {**values, "fence": fence}


def reply_of(text: str) -> JSON:
    """A judge's reply as JSON; raises JudgeError."""
    try:
        return parse_json(text.strip())
    except InvalidJson as mistake:
        raise JudgeError(f"it is not JSON: {mistake.message}") from None


def verdict_of(reply: JSON, values: Mapping[str, float]) -> tuple[str, str]:
    """A reply's `verdict`, one of `values`, and its `reason`; raises JudgeError."""
    return read_reply(reply, lambda given: (given.choice("verdict", "", tuple(values)), reason_of(given)))


def marked(reply: JSON, items: str, mark: str) -> tuple[list[tuple[str, bool]], str]:
    """A reply's list `items` of objects with a `text` and a true or false `mark`, and its reason; raises JudgeError."""

    def one(value: JSON, errors: list[FieldError], path: str) -> tuple[str, bool]:
        entry = Fields(value, errors, path=path)
        entry.require("text")
        entry.require(mark)
        return entry.text("text", "", most=LONGEST_REASON), entry.boolean(mark, False)

    def read(given: Fields) -> tuple[list[tuple[str, bool]], str]:
        given.require(items)
        listed = given.items(items, most=MOST_ITEMS)
        found = [one(value, given.errors, f"{items}[{index}]") for index, value in enumerate(listed)]
        return found, reason_of(given)

    return read_reply(reply, read)


def reason_of(given: Fields) -> str:
    """The reason, which must be there, on one line."""
    given.require("reason")
    return " ".join(given.text("reason", "", most=LONGEST_REASON).split())


def read_reply[T](reply: JSON, read: Callable[[Fields], T]) -> T:
    """What `read` takes out of a reply, as long as every field read is what it should be; raises JudgeError."""
    errors: list[FieldError] = []
    found = read(Fields(reply, errors))
    if errors:
        raise JudgeError(f"{errors[0].field or 'the reply'} {errors[0].message}")
    return found


class Worded(Graded):
    """A kind whose judge answers with one of a few words, each worth a value."""

    values: ClassVar[Mapping[str, float]]

    def read(self, reply: JSON, material: Material, spec: ScorerSpec) -> Score:
        verdict, reason = verdict_of(reply, self.values)
        return Score(self.values[verdict], False, f"{verdict}: {reason}")
