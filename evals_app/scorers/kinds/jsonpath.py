"""What a JSONPath finds in the output is the target."""

from typing import Any, ClassVar

from evals_app.scorers.options import Option, text_option
from evals_app.scorers.paths import find_values, path_mistake
from evals_app.scorers.protocol import (
    Asked,
    Example,
    Family,
    Output,
    Score,
    Scorer,
    ScorerSpec,
    Tools,
    as_json,
    as_text,
    excerpt,
    same_json,
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError

PATH = text_option("path", "Where to look, as JSONPath without filters: `$.intent`, `$.items[*].id`.")


class JsonPath(Scorer):
    """One place found: its value is the target. Several: the list of all their values is.

    A target that is a string is compared with a number or the like by its JSON text, since a rendered template is
    always a string. The path is JSONPath without filters.
    """

    kind: ClassVar[str] = "jsonpath"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "what `path` finds in the output's JSON is the target"
    options: ClassVar[tuple[Option[Any], ...]] = (PATH,)
    example: ClassVar[Example] = Example(
        {"kind": "jsonpath", "path": "$.intent"},
        Output('{"intent": "card", "sure": true}'),
        Output('{"intent": "pin"}'),
        Asked(expected="card"),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        wrong = path_mistake(PATH.of(spec))
        return FieldError("path", "format", wrong) if wrong else None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        path = PATH.of(spec)
        found = find_values(path, as_json(output.text))
        if not found:
            return Score(0.0, False, f"There is nothing at {path}.")
        value = found[0] if len(found) == 1 else found
        is_equal = same_json(value, target) or (
            isinstance(target, str) and not isinstance(value, str) and as_text(value) == target
        )
        verb = "is" if is_equal else "is not"
        return Score(float(is_equal), is_equal, f"{path}: {excerpt(value)} {verb} {excerpt(target)}.")
