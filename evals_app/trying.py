"""What is typed on the page that tries a prompt, and the columns and the case it stands for. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from evals_app.suite_content import CaseSpec
from prompts_app.content import Message, parse_content
from prompts_app.panels import PLACEHOLDER, read_value, shown
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import Invalid, invalid_field

type Posted = Mapping[str, Sequence[str]]

DRAFT = "draft"
KEY = "tried"


@dataclass(frozen=True)
class Value:
    """One variable with its value as typed; `kind` is its JSON type, "" for any, `messages` for a placeholder's."""

    name: str
    kind: str = ""
    text: str = ""
    note: str = ""
    required: bool = True

    @property
    def is_placeholder(self) -> bool:
        """True for the caller's own messages."""
        return self.kind == PLACEHOLDER


@dataclass(frozen=True)
class TypedColumn:
    """`source` is `draft`, a version's number or "" for no column; `model` is `provider/model`, "" for the version's own."""

    source: str = ""
    model: str = ""

    @property
    def number(self) -> int | None:
        """The version's number; None for the draft."""
        if self.source == DRAFT:
            return None
        if not (self.source.isascii() and self.source.isdecimal() and len(self.source) < 10):
            raise invalid_field("columns", "choice", "Choose a version, or your draft.")
        return int(self.source)

    @property
    def asked(self) -> tuple[str, str]:
        """Provider and model; both empty where the version decides."""
        provider, _, model = self.model.partition("/")
        return provider, model


@dataclass(frozen=True)
class TypedTry:
    """The whole form. `messages` is the JSON of a conversation after the prompt; `case` where values came from.

    `given` are values from elsewhere, that nobody typed yet.
    """

    columns: tuple[TypedColumn, ...] = ()
    values: tuple[Value, ...] = ()
    messages: str = ""
    case: str = ""
    expected: str = ""
    given: Mapping[str, JSON] = field(default_factory=dict)

    @property
    def chosen(self) -> tuple[TypedColumn, ...]:
        """The columns that ask something."""
        return tuple(column for column in self.columns if column.source)

    def variables(self) -> dict[str, JSON]:
        """The values by name, without what was left empty."""
        return {one.name: read_value(one.text, one.kind) for one in self.values if one.name and one.text.strip()}

    def as_case(self) -> CaseSpec:
        """The one case that is asked; raises Invalid for a conversation that is none."""
        return CaseSpec(self.case or KEY, self.variables(), self._conversation())

    def _conversation(self) -> tuple[Message, ...]:
        if not self.messages.strip():
            return ()
        try:
            given = parse_json(self.messages)
        except InvalidJson as problem:
            raise invalid_field("messages", "json", f"The conversation is not JSON: {problem.message}") from None
        try:
            turns = parse_content("chat", {"messages": given}).source.messages or ()
        except Invalid:
            turns = ()
        found = tuple(turn for turn in turns if isinstance(turn, Message))
        if not found or len(found) != len(turns):
            detail = 'The conversation is a list of messages: [{"role": "user", "content": "…"}]'
            raise invalid_field("messages", "type", detail)
        return found


def read_try(posted: Posted) -> TypedTry:
    """What a browser sent, as lists by field name."""

    def one(name: str) -> str:
        return _lines(posted.get(name, ("",))[-1])

    pairs = zip(posted.get("source", ()), posted.get("model", ()), strict=False)
    lists = [posted.get(name, ()) for name in ("v_name", "v_kind", "v_sample")]
    return TypedTry(
        columns=tuple(TypedColumn(source, model) for source, model in pairs),
        values=tuple(Value(name, kind, _lines(text)) for name, kind, text in zip(*lists, strict=False)),
        messages=one("messages"),
        case=one("case"),
        expected=one("expected"),
    )


def filled(given: Mapping[str, JSON], typed: TypedTry, case: str) -> TypedTry:
    """The same form with the values of a case; `given` is the case as JSON."""
    variables = given.get("variables")
    values = variables if isinstance(variables, dict) else {}
    messages, expected = given.get("messages"), given.get("expected")
    return TypedTry(
        columns=typed.columns,
        messages=json.dumps(messages, indent=2, ensure_ascii=False) if messages else "",
        case=case,
        expected=shown(expected, "string"),
        given=values,
    )


def asked_for(
    typed: TypedTry, contents: Sequence[Mapping[str, JSON]], placeholders: Sequence[str]
) -> tuple[Value, ...]:
    """A field for each variable that any of the schemas declares and each placeholder, with what was typed so far.

    A variable that nobody declares any more keeps its field as long as it has a value.
    """
    typed_by_name = {one.name: one.text for one in typed.values}
    fields: dict[str, Value] = {}
    for schema in contents:
        properties, required = schema.get("properties"), schema.get("required")
        for name, about in (properties if isinstance(properties, dict) else {}).items():
            fields.setdefault(name, _value(name, about, isinstance(required, list) and name in required))
    fields |= {name: Value(name, PLACEHOLDER, required=False) for name in placeholders}
    fields |= {name: Value(name) for name in typed.given if name not in fields}
    fields |= {one.name: one for one in typed.values if one.name not in fields and one.text.strip()}

    def text(one: Value) -> str:
        return shown(typed.given[one.name], one.kind) if one.name in typed.given else typed_by_name.get(one.name, "")

    return tuple(replace(one, text=text(one)) for one in fields.values())


def _value(name: str, about: JSON, required: bool) -> Value:
    if not isinstance(about, dict):
        return Value(name, required=required)
    kind, note = about.get("type"), about.get("description")
    return Value(
        name, kind if isinstance(kind, str) else "", note=note if isinstance(note, str) else "", required=required
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")
