"""Characters that a reader cannot see and a model reads: found, and named. Pure."""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

_FORMATS = (
    r"\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001"
    r"\U000e0020-\U000e007f"
)
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
_BLANKS = r"\u00a0\u1680\u2000-\u200a\u202f\u205f\u3164\u115f\u1160\uffa0\u034f\u17b4\u17b5"
# What may stand on both sides of a joiner that makes one picture of two.
_EMOJI = r"[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\ufe0f]"
_SELECTORS = r"(?<=[\ufe00-\ufe0f])[\ufe00-\ufe0f]|[\U000e0100-\U000e01ef]"
INVISIBLE = re.compile(
    rf"[\U000e0020-\U000e007f]+|(?!(?<={_EMOJI})\u200d(?={_EMOJI}))([{_FORMATS}{_CONTROLS}{_BLANKS}])\1*|{_SELECTORS}"
)
NAMES = {
    "\x00": "null",
    "\x08": "backspace",
    "\x0b": "vertical tab",
    "\x0c": "form feed",
    "\r": "carriage return",
    "\x1b": "escape",
    "\x7f": "delete",
    "\x85": "next line",
    "\ufeff": "byte order mark",
}
TAGS = 0xE0000


class Invisible(NamedTuple):
    """One stretch of a text: `name` is empty where a reader sees it."""

    text: str
    name: str


def pieces(text: str) -> Iterator[Invisible]:
    """The text in order: what is seen, and each stretch that is not; all texts together are the text, exactly."""
    start = 0
    for found in INVISIBLE.finditer(text):
        if start < found.start():
            yield Invisible(text[start : found.start()], "")
        yield Invisible(found.group(), name_of(found.group()))
        start = found.end()
    if start < len(text):
        yield Invisible(text[start:], "")


def name_of(stretch: str) -> str:
    """What a stretch of one invisible character is called, how often it is there; tag characters by what they spell."""
    first = stretch[0]
    if TAGS + 0x20 <= ord(first) <= TAGS + 0x7F:
        return f"hidden tag text \N{LEFT DOUBLE QUOTATION MARK}{spelled(stretch)}\N{RIGHT DOUBLE QUOTATION MARK}"
    unnamed = "private use character" if unicodedata.category(first) == "Co" else "control character"
    name = NAMES.get(first) or unicodedata.name(first, "").lower() or f"{unnamed} {code_point(first)}"
    return name if len(stretch) == 1 else f"{name} \N{MULTIPLICATION SIGN}{len(stretch)}"


def spelled(tags: str) -> str:
    """The letters that tag characters stand for."""
    return "".join(chr(ord(tag) - TAGS) if ord(tag) < TAGS + 0x7F else "." for tag in tags)


def code_point(character: str) -> str:
    """As `U+202E`."""
    return f"U+{ord(character):04X}"
