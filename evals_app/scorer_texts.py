"""One scorer as the texts that are typed for it, by field, and back: what its kind declares decides both. Pure.

A flag is there as "1", entries of a list stand a line each, a value as in a cell of the table of cases (what reads as JSON
is JSON). A scorer that its fields cannot say in full stays the JSON that it is, so that looking at it loses nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Literal, cast

from evals_app.scorers import SCORERS, Scorer
from evals_app.scorers.options import Option
from evals_app.suite_cells import value_of
from registry.core.canonical import JSON, InvalidJson, parse_json

type Widget = Literal["text", "number", "area", "lines", "flag", "choice", "choices"]
type Typed = dict[str, str]

# Kinds whose value is a text whatever it looks like: the pattern [0] is no JSON list.
TEXTS = frozenset({"regex", "rubric", "canary"})
WORDS, NUMBERS = ("name", "group"), ("weight", "threshold")


def listed(text: str) -> list[JSON] | None:
    """The scorers of a text that was kept; None where it is no list."""
    if not text.strip():
        return []
    try:
        found = parse_json(text)
    except InvalidJson:
        return None
    return found if isinstance(found, list) else None


def same_scorers(first: str, second: str) -> bool:
    """Whether two texts list the same scorers, however they are written."""
    one, other = listed(first), listed(second)
    if one is None or other is None:
        return first == second
    return [written(typed(value)) for value in one] == [written(typed(value)) for value in other]


def typed(value: JSON) -> Typed | str:
    """A scorer as its fields, `o-…` those of its kind's options; its JSON text where they cannot say it."""
    as_it_is = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    if not isinstance(value, dict) or not isinstance(kind := value.get("kind"), str) or kind not in SCORERS:
        return as_it_is
    scorer, rest, fields = SCORERS[kind], dict(value), {"kind": kind}
    del rest["kind"]
    wanted = [*WORDS, "weight", *(() if scorer.is_raw else ("threshold",)), "negate"]
    given = {name: rest.pop(name) for name in wanted if name in rest}
    shown = [_general(name, one, fields) for name, one in given.items()]
    for option in scorer.options:
        if option.name in rest:
            shown.append(_option(option, rest.pop(option.name), fields))
    if scorer.target != "nothing" and "value" in rest:
        shown.append(_target(kind, rest.pop("value"), fields))
    return fields if all(shown) and not rest else as_it_is


def written(fields: Typed | str) -> JSON:
    """Fields as a scorer is kept, without what is left at its default: numbers as numbers, and what is none as typed."""
    if isinstance(fields, str):
        return parsed(fields)
    scorer = SCORERS[fields["kind"]]
    found: dict[str, JSON] = {"kind": scorer.kind}
    found |= {name: fields[name] for name in WORDS if fields.get(name)}
    found |= {"weight": _number(fields["weight"])} if fields.get("weight", "1") not in {"1", ""} else {}
    found |= {"threshold": _number(fields["threshold"])} if fields.get("threshold") and not scorer.is_raw else {}
    found |= {"negate": True} if fields.get("negate") else {}
    options = {option.name: _option_value(option, fields.get(f"o-{option.name}", "")) for option in scorer.options}
    found |= {name: one for name, one in options.items() if one is not None}
    if scorer.target != "nothing" and (text := fields.get("value")):
        found["value"] = text if scorer.kind in TEXTS else value_of(text)
    return found


def parsed(text: str) -> JSON:
    """JSON, or the text itself where it is none: it is kept as it was typed."""
    try:
        return parse_json(text)
    except InvalidJson:
        return text


def widget(option: Option[Any]) -> Widget:
    """How a member of a kind is asked for."""
    kind = option.schema.get("type")
    if kind == "boolean":
        return "flag"
    if kind == "array":
        return "choices" if words(option) else "lines"
    if kind in {"integer", "number"}:
        return "number"
    return "choice" if words(option) else "text"


def words(option: Option[Any]) -> list[str]:
    """The words that an option, or each entry of its list, is one of; none where any text will do."""
    schema = option.schema.get("items") if option.schema.get("type") == "array" else option.schema
    return cast("list[str]", schema.get("enum", [])) if isinstance(schema, Mapping) else []


def usual_threshold(scorer: Scorer) -> float:
    """The threshold of a scorer that names none."""
    best = scorer.range[1 if scorer.higher_is_better else 0]
    return best if scorer.default_threshold is None else scorer.default_threshold


def number_text(value: object) -> str:
    """A number as it is typed: whole ones without a point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def _general(name: str, value: JSON, fields: Typed) -> bool:
    """Takes a member that every kind has; False where its field cannot show it."""
    if name == "negate":
        fields |= {name: "1"} if value is True else {}
        return isinstance(value, bool)
    fields[name] = number_text(value)
    return _is_line(value) if name in WORDS else _is_amount(value)


def _option(option: Option[Any], value: JSON, fields: Typed) -> bool:
    """Takes a member of the kind's own; False where its field cannot show it."""
    key, kind, known = f"o-{option.name}", widget(option), words(option)
    if kind == "flag":
        fields |= {key: "1"} if value is True else {}
        return isinstance(value, bool)
    if kind in {"lines", "choices"}:
        entries = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
        if entries != value or not all(map(_is_line, entries)):
            return False
        fields[key] = "\n".join([word for word in known if word in entries] if known else entries)
        return kind == "lines" or set(entries) <= set(known)
    fields[key] = number_text(value)
    if kind == "number":
        return _is_amount(value)
    return _is_line(value) and (kind == "text" or value in known)


def _target(kind: str, value: JSON, fields: Typed) -> bool:
    if kind in TEXTS:
        fields["value"] = str(value)
        return isinstance(value, str) and value != "" and "\r" not in value
    is_plain = isinstance(value, str) and value != "" and "\r" not in value and value_of(value) == value
    text = str(value) if is_plain else json.dumps(value, ensure_ascii=False)
    is_long = not isinstance(value, str) and len(text) > 60
    fields["value"] = json.dumps(value, ensure_ascii=False, indent=2) if is_long else text
    return True


def _is_line(value: JSON) -> bool:
    return isinstance(value, str) and value != "" and value == value.strip() and value.isprintable()


def _is_amount(value: JSON) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""


def _option_value(option: Option[Any], text: str) -> JSON:
    """None where nothing is filled in, or what holds anyway."""
    kind, text = widget(option), text.strip()
    if kind == "flag":
        return True if text else None
    if kind in {"lines", "choices"}:
        return [line.strip() for line in text.split("\n") if line.strip()] or None
    if not text or (kind == "choice" and text == option.default):
        return None
    return _number(text) if kind == "number" else text


def _number(text: str) -> JSON:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return text
    return text if not math.isfinite(number) else int(number) if number.is_integer() else number
