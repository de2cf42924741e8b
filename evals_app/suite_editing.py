"""A suite's form as a plain value: what was typed of its rules, what its page posted, where its mistakes stand. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from evals_app.metric_rows import filled, posted_rows, typed_rows
from evals_app.scorer_rows import posted_scorers
from evals_app.scorer_texts import same_scorers
from evals_app.suite_cells import BROKEN, MOST_COLUMNS, Cells, TypedPage, TypedRow
from evals_app.suite_content import SuiteContent
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid
from registry.core.fields import refuse_mistakes

NUMBERS, WHOLE, JSONS = ("margin", "first_floor", "alpha"), ("repeats", "looks"), ("scorers", "config")
OTHERS = "more_rules"
# Rules that a suite need not have: an empty field, or the usual choice, leaves them out.
OPTIONAL_NUMBERS, METRICS, SUPERIOR_ON = ("floor", "least_gain"), "metrics", "superior_on"
RULES = ("scorers", "mode", *NUMBERS, *WHOLE, "config", *OPTIONAL_NUMBERS, METRICS, SUPERIOR_ON, OTHERS)
FIRST_RULES: Mapping[str, JSON] = {"scorers": [{"kind": "equals"}]}
CASE = re.compile(r"cases\[(\d+)\]\.?(.*)", re.DOTALL)

type Posted = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class RowMistake:
    """What is wrong with one case: its place among those given, the path of the field, what to do."""

    index: int
    field: str
    message: str

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.field} {self.message}" if self.field else f"it {self.message}"


def read_page(posted: Posted) -> TypedPage:
    """What a browser sent of the editor, as lists by field name; raises Invalid where the lists do not fit together.

    Browsers end the lines of text areas with CR LF; the author meant LF.
    """
    names = tuple(posted.get("name", ()))[:MOST_COLUMNS]
    rows = [int(text) for text in posted.get("row", ()) if text.isascii() and text.isdecimal() and len(text) < 9]
    lists = {name: list(posted.get(name, ())) for name in ("seen", "key", "expected", "tags", "cluster", BROKEN)}
    variables = [list(posted.get(f"v{index}", ())) for index in range(len(names))]
    if any(len(values) != len(rows) for values in (*lists.values(), *variables)):
        raise Invalid("form.broken", "The page came back incomplete: go back, copy what you typed, and load it again.")
    critical = set(posted.get("critical", ()))
    typed = tuple(
        TypedRow(
            row,
            lists["seen"][index],
            Cells(
                key=_lines(lists["key"][index]),
                variables=tuple(_lines(values[index]) for values in variables),
                expected=_lines(lists["expected"][index]),
                tags=_lines(lists["tags"][index]),
                critical=str(row) in critical,
                cluster=_lines(lists["cluster"][index]),
                more=_lines(lists[BROKEN][index]),
            ),
        )
        for index, row in enumerate(rows)
    )
    rules = {name: _lines(posted[name][-1]) for name in RULES if posted.get(name)}
    if (metrics := posted_rows(posted)) is not None:
        rules[METRICS] = _lines(metrics)
    if (scorers := posted_scorers(posted)) is not None:
        rules["scorers"] = scorers
    based_on = (posted.get("based_on") or ("",))[-1]
    return TypedPage(names, typed, rules, int(based_on) if based_on.isdecimal() and len(based_on) < 9 else 0)


def typed_rules(rules: Mapping[str, JSON]) -> dict[str, str]:
    """The rules of a version as they are edited; those without a field of their own together as one JSON object."""
    known = {**SuiteContent((), ()).rules_to_json(), **rules}
    typed = {name: as_json_text(known.pop(name)) for name in JSONS}
    typed |= {name: f"{known.pop(name)}" for name in ("mode", *NUMBERS, *WHOLE)}
    typed |= {name: "" if (value := known.pop(name, None)) is None else f"{value}" for name in OPTIONAL_NUMBERS}
    typed |= {METRICS: as_json_text(known.pop(METRICS, None)), SUPERIOR_ON: f"{known.pop(SUPERIOR_ON, 'all')}"}
    usual = SuiteContent((), ()).rules_to_json()
    others = {name: value for name, value in known.items() if name not in usual or usual[name] != value}
    return typed | {OTHERS: as_json_text(others or None)}


def says_same(name: str, first: str, second: str) -> bool:
    """Whether a rule means the same, typed in one way or another: metrics and scorers come back from their forms so."""
    if name == "scorers":
        return same_scorers(first, second)
    if name == METRICS and (rows := typed_rows(first)) is not None:
        return rows == typed_rows(second)
    return first == second


def read_rules(typed: Mapping[str, str]) -> dict[str, JSON]:
    """What is typed of the rules, as the API takes it; raises Invalid naming each field that cannot be read."""
    errors: list[FieldError] = []
    rules: dict[str, JSON] = {"mode": typed.get("mode", "")} if typed.get("mode") else {}
    rules |= {SUPERIOR_ON: typed[SUPERIOR_ON]} if typed.get(SUPERIOR_ON, "all") not in {"", "all"} else {}
    for name in (*NUMBERS, *WHOLE, *OPTIONAL_NUMBERS):
        if (text := typed.get(name, "").strip()) != "":
            rules[name] = _number(text, name, errors)
    scorers, config = (_json(typed.get(name, ""), name, errors) for name in JSONS)
    metrics = filled(_json(typed.get(METRICS, ""), METRICS, errors))
    rules |= {} if metrics is None else {METRICS: metrics}
    others = _json(typed.get(OTHERS, ""), OTHERS, errors)
    if others is not None and not isinstance(others, dict):
        errors.append(FieldError(OTHERS, "type", "This must be a JSON object."))
    refuse_mistakes("suite.invalid", "Some rules cannot be read: see the fields named.", errors)
    return (others if isinstance(others, dict) else {}) | {"scorers": scorers or [], "config": config} | rules


def rules_as_read(typed: Mapping[str, str]) -> dict[str, JSON]:
    """The same, acceptable or not: what cannot be read stays the text that was typed."""
    found: dict[str, JSON] = {}
    for name in RULES:
        text = typed.get(name, "")
        if not text.strip():
            continue
        errors: list[FieldError] = []
        if name in {"mode", SUPERIOR_ON}:
            value: JSON = text
        elif name in {*NUMBERS, *WHOLE, *OPTIONAL_NUMBERS}:
            value = _number(text, name, errors)
        else:
            value = _json(text, name, errors)
        value = text if errors else value
        found |= value if name == OTHERS and isinstance(value, dict) else {name: value}
    return found


def broken_rows(cases: Sequence[Mapping[str, JSON]]) -> list[FieldError]:
    """The rows whose further fields are no JSON object."""
    return [
        FieldError(f"cases[{index}].{BROKEN}", "json", _why_broken(case[BROKEN]))
        for index, case in enumerate(cases)
        if BROKEN in case
    ]


def is_blank(case: Mapping[str, JSON]) -> bool:
    """Whether nobody has filled in anything of a row."""
    return not case.get("variables") and not case.keys() - {"variables"}


def with_keys(cases: Sequence[Mapping[str, JSON]]) -> list[dict[str, JSON]]:
    """The cases, those without a key called by their number in the suite, or by the next one that is free."""
    taken = {key for case in cases if isinstance(key := case.get("key"), str)}
    named = []
    for place, case in enumerate(cases, 1):
        key = case.get("key")
        if key is None or key == "":
            key = next(name for number in count(place) if (name := f"case-{number}") not in taken)
            taken.add(key)
        named.append({**case, "key": key})
    return named


def case_mistakes(refused: Invalid) -> tuple[RowMistake, ...]:
    """What a refusal says of the cases."""
    found = [(CASE.fullmatch(error.field), error.message) for error in refused.errors]
    return tuple(RowMistake(int(match[1]), match[2], message) for match, message in found if match)


def is_of_case(error: FieldError) -> bool:
    """Whether a mistake stands in a case, and not in a rule."""
    return CASE.fullmatch(error.field) is not None


def rule_mistakes(refused: Invalid) -> Invalid:
    """The same refusal, its mistakes at the fields of the form."""
    errors = [_placed(error) for error in refused.errors]
    return Invalid(refused.code, refused.detail, errors=errors)


def as_json_text(value: JSON) -> str:
    """A value as it is edited; nothing for null."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)


def _placed(error: FieldError) -> FieldError:
    top = re.match(r"\w*", error.field)
    name = top[0] if top else ""
    if name in RULES:
        return error if error.field == name else FieldError(name, error.code, f"{error.field} {error.message}")
    return FieldError(OTHERS, error.code, f"{error.field} {error.message}".strip())


def _number(text: str, name: str, errors: list[FieldError]) -> JSON:
    try:
        return int(text) if name in WHOLE else float(text.replace(",", "."))
    except ValueError:
        example = "3" if name in WHOLE else "0.05"
        errors.append(FieldError(name, "type", f"“{text[:40]}” is no number such as {example}."))
        return None


def _json(text: str, name: str, errors: list[FieldError]) -> JSON:
    if not text.strip():
        return None
    try:
        return parse_json(text)
    except InvalidJson as problem:
        errors.append(FieldError(name, "json", f"This is not JSON: {problem.message}"))
        return None


def _why_broken(text: JSON) -> str:
    try:
        parse_json(str(text))
    except InvalidJson as problem:
        return f"fields are not JSON: {problem.message}"
    return 'fields must be a JSON object, such as {"messages": [{"role": "user", "content": "Hello"}]}'


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\0", "")
