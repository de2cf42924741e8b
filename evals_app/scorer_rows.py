"""A suite's scorers as forms: the fields of each, what they say and what is wrong with them, and what a browser sent. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evals_app.scorer_texts import (
    NUMBERS,
    WORDS,
    Typed,
    Widget,
    listed,
    number_text,
    parsed,
    typed,
    usual_threshold,
    widget,
    words,
    written,
)
from evals_app.scorers import SCORERS, Scored, Scorer
from evals_app.scorers.options import Option
from evals_app.scorers.spec import MOST_SCORERS
from registry.core.canonical import JSON
from registry.core.errors import FieldError

# Comes once for each scorer of the form, and once more, empty, so that a form without any is told from none.
MARKER = "scorer"
PLACE = re.compile(r"scorers\[(\d+)\]\.?(\w*)(.*)", re.DOTALL)
FIRST_KIND = "contains"
ABBREVIATED = {
    "icontains": "contains, in any case", "json": "JSON", "xml": "XML", "html": "HTML", "jsonpath": "JSONPath", "pii": "PII", "bleu": "BLEU", "gleu": "GLEU",
    "rouge": "ROUGE", "l": "L", "n": "N",
}  # fmt: skip
JUDGED_BY = ("judge", "provider", "model")

type Posted = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Choice:
    """One of the words that a field offers."""

    value: str
    is_chosen: bool


@dataclass(frozen=True)
class ScorerField:
    """One field of a scorer's form: `id` is its name in the form too, `value` what is typed, `blank` what holds without."""

    id: str
    label: str
    help: str
    widget: Widget
    value: str = ""
    blank: str = ""
    is_required: bool = False
    choices: tuple[Choice, ...] = ()
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScorerRow:
    """One scorer as the form shows it; `text` is its JSON where its fields cannot say it, else None.

    `more` are fields that most leave as they are. `mistakes` are those of no field, `said` what it says of a tried output.
    """

    index: int
    name: str
    kind: str = ""
    about: str = ""
    fields: tuple[ScorerField, ...] = ()
    more: tuple[ScorerField, ...] = ()
    text: str | None = None
    mistakes: tuple[str, ...] = ()
    said: Scored | None = None

    @property
    def is_more_used(self) -> bool:
        """Whether anything is filled in among the fields that most leave as they are."""
        return any(one.mistakes or (one.value and one.value != one.blank) for one in self.more)

    @property
    def is_graded(self) -> bool:
        """Whether a model is asked."""
        return self.kind in SCORERS and SCORERS[self.kind].is_graded


@dataclass(frozen=True)
class ScorerSheet:
    """The scorers of the form. `rows` is None for a text that is no list: it is edited as it is."""

    rows: tuple[ScorerRow, ...] | None
    is_full: bool = False
    left_over: tuple[FieldError, ...] = ()

    @property
    def has_mistakes(self) -> bool:
        """Whether anything is marked in a row."""
        rows = self.rows or ()
        return any(row.mistakes or any(one.mistakes for one in (*row.fields, *row.more)) for row in rows)


def posted_scorers(posted: Posted) -> str | None:
    """What a browser sent of the forms, as the text that is kept; None where it sent none.

    `step` may add one, take one out, move one, or show the fields of another kind.
    """
    if not posted.get(MARKER):
        return None
    places = [text for text in posted[MARKER] if text.isascii() and text.isdecimal() and len(text) < 4]
    scorers = [_posted(posted, f"scorer-{place}") for place in places]
    step, _, place = (posted.get("step") or ("",))[-1].partition(":")
    at = places.index(place) if place in places else -1
    if step == "scorer-add" and len(scorers) < MOST_SCORERS:
        kind = (posted.get("scorer_kind") or ("",))[-1]
        scorers.append({"kind": kind if kind in SCORERS else FIRST_KIND})
    elif step == "scorer-drop" and at >= 0:
        del scorers[at]
    elif step in {"scorer-up", "scorer-down"} and at >= 0:
        to = min(max(at + (1 if step == "scorer-down" else -1), 0), len(scorers) - 1)
        scorers.insert(to, scorers.pop(at))
    return json.dumps(scorers, ensure_ascii=False, indent=2) if scorers else ""


def scorer_sheet(
    text: str, errors: Sequence[FieldError] = (), *, said: Mapping[int, Scored] | None = None
) -> ScorerSheet:
    """What the form shows of the scorers, each mistake at its field; those of no scorer are left over."""
    found = listed(text)
    if found is None:
        return ScorerSheet(None, left_over=tuple(errors))
    placed: dict[int, list[tuple[str, str]]] = {}
    left_over = []
    for error in errors:
        match = PLACE.fullmatch(error.field)
        if match is None or int(match[1]) >= len(found):
            left_over.append(error)
        else:
            text = f"{match[2]}{match[3]} {error.message}" if match[3] else error.message
            placed.setdefault(int(match[1]), []).append((match[2], text[:1].upper() + text[1:]))
    rows = [_row(index, value, placed.get(index, [])) for index, value in enumerate(found)]
    shown = tuple(replace(row, said=(said or {}).get(row.index)) for row in rows)
    return ScorerSheet(shown, len(rows) >= MOST_SCORERS, tuple(left_over))


def _posted(posted: Posted, begin: str) -> JSON:
    """One scorer as it was posted. Members that another kind than before does not have are left out."""

    def last(name: str) -> str:
        return (posted.get(f"{begin}-{name}") or ("",))[-1].replace("\r\n", "\n").replace("\0", "")

    if f"{begin}-json" in posted:
        return parsed(last("json"))
    kind = last("kind")
    if kind not in SCORERS:
        return {"kind": kind}
    fields: Typed = {"kind": kind, "value": last("value"), "negate": last("negate")}
    fields |= {name: last(name).strip() for name in (*WORDS, *NUMBERS)}
    fields |= {"name": ""} if fields["name"] == last("was") != kind else {}
    before = SCORERS.get(last("was"), SCORERS[kind])
    for option in SCORERS[kind].options:
        if option not in before.options:
            continue  # milliseconds at most are not words at most
        name = f"o-{option.name}"
        many = "\n".join(text for text in posted.get(f"{begin}-{name}", ()) if text in words(option))
        fields[name] = many if widget(option) == "choices" else last(name)
    return written(fields)


def _row(index: int, value: JSON, mistakes: Sequence[tuple[str, str]]) -> ScorerRow:
    begin, fields = f"scorer-{index}", typed(value)
    if isinstance(fields, str):
        name = value.get("name", value.get("kind")) if isinstance(value, dict) else None
        said = tuple(f"{field}: {text}" if field else text for field, text in mistakes)
        return ScorerRow(index, name if isinstance(name, str) else "", text=fields, mistakes=said)
    scorer = SCORERS[fields["kind"]]
    own = [_option_field(begin, option, fields) for option in scorer.options]
    judge = [one for one in own if scorer.is_graded and one.id.removeprefix(f"{begin}-o-") in JUDGED_BY]
    first = [one for one in own if one.is_required]
    shown = [*first, *_value_field(begin, scorer, fields), *(one for one in own if one not in (*first, *judge))]
    shown += _threshold_field(begin, scorer, fields)
    more = [*_general_fields(begin, fields), *judge]
    placed: dict[str, list[str]] = {}
    for name, text in mistakes:
        is_own = any(option.name == name for option in scorer.options)
        placed.setdefault(f"{begin}-o-{name}" if is_own else f"{begin}-{name}", []).append(text)
    known = {one.id for one in (*shown, *more)}
    return ScorerRow(
        index=index,
        name=fields.get("name", scorer.kind),
        kind=scorer.kind,
        about=quoted(scorer.about),
        fields=tuple(replace(one, mistakes=tuple(placed.get(one.id, ()))) for one in shown),
        more=tuple(replace(one, mistakes=tuple(placed.get(one.id, ()))) for one in more),
        mistakes=tuple(text for place, texts in placed.items() if place not in known for text in texts),
    )


def _value_field(begin: str, scorer: Scorer, fields: Typed) -> list[ScorerField]:
    if scorer.target == "nothing":
        return []
    label = "Compared with" if scorer.target == "value or expected" else "Value"
    left_out = {"value or expected": "Empty: with what each case expects. ", "optional value": "May be empty. "}
    about = "Variables of the case may stand in it, as in a prompt: {{ city }}."
    help_text = left_out.get(scorer.target, "") + about
    is_required = scorer.target == "value"
    return [ScorerField(f"{begin}-value", label, help_text, "area", fields.get("value", ""), is_required=is_required)]


def _option_field(begin: str, option: Option[Any], fields: Typed) -> ScorerField:
    kind, value = widget(option), fields.get(f"o-{option.name}", "")
    has_default = not option.is_required and isinstance(option.default, str | int | float)
    blank = number_text(option.default) if has_default and kind != "flag" else ""
    chosen = set(value.split("\n")) if kind == "choices" else {value or blank}
    return ScorerField(
        id=f"{begin}-o-{option.name}",
        label=label_of(option.name),
        help=quoted(str(option.schema.get("description", ""))),
        widget=kind,
        value=value,
        blank=blank,
        is_required=option.is_required,
        choices=tuple(Choice(word, word in chosen) for word in words(option)),
    )


def _threshold_field(begin: str, scorer: Scorer, fields: Typed) -> list[ScorerField]:
    """Where there is something to choose between the ends of the range, or somebody chose."""
    if scorer.is_raw or (scorer.is_binary and "threshold" not in fields):
        return []
    direction = "From which value on it passes" if scorer.higher_is_better else "Up to which value it passes"
    about = f"{direction}: {scorer.range[0]:g} to {scorer.range[1]:g}."
    value, blank = fields.get("threshold", ""), f"{usual_threshold(scorer):g}"
    return [ScorerField(f"{begin}-threshold", "Threshold", about, "number", value, blank)]


def _general_fields(begin: str, fields: Typed) -> list[ScorerField]:
    told: list[tuple[str, str, Widget, str]] = [
        ("negate", "It passes where it would not, and the other way round.", "flag", ""),
        ("weight", "How much it counts in a weighted mean; 0 only reports it.", "number", "1"),
        ("name", "Tells two of a kind apart, and names what is judged besides.", "text", fields["kind"]),
        ("group", "One of the suite's groups: those in it count as one.", "text", ""),
    ]
    return [
        ScorerField(f"{begin}-{name}", label_of(name), about, kind, fields.get(name, ""), blank)
        for name, about, kind, blank in told
    ]


def quoted(text: str) -> str:
    """What stands between backticks in quotation marks: a page has no other mark for it."""
    return re.sub("`([^`]*)`", "“\\1”", text)


def label_of(name: str) -> str:
    """A name of the API in words: `json_schema` as `JSON schema`."""
    text = " ".join(ABBREVIATED.get(word, word) for word in name.split("_"))
    return text[:1].upper() + text[1:]
