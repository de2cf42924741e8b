"""The output is JSON that fits a JSON Schema."""

from typing import ClassVar

from evals_app.scorers.protocol import Score, ScorerSpec, Tools, UnscorableError, as_json
from prompts_app.variables import schema_problem
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid


class JsonSchema:
    """Schemas are 2020-12 with local references only, and are tried in the worker: they hold patterns of users."""

    kind: ClassVar[str] = "json_schema"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    takes_path: ClassVar[bool] = False

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if not spec.has_value:
            return None
        if not isinstance(spec.value, dict):
            return FieldError("value", "type", "must be a JSON Schema, as an object")
        problem = schema_problem(spec.value)
        return FieldError(f"value{problem[0]}", "schema", problem[1]) if problem else None

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        if not isinstance(target, dict) or (not spec.has_value and schema_problem(target)):
            raise UnscorableError("There is no schema: the case's expected answer is not a JSON Schema.")
        try:
            mistakes = tools.schema_mistakes(target, as_json(output))
        except Invalid as error:
            raise UnscorableError(error.detail) from None
        if not mistakes:
            return Score(1.0, True, "The output fits the schema.")
        first = mistakes[0]
        where = first.field or "the whole"
        more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
        return Score(0.0, False, f"The output does not fit the schema at {where}: {first.message}{more}.")
