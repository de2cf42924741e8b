"""`template_format: plain`: only `{{name}}` is replaced, everything else is literal. No Jinja, no worker."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from greenroom.templates.values import JSON

_TAG = re.compile(r"\{\{\s*+(\w++)\s*+\}\}")
_JINJA = re.compile(r"\{[{%#]|\r")
_JINJA_WORDS = frozenset(
    {
        "true",
        "false",
        "none",
        "True",
        "False",
        "None",
        "not",
        "loop",
        "self",
        "super",
        "range",
        "dict",
        "namespace",
        "and",
        "or",
        "if",
        "else",
        "in",
        "is",
    }
)


def plain_names(texts: Iterable[str]) -> list[str]:
    """The names replaced, in order of first use."""
    return list(dict.fromkeys(match.group(1) for text in texts for match in _TAG.finditer(text)))


def is_plain(text: str) -> bool:
    """Whether a Jinja template means the same when read as plain: nothing but bare variables."""
    names = plain_names([text])
    bare = all(name.isidentifier() and not name.startswith("_") and name not in _JINJA_WORDS for name in names)
    return bare and not _JINJA.search(_TAG.sub("", text))


def render_plain(text: str, variables: Mapping[str, JSON], limit: int) -> str | None:
    """The text with each `{{name}}` replaced once, strings as they are, other values as JSON; None beyond `limit`.

    Raises KeyError with the name of a variable that is missing.
    """
    pieces: list[str] = []
    position = size = 0
    for match in _TAG.finditer(text):
        value = variables[match.group(1)]
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        size += len(shown)
        if size > limit:
            return None
        pieces += [text[position : match.start()], shown]
        position = match.end()
    result = "".join([*pieces, text[position:]])
    return result if len(result) <= limit else None
