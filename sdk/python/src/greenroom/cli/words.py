"""Text of others on a terminal, in a log or in XML: what could act there is shown instead."""

import re

# Controls, and the characters that turn or hide text; line feed and tab stay.
_ACTING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """The text with every character that would act written as an escape, such as `\\x1b`."""
    return _ACTING.sub(lambda found: _escape(found[0]), text)


def one_line(text: str) -> str:
    """The same on one line."""
    return visible(" ".join(text.split()))


def cut(text: str, most: int) -> str:
    """At most so many characters, and a word on how many are left out."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
