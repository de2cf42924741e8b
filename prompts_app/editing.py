"""The editor's form as a plain value: what was typed, how its cards move, and the content it stands for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import cast

from prompts_app.panels import (
    Model,
    Row,
    config_from,
    model_of,
    read_model,
    read_rows,
    rows_of,
    sample_from,
    schema_from,
    with_names,
)
from prompts_app.problems import Problem, problems_of
from prompts_app.secret_rules import Suspect, suspects_at
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid, RegistryError

JSON_FIELDS = ("variables", "config", "tools", "response_format")
SHAPES = ("text", "parts", "placeholder")


type Posted = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Card:
    """One message as typed. `shape`: a text, parts as JSON, or a placeholder whose name is the content."""

    role: str = "user"
    shape: str = "text"
    content: str = ""

    @property
    def is_placeholder(self) -> bool:
        """True for the place of the caller's own messages."""
        return self.shape == "placeholder"


@dataclass(frozen=True)
class Typed:
    """All fields of the editor as they were typed; JSON fields are text, empty where nothing is given.

    `rows` and `model` are what a panel's form was sent with, none where the panel shows JSON or was not shown yet: then
    `variables`, `sample` and `config` say the same. `mistakes` are what of those forms cannot be read.
    """

    kind: str
    text: str = ""
    cards: tuple[Card, ...] = ()
    template_format: str = "jinja"
    variables: str = ""
    config: str = ""
    tools: str = ""
    response_format: str = ""
    sample: str = ""
    message: str = ""
    based_on: int | None = None
    variables_view: str = "table"
    config_view: str = "form"
    rows: tuple[Row, ...] = ()
    model: Model | None = None
    mistakes: tuple[FieldError, ...] = field(default=(), compare=False)
    problems: tuple[Problem, ...] = field(default=(), compare=False)

    def content(self) -> dict[str, JSON]:
        """The content fields of the API; raises Invalid naming each field that is no JSON."""
        errors = list(self.mistakes)
        fields: dict[str, JSON] = {"template_format": self.template_format}
        if self.kind == "chat":
            fields["messages"] = [_message(card, index, errors) for index, card in enumerate(self.cards)]
        else:
            fields["text"] = self.text
        for name in JSON_FIELDS:
            value = _json(getattr(self, name), name, errors)
            if value is not None:
                fields[name] = value
        if errors:
            raise Invalid("content.invalid", "Some fields cannot be read.", errors=errors)
        return fields

    def drawn_rows(self, used: Sequence[str] | None) -> tuple[Row, ...] | None:
        """The variables as a table; None where they are shown as JSON. `used` are the text's names, None if not known."""
        if self.variables_view == "json":
            return None
        placeholders = [card.content.strip() for card in self.cards if card.is_placeholder]
        if self.rows:
            return with_names(self.rows, used, placeholders) if used is not None else self.rows
        return rows_of(self.variables, self.sample, used, placeholders)

    def drawn_model(self) -> Model | None:
        """The model's settings as fields; None where they are shown as JSON."""
        return None if self.config_view == "json" else self.model or model_of(self.config)

    def suspects(self, *, known: str = "") -> list[Suspect]:
        """What looks like a secret in all that a version would keep, but for what `known` text holds already."""
        places: list[tuple[int | None, str, str]] = [(index, "", card.content) for index, card in enumerate(self.cards)]
        places += [(None, name, getattr(self, name)) for name in ("text", *JSON_FIELDS)]
        texts = {(message, name): text for message, name, text in places}
        found = suspects_at(places)
        return [one for one in found if texts[one.message, one.field][one.start : one.end] not in known]

    def values(self) -> dict[str, JSON]:
        """The sample values for the preview; raises Invalid where they are no JSON object."""
        errors: list[FieldError] = []
        value = _json(self.sample, "sample", errors)
        if not errors and value is not None and not isinstance(value, dict):
            errors.append(FieldError("sample", "type", 'must be an object, such as {"city": "Bern"}'))
        if errors:
            raise Invalid("sample.invalid", "The sample values are not a JSON object.", errors=errors)
        return cast("dict[str, JSON]", value or {})

    def step(self, order: str) -> Typed:
        """The form after one of its buttons.

        Of cards `add`, `placeholder`, `up:1`, `down:1`, `copy:1`, `drop:1`; of variables `row`, `unrow:1`, `declare:city`; of
        panels `variables:json`, `variables:table`, `config:json`, `config:form`; of includes `newer:7:tone`.
        """
        verb, _, rest = order.partition(":")
        if verb in {"variables", "config"}:
            return self._turned(verb, rest)
        if verb == "newer":
            return self._with_newer(*rest.partition(":")[::2])
        if verb in {"row", "unrow", "declare"}:
            return self._with_rows(verb, rest)
        return replace(self, cards=_moved(self.cards, verb, rest))

    def _turned(self, panel: str, view: str) -> Typed:
        if panel == "variables":
            return replace(self, variables_view="json" if view == "json" else "table", rows=())
        return replace(self, config_view="json" if view == "json" else "form", model=None, mistakes=())

    def _with_rows(self, verb: str, rest: str) -> Typed:
        rows = list(self.rows)
        if verb == "unrow":
            at = int(rest) if rest.isdecimal() else len(rows)
            rows = [row for index, row in enumerate(rows) if index != at]
        else:
            rows.append(Row(name=rest))
        made = replace(self, rows=tuple(rows), variables_view="table")
        return replace(made, variables=schema_from(rows, self.variables), sample=sample_from(rows))

    def _with_newer(self, number: str, name: str) -> Typed:
        """Every include of that prompt by its number, at the newer number."""
        tag = re.compile(rf"(@@@langfusePrompt:name={re.escape(name)}\|version=)\d+(?=@@@)")

        def newer(text: str) -> str:
            return tag.sub(rf"\g<1>{number}", text) if number.isdecimal() else text

        cards = tuple(replace(card, content=newer(card.content)) for card in self.cards)
        return replace(self, text=newer(self.text), cards=cards)

    def refused(self, error: RegistryError) -> Typed:
        """The same form with what is wrong with it."""
        return replace(self, problems=problems_of(error))

    def to_json(self) -> dict[str, JSON]:
        """What a draft keeps."""
        kept = {name: value for name, value in asdict(self).items() if name not in {"problems", "mistakes"}}
        return cast("dict[str, JSON]", kept)


def read_form(kind: str, posted: Posted) -> Typed:
    """What a browser sent, as lists by field name. Browsers end lines of text areas with CR LF; the author meant LF."""

    def one(name: str) -> str:
        return _lines(posted.get(name, ("",))[-1])

    roles, shapes, contents = (posted.get(name, ()) for name in ("role", "shape", "content"))
    cards = tuple(
        Card(role=role.strip(), shape=shape if shape in SHAPES else "text", content=_lines(content))
        for role, shape, content in zip(roles, shapes, contents, strict=False)
    )
    based_on = one("based_on")
    typed = Typed(
        kind=kind,
        text=one("text"),
        cards=cards,
        template_format=one("template_format") or "jinja",
        variables=one("variables"),
        config=one("config"),
        tools=one("tools"),
        response_format=one("response_format"),
        sample=one("sample"),
        message=one("message"),
        based_on=int(based_on) if based_on.isdecimal() else None,
        variables_view=one("variables_view") or "json",
        config_view=one("config_view") or "json",
    )
    return _with_model(_with_table(typed, posted), posted)


def _with_table(typed: Typed, posted: Posted) -> Typed:
    """What the table of variables says, as the JSON it stands for."""
    if typed.variables_view != "table":
        return typed
    rows = read_rows(posted)
    base = _lines(posted.get("variables_base", ("",))[-1])
    return replace(typed, rows=rows, variables=schema_from(rows, base), sample=sample_from(rows))


def _with_model(typed: Typed, posted: Posted) -> Typed:
    """What the fields of the model say, as the JSON they stand for."""
    if typed.config_view != "form":
        return typed
    model = read_model(posted)
    config, mistakes = config_from(model)
    return replace(typed, model=model, config=config, mistakes=tuple(mistakes))


def from_content(kind: str, content: Mapping[str, JSON], *, based_on: int | None) -> Typed:
    """The form that stands for a version's content."""
    messages = content.get("messages")
    text = content.get("text")
    return Typed(
        kind=kind,
        text=text if isinstance(text, str) else "",
        cards=tuple(_card(cast("dict[str, JSON]", one)) for one in messages) if isinstance(messages, list) else (),
        template_format=str(content.get("template_format") or "jinja"),
        variables="" if is_worked_out(content.get("variables")) else pretty(content.get("variables")),
        config=pretty(content.get("config") or None),
        tools=pretty(content.get("tools")),
        response_format=pretty(content.get("response_format")),
        based_on=based_on,
    )


def from_draft(kind: str, text: str) -> Typed:
    """The form that a draft kept; drafts of other clients hold content fields."""
    kept = json.loads(text)
    if "cards" not in kept:
        return from_content(kind, kept, based_on=None)
    cards = tuple(
        Card(**{name: str(card.get(name, "")) for name in ("role", "shape", "content")}) for card in kept["cards"]
    )
    kept_on = kept.get("based_on")
    model = Model(**kept["model"]) if kept.get("model") else None
    return Typed(
        kind=kind,
        text=str(kept.get("text") or ""),
        cards=cards,
        template_format=str(kept.get("template_format") or "jinja"),
        variables=str(kept.get("variables") or ""),
        config=str(kept.get("config") or ""),
        tools=str(kept.get("tools") or ""),
        response_format=str(kept.get("response_format") or ""),
        sample=str(kept.get("sample") or ""),
        message=str(kept.get("message") or ""),
        based_on=kept_on if isinstance(kept_on, int) else None,
        variables_view=str(kept.get("variables_view") or "table"),
        config_view=str(kept.get("config_view") or "form"),
        rows=tuple(Row(**row) for row in kept.get("rows") or ()),
        model=model,
        mistakes=tuple(config_from(model)[1]) if model else (),
    )


def blank(kind: str) -> Typed:
    """The form of a prompt without versions."""
    cards = (Card(role="system"), Card(role="user")) if kind == "chat" else ()
    return Typed(kind=kind, cards=cards)


def is_worked_out(schema: JSON) -> bool:
    """True for the schema that is made of a template's names where the author declared none."""
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if not isinstance(properties, dict) or any(properties.values()):
        return False
    return set(schema) <= {"type", "properties", "required"} and schema.get("required") == list(properties)


def pretty(value: JSON) -> str:
    """JSON as a person writes it, keys in the author's order; nothing for None."""
    return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)


def _moved(cards: Sequence[Card], verb: str, number: str) -> tuple[Card, ...]:
    """The cards after one of their buttons; an unknown one changes nothing."""
    made = list(cards)
    at = int(number) if number.isdecimal() and int(number) < len(made) else None
    if verb == "add":
        made.append(Card(role="assistant" if made and made[-1].role == "user" else "user"))
    elif verb == "placeholder":
        made.append(Card(shape="placeholder", content="history"))
    elif at is not None and verb == "copy":
        made.insert(at + 1, made[at])
    elif at is not None and verb == "drop":
        del made[at]
    elif at is not None and verb in {"up", "down"}:
        to = min(max(at + (1 if verb == "down" else -1), 0), len(made) - 1)
        made.insert(to, made.pop(at))
    return tuple(made)


def _message(card: Card, index: int, errors: list[FieldError]) -> JSON:
    if card.is_placeholder:
        return {"type": "placeholder", "name": card.content.strip()}
    if card.shape == "parts":
        return {"role": card.role, "content": _json(card.content, f"messages[{index}].content", errors)}
    return {"role": card.role, "content": card.content}


def _card(message: Mapping[str, JSON]) -> Card:
    if message.get("type") == "placeholder":
        return Card(role="", shape="placeholder", content=str(message.get("name", "")))
    content = message.get("content")
    if isinstance(content, str):
        return Card(role=str(message.get("role", "")), content=content)
    return Card(role=str(message.get("role", "")), shape="parts", content=pretty(content))


def _json(text: str, name: str, errors: list[FieldError]) -> JSON:
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except InvalidJson as problem:
        errors.append(FieldError(name, "json", problem.message))
        return None


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n")


def stand_ins(schema: Mapping[str, JSON] | None) -> dict[str, JSON]:
    """A value for each declared variable, so that a preview shows where they go before anybody gave samples."""
    properties = (schema or {}).get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: _stand_in(name, about) for name, about in properties.items()}


def _stand_in(name: str, about: JSON) -> JSON:
    kind = about.get("type") if isinstance(about, dict) else None
    if isinstance(about, dict) and "default" in about:
        return about["default"]
    empty: dict[str, JSON] = {"array": [], "object": {}, "integer": 0, "number": 0, "boolean": False, "null": None}
    return empty.get(kind, f"\u2039{name}\u203a") if isinstance(kind, str) else f"\u2039{name}\u203a"


def variable_names(schema: Mapping[str, JSON] | None) -> list[str]:
    """The declared variables, in the order of the schema."""
    properties = (schema or {}).get("properties")
    return list(properties) if isinstance(properties, dict) else []
