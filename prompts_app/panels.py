"""The editor's side panels as forms: variables as rows over a JSON Schema, the model's settings as fields over `config`. Pure.

What a form cannot show of the JSON stays as it is: what nobody touched comes out as it went in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError

type Posted = Mapping[str, Sequence[str]]

KINDS = ("", "string", "integer", "number", "boolean", "array", "object")
PLACEHOLDER = "messages"


@dataclass(frozen=True)
class Row:
    """One variable as typed. `kind` is a JSON type, "" for any, or the JSON text of another `type`.

    `origin`: the name it has in the schema it came from, "" for a new one. `is_used` False: the text does not mention it.
    """

    name: str = ""
    kind: str = ""
    required: bool = True
    description: str = ""
    sample: str = ""
    origin: str = ""
    is_declared: bool = True
    is_used: bool = True
    more: str = ""

    @property
    def is_placeholder(self) -> bool:
        """True for the caller's own messages: nothing that a schema declares."""
        return self.kind == PLACEHOLDER


@dataclass(frozen=True)
class Model:
    """The settings that have fields of their own, as typed; `more` is the JSON of all others, `base` what they came from."""

    provider: str = ""
    model: str = ""
    temperature: str = ""
    top_p: str = ""
    max_tokens: str = ""
    more: str = ""
    base: str = ""

    @property
    def asked(self) -> str:
        """Provider and model as one choice; empty where the workspace's default is asked."""
        return f"{self.provider}/{self.model}" if self.provider or self.model else ""


FIELDS = ("provider", "model", "temperature", "top_p", "max_tokens")
NUMBERS: dict[str, tuple[type, ...]] = {"temperature": (float, int), "top_p": (float, int), "max_tokens": (int,)}


def rows_of(
    schema: str, sample: str, used: Sequence[str] | None, placeholders: Sequence[str]
) -> tuple[Row, ...] | None:
    """The rows that stand for a schema as typed; None where it says what rows cannot (no object of objects, or no JSON).

    Without a schema there is a row for each name that is `used`, which declares nothing; None: not known, as the text is broken.
    """
    values = _object(sample)
    if values is None:
        return None
    if not schema.strip():
        rows = [Row(name, sample=shown(values.get(name)), is_declared=False) for name in used or ()]
        return (*rows, *_placeholders(placeholders, values))
    declared = _object(schema)
    if not declared:
        return None
    properties, required = declared.get("properties", {}), declared.get("required", [])
    if not isinstance(properties, dict) or not isinstance(required, list):
        return None
    if not all(isinstance(about, dict) for about in properties.values()):
        return None
    rows = [
        _row(name, cast("dict[str, JSON]", about), name in required, values, used) for name, about in properties.items()
    ]
    return (*rows, *_placeholders(placeholders, values))


def with_names(rows: Sequence[Row], used: Sequence[str], placeholders: Sequence[str]) -> tuple[Row, ...]:
    """The same rows kept in step with the text: as long as nothing is declared, a row for each name that it uses."""
    kept = [row for row in rows if not row.is_placeholder]
    if not any(row.is_declared for row in kept):
        by_name = {row.name: row for row in kept}
        kept = [by_name.get(name, Row(name, is_declared=False)) for name in used]
    kept = [replace(row, is_used=not row.is_declared or not row.name or row.name in used) for row in kept]
    samples = {row.name: row for row in rows if row.is_placeholder}
    return (*kept, *(samples.get(name, Row(name, PLACEHOLDER, required=False)) for name in placeholders))


def read_rows(posted: Posted) -> tuple[Row, ...]:
    """The rows as a browser sent them: `v_name`, `v_kind` and so on, one of each for every row."""
    columns = ("v_name", "v_kind", "v_required", "v_description", "v_sample", "v_origin", "v_declared")
    lists = [posted.get(column, ()) for column in columns]
    return tuple(
        Row(
            name=name.strip(),
            kind=kind,
            required=required != "optional",
            description=description,
            sample=sample.replace("\r\n", "\n"),
            origin=origin,
            is_declared=declared == "1",
        )
        for name, kind, required, description, sample, origin, declared in zip(*lists, strict=False)
    )


def schema_from(rows: Iterable[Row], base: str) -> str:
    """The schema that rows stand for, over the one they came from; empty where none of them declares anything."""
    kept = [row for row in rows if row.name and not row.is_placeholder]
    if not any(is_said(row) for row in kept):
        return ""
    before = _object(base) or {}
    old = before.get("properties")
    known = old if isinstance(old, dict) else {}
    properties: dict[str, JSON] = {row.name: _about(row, known.get(row.origin)) for row in kept}
    schema: dict[str, JSON] = {**before} if before else {"type": "object"}
    schema["properties"] = properties
    required = _required(kept, before.get("required"), known)
    if required or "required" in before:
        schema["required"] = required
    return json.dumps(schema, indent=2, ensure_ascii=False)


def is_said(row: Row) -> bool:
    """Whether a row says more than that the text uses its name."""
    return row.is_declared or bool(row.kind or row.description or not row.required)


def sample_from(rows: Iterable[Row]) -> str:
    """The sample values of rows as a JSON object; empty where there are none."""
    values = {row.name: read_value(row.sample, row.kind) for row in rows if row.name and row.sample.strip()}
    return json.dumps(values, indent=2, ensure_ascii=False) if values else ""


def read_value(text: str, kind: str) -> JSON:
    """A value as a person types it: a string stays one, whatever else reads as JSON is that, anything else a text."""
    if kind == "string":
        return "" if text.strip() == '""' else text
    try:
        return parse_json(text)
    except InvalidJson:
        return text


def shown(value: JSON, kind: str = "") -> str:
    """A value as `read_value` takes it for that kind: a text that would read as something else stands in quotes."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value if value and read_value(value, kind) == value else json.dumps(value, ensure_ascii=False)


def model_of(config: str) -> Model | None:
    """The fields that stand for `config` as typed; None where it is no JSON object or a field's value has another shape."""
    settings = _object(config)
    if settings is None:
        return None
    values: dict[str, str] = {}
    for name in FIELDS:
        value = settings.get(name)
        wanted = NUMBERS.get(name, (str,))
        if value is not None and (isinstance(value, bool) or not isinstance(value, wanted)):
            return None
        values[name] = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    more = {name: value for name, value in settings.items() if name not in FIELDS}
    return Model(**values, more=json.dumps(more, indent=2, ensure_ascii=False) if more else "", base=config)


def read_model(posted: Posted) -> Model:
    """The fields as a browser sent them: `c_temperature` and so on; `c_asked` is `provider/model`, either may be empty."""

    def one(name: str) -> str:
        return posted.get(f"c_{name}", ("",))[-1].replace("\r\n", "\n")

    provider, _, model = one("asked").partition("/")
    numbers = {name: one(name).strip() for name in NUMBERS}
    return Model(provider=provider, model=model, **numbers, more=one("more"), base=one("base"))


def config_from(model: Model) -> tuple[str, list[FieldError]]:
    """`config` as the fields say it, in the order it had, and what of them cannot be read."""
    errors: list[FieldError] = []
    more = _object(model.more)
    if more is None:
        errors.append(FieldError("config", "json", "the further settings must be a JSON object"))
    settings: dict[str, JSON] = {}
    for name in FIELDS:
        if text := getattr(model, name):
            settings[name] = _setting(name, text, errors)
    settings |= {name: value for name, value in (more or {}).items() if name not in settings}
    before = _object(model.base) or {}
    ordered = {name: settings[name] for name in before if name in settings} | settings
    return json.dumps(ordered, indent=2, ensure_ascii=False) if ordered else "", errors


def _setting(name: str, text: str, errors: list[FieldError]) -> JSON:
    if name not in NUMBERS:
        return text
    try:
        value = parse_json(text)
    except InvalidJson:
        value = None
    if isinstance(value, bool) or not isinstance(value, NUMBERS[name]):
        kind = "a whole number" if NUMBERS[name] == (int,) else "a number"
        errors.append(FieldError("config", "type", f"{name.replace('_', ' ')} must be {kind}"))
        return text
    return value


def _row(
    name: str, about: dict[str, JSON], required: bool, values: Mapping[str, JSON], used: Sequence[str] | None
) -> Row:
    kind, description = about.get("type", ""), about.get("description", "")
    more = [key for key in about if key not in {"type", "description"}]
    return Row(
        name=name,
        kind=kind if isinstance(kind, str) else json.dumps(kind),
        required=required,
        description=description if isinstance(description, str) else "",
        sample=shown(values.get(name), kind if isinstance(kind, str) else ""),
        origin=name,
        is_used=used is None or name in used,
        more=", ".join(more),
    )


def _about(row: Row, base: JSON) -> JSON:
    about: dict[str, JSON] = {**base} if isinstance(base, dict) else {}
    for key, value in (("type", _kind(row.kind)), ("description", row.description)):
        if value:
            about[key] = value
        else:
            about.pop(key, None)
    return about


def _kind(text: str) -> JSON:
    """A JSON type, or the list of them that a schema had."""
    if not text.startswith("["):
        return text
    try:
        return parse_json(text)
    except InvalidJson:
        return text


def _required(rows: Sequence[Row], before: JSON, known: Mapping[str, JSON]) -> list[JSON]:
    """The required names in the order they had, new ones behind them; those that are no property stay."""
    wanted = [row.name for row in rows if row.required]
    renamed = {row.origin: row.name for row in rows if row.origin}
    old = [name for name in before if isinstance(name, str)] if isinstance(before, list) else []
    kept = [renamed.get(name, name) for name in old if renamed.get(name) in wanted or name not in known]
    return list(dict.fromkeys([*kept, *wanted]))


def _placeholders(names: Sequence[str], values: Mapping[str, JSON]) -> Iterable[Row]:
    return (Row(name, PLACEHOLDER, required=False, sample=shown(values.get(name))) for name in names)


def _object(text: str) -> dict[str, JSON] | None:
    """A JSON object as typed; {} for nothing, None for what is none."""
    if not text.strip():
        return {}
    try:
        value = parse_json(text)
    except InvalidJson:
        return None
    return value if isinstance(value, dict) else None
