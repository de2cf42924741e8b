"""Whether a text is HTML, by the tree that HTML 5 makes of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from evals_app.scorers.trimming import trimmed

ELEMENTS = frozenset(
    {
        *("a", "abbr", "address", "area", "article", "aside", "audio", "b", "base", "bdi", "bdo", "blockquote"),
        *("body", "br", "button", "canvas", "caption", "cite", "code", "col", "colgroup", "data", "datalist"),
        *("dd", "del", "details", "dfn", "dialog", "div", "dl", "dt", "em", "embed", "fieldset", "figcaption"),
        *("figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "i"),
        *("iframe", "img", "input", "ins", "kbd", "label", "legend", "li", "link", "main", "map", "mark", "math"),
        *("menu", "meta", "meter", "nav", "noscript", "object", "ol", "optgroup", "option", "output", "p"),
        *("param", "picture", "pre", "progress", "q", "rp", "rt", "ruby", "s", "samp", "script", "section"),
        *("select", "slot", "small", "source", "span", "strong", "style", "sub", "summary", "sup", "svg"),
        *("table", "tbody", "td", "template", "textarea", "tfoot", "th", "thead", "time", "title", "tr", "track"),
        *("u", "ul", "var", "video", "wbr"),
    }
)
_WRAPPERS = {"html", "head", "body"}
_WRAPPER_TAG = re.compile(r"<(?:html|head|body)(?=[\t\n\f\r />])", re.IGNORECASE)
_XML = re.compile(r"<\?xml", re.IGNORECASE)


def not_html(text: str) -> str:
    """Why a text is no HTML: nothing but text, text beside its elements, XML, no element known; empty where it is HTML."""
    text = trimmed(text)
    if not text or _XML.match(text):
        return "it is XML" if text else "it is empty"
    document = _Document(text)
    if document.has_text_outside():
        return "there is text outside of its elements"
    if not any(document.is_written(one) for one in _nodes(document.root)):
        return "it has no element of HTML"
    return ""


class _Document:
    """A text as a tree, in which each tag of a wrapper is marked by its number: elements that nobody wrote have no mark."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.mark = "written"
        while self.mark in text.lower():
            self.mark += "-"
        self.places: list[int] = []
        self.root = _tree(_WRAPPER_TAG.sub(self._marked, text))
        self._written: dict[str, bool] = {}

    def _marked(self, tag: re.Match[str]) -> str:
        self.places.append(tag.start())
        return f'{tag[0]} {self.mark}="{len(self.places) - 1}" '

    def has_text_outside(self) -> bool:
        """Whether text stands in a body that nobody wrote."""
        body = next((one for one in _nodes(self.root) if one.name == "body"), None)
        if body is None or self.is_written(body):
            return False
        return any(one.name == "#text" and trimmed(one.data) for one in body.children)

    def is_written(self, element: Any) -> bool:
        """Whether it is an element of HTML, or of one's own, that stands in the text."""
        if element.name in _WRAPPERS:
            if element.name not in self._written:
                self._written[element.name] = self._begins_with_its_tag(element)
            return self._written[element.name]
        return element.name in ELEMENTS or ("-" in element.name and not element.name.startswith(("#", "!")))

    def _begins_with_its_tag(self, element: Any) -> bool:
        """Whether its first tag made it: a comment in the place of that tag comes before the element then."""
        number = element.attrs.get(self.mark)
        if number is None:
            return False
        for one in _nodes(_tree(f"{self.text[: self.places[int(number)]]}<!--{self.mark}-->")):
            if one.name == "#comment" and one.data == self.mark:
                return True
            if one.name == element.name:
                return False
        return False


def _tree(text: str) -> Any:
    # Loaded where it is needed: most processes never read HTML.
    from justhtml import JustHTML

    return JustHTML(text, sanitize=False).root


def _nodes(root: Any) -> Iterator[Any]:
    """The tree in the order of the text."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(getattr(node, "children", None) or ()))
