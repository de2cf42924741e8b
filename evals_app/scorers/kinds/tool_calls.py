"""Which tools the answer calls, and whether it calls them as they are declared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evals_app.scorers.options import Option, choice_option, flag_option
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
    as_text,
    excerpt,
    same_json,
)
from evals_app.scorers.schemas import first_mistake, is_schema
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

MOST_CALLS = 20
ARGUMENTS = choice_option(
    "arguments",
    "Whether the arguments have to be the same (`equal`), have those named among them (`subset`), or are not compared (`any`).",
    ("equal", "subset", "any"),
    default="equal",
)
OTHERS = flag_option("others", "Further calls are permitted.")
_WEATHER = {"name": "weather", "arguments": {"city": "Rome"}}
_WEATHER_TOOL: JSON = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def _calling(name: str, arguments: str) -> Output:
    return Output("", ({"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}},))


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `arguments` are None where they are no JSON."""

    name: str
    arguments: JSON

    def fits(self, wanted: "Call", how: str) -> bool:
        """Whether it is the call wanted."""
        if self.name != wanted.name:
            return False
        if how == "any" or (how == "equal" and same_json(self.arguments, wanted.arguments)):
            return True
        return how == "subset" and _is_within(wanted.arguments, self.arguments)


class ToolCall(Scorer):
    """Each call wanted is made once, in any order, and no other unless `others`. An empty list wants none."""

    kind: ClassVar[str] = "tool_call"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the answer calls the tools of the target: `{name, arguments}`, or a list of them"
    options: ClassVar[tuple[Option[Any], ...]] = (ARGUMENTS, OTHERS)
    example: ClassVar[Example] = Example(
        {"kind": "tool_call", "value": {"name": "weather", "arguments": {"city": "Rome"}}, "arguments": "subset"},
        _calling("weather", '{"city": "Rome", "days": 3}'),
        _calling("weather", '{"city": "Paris"}'),
    )

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        if spec.has_value and spec.template is None and _wanted(spec.value) is None:
            return FieldError("value", "type", "must be {name, arguments}, or a list of at most 20 of them")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        wanted, made = _wanted(target), calls_of(output)
        if wanted is None:
            raise UnscorableError("There are no calls to compare with: the value is not {name, arguments}.")
        how = ARGUMENTS.of(spec)
        taken = _matched(made, wanted, how)
        missing = [call for number, call in enumerate(wanted) if number not in taken.values()]
        if missing:
            return Score(0.0, False, f"It does not call {_said(missing[0])}. It calls {_all_said(made)}.")
        other = [call for index, call in enumerate(made) if index not in taken]
        if other and not OTHERS.of(spec):
            return Score(0.0, False, f"It also calls {_said(other[0])}.")
        return Score(1.0, True, f"It calls {_all_said(made)}.")


class ValidToolCall(Scorer):
    """Every call names a tool of the request and its arguments fit that tool's schema; no call at all does not pass."""

    kind: ClassVar[str] = "valid_tool_call"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "the answer calls tools that the version declares, with arguments that fit their schemas"
    target: ClassVar[Target] = "nothing"
    example: ClassVar[Example] = Example(
        {"kind": "valid_tool_call"},
        _calling("weather", '{"city": "Rome"}'),
        _calling("weather", '{"town": "Rome"}'),
        Asked(tools=(_WEATHER_TOOL,)),
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        declared = dict(_declared(asked.tools))
        if not declared:
            raise UnscorableError("The version declares no tools, so no call can be valid.")
        made = calls_of(output)
        if not made:
            return Score(0.0, False, f"It calls no tool. It begins: {excerpt(output.text)}")
        for call in made:
            if wrong := _wrong(call, declared, tools):
                return Score(0.0, False, wrong)
        return Score(1.0, True, f"It calls {_all_said(made)}.")


def calls_of(output: Output) -> list[Call]:
    """The calls of an answer; raises UnscorableError where there are more than can be compared."""
    if len(output.tool_calls) > MOST_CALLS:
        raise UnscorableError(f"It calls more than {MOST_CALLS} tools.")
    return [_call(call) for call in output.tool_calls]


def _call(call: JSON) -> Call:
    function = call.get("function") if isinstance(call, dict) else None
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return Call(as_text(function.get("name") or ""), arguments)
    try:
        return Call(as_text(function.get("name") or ""), parse_json(arguments or "{}"))
    except InvalidJson:
        return Call(as_text(function.get("name") or ""), None)


def _wanted(target: JSON) -> list[Call] | None:
    """The calls of a target, None where it is none; arguments left out are an empty object."""
    if isinstance(target, str):
        try:
            target = as_json(target)
        except UnscorableError:
            return None
    entries = target if isinstance(target, list) else [target]
    if len(entries) > MOST_CALLS:
        return None
    wanted = []
    for entry in entries:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("name"), str)
            or entry.keys() - {"name", "arguments"}
        ):
            return None
        wanted.append(Call(str(entry["name"]), entry.get("arguments", {})))
    return wanted


def _matched(made: Sequence[Call], wanted: Sequence[Call], how: str) -> dict[int, int]:
    """Which call made is which of those wanted, by position, for as many as possible (augmenting paths)."""
    partner: dict[int, int] = {}

    def find(number: int, seen: set[int]) -> bool:
        for index, call in enumerate(made):
            if index in seen or not call.fits(wanted[number], how):
                continue
            seen.add(index)
            if index not in partner or find(partner[index], seen):
                partner[index] = number
                return True
        return False

    for number in range(len(wanted)):
        find(number, set())
    return partner


def _is_within(part: JSON, whole: JSON) -> bool:
    """All of `part` is in `whole`: objects by their keys, anything else as it is."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _is_within(value, whole[key]) for key, value in part.items())
    return same_json(part, whole)


def _declared(tools: Sequence[JSON]) -> list[tuple[str, JSON]]:
    functions = [tool.get("function") for tool in tools if isinstance(tool, dict)]
    return [
        (str(function.get("name")), function.get("parameters")) for function in functions if isinstance(function, dict)
    ]


def _wrong(call: Call, declared: Mapping[str, JSON], tools: Tools) -> str:
    """What is wrong with a call, empty when nothing is."""
    if call.name not in declared:
        return f"There is no tool {excerpt(call.name)}."
    if not isinstance(call.arguments, dict):
        return f"The arguments of {call.name} are no JSON object."
    schema = declared[call.name]
    if not isinstance(schema, dict):
        return ""
    if not is_schema(schema):
        raise UnscorableError(f"The parameters of {call.name} are not a JSON Schema that can be checked.")
    mistake = first_mistake(schema, call.arguments, tools)
    return f"The arguments of {call.name} do not fit {mistake}." if mistake else ""


def _said(call: Call) -> str:
    return excerpt(f"{call.name}({json.dumps(call.arguments, ensure_ascii=False)})")


def _all_said(calls: Sequence[Call]) -> str:
    return ", ".join(_said(call) for call in calls[:3]) or "no tool"
