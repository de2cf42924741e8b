"""The output is XML, or has XML or HTML in it."""

import re
from typing import ClassVar

from evals_app.scorers.markup import elements_in, has_path, not_well_formed, paths_of
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
    excerpt,
    refuse_longer,
)
from registry.core.canonical import JSON
from registry.core.errors import FieldError

LONGEST = 200_000
ENOUGH = 2  # signs of HTML
_NAME = "[a-zA-Z][a-zA-Z0-9-]*"
_OPENING, _CLOSING = re.compile(rf"<{_NAME}(?:\s[^>]*)?>"), re.compile(rf"</{_NAME}\s*>")
_SELF_CLOSING = re.compile(rf"<{_NAME}(?=\s|/\Z)")
_ENTITY = re.compile(r"&(?:[a-zA-Z]+|#[0-9]+|#x[0-9a-fA-F]+);")
_DOCTYPE = re.compile(r"<!DOCTYPE\s+html", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\s[a-zA-Z-]+=\s*["'][^"']*["']""")
_KNOWN = re.compile(
    r"<(html|head|body|div|span|p|a|img|h[1-6]|ul|ol|li|table|tr|td|th|form|input|button|script|style|link|meta|br|hr)\b",
    re.IGNORECASE | re.ASCII,
)


class _Xml(Scorer):
    """`value` are paths of elements that must be there, such as `order.item`, as a list or a text with commas."""

    family: ClassVar[Family] = "structure"
    target: ClassVar[Target] = "optional value"

    def mistake(self, spec: ScorerSpec) -> FieldError | None:
        value = spec.value
        is_sound = isinstance(value, str) or (
            isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        )
        if spec.has_value and value is not None and not is_sound:
            return FieldError("value", "type", "must be paths of elements: a list of texts, or a text with commas")
        return None

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        refuse_longer(output.text, LONGEST, "be read as XML")
        why = self._lacks(output.text, paths_of(target))
        return Score(float(not why), not why, why or "The XML is there, with all that is asked for.")

    def _lacks(self, text: str, paths: list[str]) -> str:
        raise NotImplementedError


class IsXml(_Xml):
    """A document as XML 1.0 and its namespaces ask; one that brings a DTD of its own is refused, none is ever fetched."""

    kind: ClassVar[str] = "is_xml"
    about: ClassVar[str] = "the whole output is well-formed XML; with paths as `value`, it has these elements"
    example: ClassVar[Example] = Example(
        {"kind": "is_xml", "value": ["order.id"]},
        Output("<order><id>7</id></order>"),
        Output("Here you are: <order><id>7</id></order>"),
    )

    def _lacks(self, text: str, paths: list[str]) -> str:
        if why := not_well_formed(text):
            return f"The output is not XML: {why}."
        lacking = [path for path in paths if not any(has_path(one, path.split(".")) for one in elements_in(text))]
        return f"There is no {excerpt(lacking[0])} in it." if lacking else ""


class ContainsXml(_Xml):
    """An element that is closed, between words or in a fence; with paths, one that has them all."""

    kind: ClassVar[str] = "contains_xml"
    about: ClassVar[str] = "an XML element stands in the output; with paths as `value`, one that has these elements"
    example: ClassVar[Example] = Example(
        {"kind": "contains_xml"}, Output("Here you are: <order><id>7</id></order>"), Output("Here you are: <order>")
    )

    def _lacks(self, text: str, paths: list[str]) -> str:
        groups = elements_in(text)
        if not groups:
            return f"There is no XML in it. It begins: {excerpt(text)}"
        wanted = [path.split(".") for path in paths]
        sets = [*groups, *([one] for group in groups for one in group)]
        return "" if any(all(has_path(some, path) for path in wanted) for some in sets) else "No element has all paths."


class ContainsHtml(Scorer):
    """At least two signs of HTML: tags, and those of HTML count twice, entities, comments, attributes, a doctype."""

    kind: ClassVar[str] = "contains_html"
    family: ClassVar[Family] = "structure"
    about: ClassVar[str] = "HTML stands in the output, by its tags, entities, comments and attributes"
    target: ClassVar[Target] = "nothing"
    example: ClassVar[Example] = Example(
        {"kind": "contains_html"}, Output("Click <b>here</b>, please."), Output("2 < 3, and 3 > 2.")
    )

    def score(self, output: Output, target: JSON, spec: ScorerSpec, asked: Asked, tools: Tools) -> Score:
        refuse_longer(output.text, LONGEST, "look for HTML in it")
        is_there = signs_of_html(output.text) >= ENOUGH
        return Score(float(is_there), is_there, f"There is {'' if is_there else 'no '}HTML in it.")


def signs_of_html(text: str) -> int:
    """How much speaks for HTML; takes time in proportion to the text."""
    tags = text[: text.rfind(">") + 1]
    ends = [bool(_OPENING.search(tags)), bool(_CLOSING.search(tags))]
    parts = tags.split(">")[:-1]
    others = (
        any(part.endswith("/") and _SELF_CLOSING.search(part) for part in parts),
        bool(_ENTITY.search(text)),
        _has_comment(text),
        bool(_ATTRIBUTE.search(text)),
    )
    return sum(ends) + sum(others) + 2 * bool(_DOCTYPE.search(text)) + 2 * bool(_KNOWN.search(text))


def _has_comment(text: str) -> bool:
    at = text.find("<!--")
    while at >= 0:
        end = text.find("--", at + 4)
        if end < 0 or text.startswith("-->", end):
            return end >= 0
        at = text.find("<!--", at + 4)
    return False
