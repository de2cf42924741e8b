"""The output's JSON is the target, apart from what is left out of the comparison."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

from evals_app.scorers.options import Option, flag_option, texts_option
from evals_app.scorers.paths import find_places, path_mistake
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
    same_json,
)
from registry.core.canonical import JSON, canonical_json
from registry.core.errors import FieldError

IGNORE = texts_option("ignore", "What not to compare, as JSONPaths: `$.id`, `$.items[*].at`.", most=20)
ANY_ORDER = flag_option("any_order", "Lists are equal that have the same entries in any order.")
MOST_COMPARED = 200_000  # characters of JSON; longer ones are compared, but not told apart in words
MOST_TOLD = 3
LARGEST_WHOLE = 2**63  # JSON has no larger whole numbers here; what is beyond stays a float


class DeepEqual(Scorer):
    """Numbers by value, keys in any order, lists in theirs unless `any_order`. A target that is a string is read as JSON."""

    kind: ClassVar[str] = "deep_equal"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the output's JSON equals the target, apart from the paths in `ignore`"
    options: ClassVar[tuple[Option[Any], ...]] = (IGNORE, ANY_ORDER)
    example: ClassVar[Example] = Example(
        {"kind": "deep_equal", "ignore": ["$.id", "$.items[*].at"]},
        Output('{"id": 7, "items": [{"sku": "a", "at": "09:30"}], "total": 12.0}'),
        Output('{"id": 7, "items": [{"sku": "b", "at": "09:30"}], "total": 12.0}'),
        Asked(expected={"items": [{"sku": "a"}], "total": 12}),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        for index, path in enumerate(IGNORE.of(spec)):
            if wrong := path_mistake(path):
                return FieldError(f"ignore[{index}]", "format", wrong)
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        said, wanted = as_json(output.text), _wanted(target)
        if IGNORE.of(spec):
            said, wanted = _without(said, IGNORE.of(spec)), _without(wanted, IGNORE.of(spec))
        said, wanted = (_plain(value, any_order=ANY_ORDER.of(spec)) for value in (said, wanted))
        if same_json(said, wanted):
            return Score(1.0, True, "Both are equal.")
        return Score(0.0, False, f"They differ: {_differences(wanted, said)}.")


def _wanted(target: JSON) -> JSON:
    if not isinstance(target, str):
        return target
    try:
        return as_json(target)
    except UnscorableError:
        raise UnscorableError("There is nothing to compare with: the value is a text that is not JSON.") from None


def _without(value: JSON, paths: Sequence[str]) -> JSON:
    """A copy of the value without what the paths find in it."""
    value = copy.deepcopy(value)
    for path in paths:
        entries: dict[int, tuple[list[JSON], set[int]]] = {}
        for holder, key in find_places(path, value):
            if isinstance(holder, dict):
                holder.pop(str(key), None)
            elif isinstance(key, int):
                entries.setdefault(id(holder), (holder, set()))[1].add(key)
        for holder, indexes in entries.values():
            holder[:] = [entry for index, entry in enumerate(holder) if index not in indexes]
    return value


def _plain(value: JSON, *, any_order: bool) -> JSON:
    """The same with whole numbers written in one way, and lists in one order where theirs does not matter."""
    if isinstance(value, dict):
        return {key: _plain(entry, any_order=any_order) for key, entry in value.items()}
    if isinstance(value, list):
        entries = [_plain(entry, any_order=any_order) for entry in value]
        return sorted(entries, key=canonical_json) if any_order else entries
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE else value


def _differences(wanted: JSON, said: JSON) -> str:
    """The first places that differ, told by deepdiff (as everywhere else in the registry)."""
    from prompts_app.structure_diff import structure_changes

    if len(canonical_json(wanted)) + len(canonical_json(said)) > MOST_COMPARED:
        return "they are too long to say where"
    changes = structure_changes(wanted, said, "$")
    words = {"added": "is there and should not be", "removed": "is missing"}
    told = [f"{change.path} {words.get(change.op, 'is something else')}" for change in changes[:MOST_TOLD]]
    more = f" (and {len(changes) - MOST_TOLD} more)" if len(changes) > MOST_TOLD else ""
    return "; ".join(told) + more
