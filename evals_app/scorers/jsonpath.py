"""What a JSONPath finds in the output is the target."""

import functools
from typing import ClassVar, cast

from jsonpath_ng import JSONPath
from jsonpath_ng.exceptions import JsonPathLexerError, JsonPathParserError
from jsonpath_ng.parser import parse

from evals_app.scorers.protocol import Score, ScorerSpec, Tools, as_json, as_text, excerpt, same_json
from registry.core.canonical import JSON
from registry.core.errors import FieldError

MOST_DESCENDS = 2  # each `..` visits everything below everything: more of them could take for ever


class JsonPath:
    """One place found: its value is the target. Several: the list of all their values is.

    A target that is a string is compared with a number or the like by its JSON text, since a rendered template is
    always a string. The path is JSONPath without filters.
    """

    kind: ClassVar[str] = "jsonpath"
    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_binary: ClassVar[bool] = True
    takes_path: ClassVar[bool] = True

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        path = spec.path or ""
        if path.count("..") > MOST_DESCENDS:
            return FieldError("path", "format", f"must not have more than {MOST_DESCENDS} times ..")
        try:
            _parsed(path)
        except (JsonPathLexerError, JsonPathParserError, ValueError, RecursionError):
            return FieldError("path", "format", "is not a JSONPath such as $.intent or $.items[*].id")
        return None

    def score(self, output: str, target: JSON, spec: ScorerSpec, tools: Tools) -> Score:
        path = spec.path or ""
        found = [cast("JSON", match.value) for match in _parsed(path).find(as_json(output))]
        if not found:
            return Score(0.0, False, f"There is nothing at {path}.")
        value = found[0] if len(found) == 1 else found
        is_equal = same_json(value, target) or (
            isinstance(target, str) and not isinstance(value, str) and as_text(value) == target
        )
        verb = "is" if is_equal else "is not"
        return Score(float(is_equal), is_equal, f"{path}: {excerpt(value)} {verb} {excerpt(target)}.")


@functools.lru_cache(maxsize=256)
def _parsed(path: str) -> JSONPath:
    return parse(path)
