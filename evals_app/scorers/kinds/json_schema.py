"""The output is JSON that fits a JSON Schema."""

from collections.abc import Iterator
from typing import Any, ClassVar

from evals_app.scorers.options import EXACT, Option
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    UnscorableError,
    as_json,
)
from evals_app.scorers.schemas import first_mistake, is_schema, schema_mistake
from prompts_app.patterns import patterns_in
from registry.core.canonical import JSON
from registry.core.errors import FieldError


class JsonSchema(Scorer):
    """Schemas are 2020-12 with local references only, and are tried in the worker: they hold patterns of users."""

    kind: ClassVar[str] = "json_schema"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the output is JSON that fits the schema"
    options: ClassVar[tuple[Option[Any], ...]] = (EXACT,)
    example: ClassVar[Example] = Example(
        {"kind": "json_schema", "value": {"type": "object", "required": ["intent"]}},
        Output('{"intent": "card"}'),
        Output("{}"),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        return schema_mistake(spec.value) if spec.has_value else None

    def patterns(self, spec: ScorerSpec) -> Iterator[tuple[str, str]]:
        return patterns_in(spec.value)

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        if not isinstance(target, dict) or (not spec.has_value and not is_schema(target)):
            raise UnscorableError("There is no schema: the case's expected answer is not a JSON Schema.")
        try:
            value = as_json(output.text)
        except UnscorableError as error:
            if not EXACT.of(spec):
                raise
            return Score(0.0, False, str(error))
        mistake = first_mistake(target, value, tools)
        if mistake:
            return Score(0.0, False, f"The output does not fit the schema {mistake}.")
        return Score(1.0, True, "The output fits the schema.")
