"""The output is JSON, or has some in it."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

from evals_app.scorers.options import Option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Target,
    Tools,
    UnscorableError,
    as_json,
    excerpt,
    refuse_longer,
)
from evals_app.scorers.schemas import first_mistake, schema_mistake
from prompts_app.patterns import patterns_in
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

LONGEST, MOST_STARTS, MOST_FOUND = 200_000, 200, 10


class IsJson(Scorer):
    """All of it, as the registry reads JSON: no duplicate keys, no NaN, no fence around it."""

    kind: ClassVar[str] = "is_json"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the whole output is JSON, of any shape"
    target: ClassVar[Target] = "nothing"
    example: ClassVar[Example] = Example(
        {"kind": "is_json"}, Output('{"intent": "card"}'), Output('Here you are: {"intent": "card"}')
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        try:
            as_json(output.text)
        except UnscorableError as error:
            return Score(0.0, False, str(error))
        return Score(1.0, True, "The output is JSON.")


class ContainsJson(Scorer):
    """An object or a list somewhere in it, between words or in a fence; with a schema, one that fits it."""

    kind: ClassVar[str] = "contains_json"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "a JSON object or list stands in the output; with a JSON Schema as `value`, one that fits it"
    target: ClassVar[Target] = "optional value"
    options: ClassVar[tuple[Option[Any], ...]] = ()
    example: ClassVar[Example] = Example(
        {"kind": "contains_json", "value": {"type": "object", "required": ["intent"]}},
        Output('Here you are:\n```json\n{"intent": "card"}\n```'),
        Output('Here you are: {"mood": "fine"}'),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        return schema_mistake(spec.value) if spec.has_value else None

    def patterns(self, spec: ScorerSpec) -> Iterator[tuple[str, str]]:
        return patterns_in(spec.value)

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        found = list(json_within(output.text))
        if not found:
            return Score(0.0, False, f"There is no JSON object or list in it. It begins: {excerpt(output.text)}")
        if not isinstance(target, dict):
            return Score(1.0, True, f"It contains {excerpt(found[0])}.")
        mistakes = [first_mistake(target, value, tools) for value in found]
        if not all(mistakes):
            return Score(1.0, True, f"It contains {excerpt(found[mistakes.index('')])}, which fits the schema.")
        return Score(0.0, False, f"It contains {excerpt(found[0])}, which does not fit the schema {mistakes[0]}.")


def json_within(text: str) -> Iterator[JSON]:
    """Objects and lists in a text, from left to right, none inside another; raises UnscorableError for a very long text."""
    refuse_longer(text, LONGEST, "look for JSON in it")
    decoder, at, found = json.JSONDecoder(), 0, 0
    for _ in range(MOST_STARTS):
        starts = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
        if not starts or found == MOST_FOUND:
            return
        start = min(starts)
        try:
            _, end = decoder.raw_decode(text, start)
            value = parse_json(text[start:end])
        except (ValueError, RecursionError, InvalidJson):
            at = start + 1
            continue
        at, found = end, found + 1
        yield value
