"""Texts that look as if they held a secret: known forms of keys, and named values too random to be words. Pure.

The rules are those of `docs/templates.md`, "Secrets". They warn and never refuse: whether it is one, its author knows.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

MOST_FOUND = 20
# Bits a character: English words have less than 3.5, random letters and digits from 20 characters on have more.
LEAST_ENTROPY = 3.5


@dataclass(frozen=True)
class Form:
    """How one kind of secret looks; `name` says whose it is."""

    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Suspect:
    """A place that looks like a secret: whose form, in which message (None: no message) or field, at which line.

    `start` and `end` are its place in that text; `shown` is its beginning, never the whole.
    """

    name: str
    line: int
    start: int
    end: int
    shown: str
    message: int | None = None
    field: str = ""

    @property
    def place(self) -> str:
        """Where it is, in words that start a line."""
        where = f"Message {self.message + 1}" if self.message is not None else self.field.replace("_", " ").capitalize()
        return f"{where}, line {self.line}"


FORMS = tuple(
    Form(name, re.compile(pattern))
    for name, pattern in (
        ("private key", r"-----BEGIN (?:[A-Z]{2,20} ){0,3}PRIVATE KEY-----"),
        ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,200}"),
        ("OpenAI key", r"\bsk-(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{20,200}"),
        ("AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255})"),
        ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,100}"),
        ("Slack token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,200}"),
        ("Slack webhook", r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,100}"),
        ("Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,200}"),
        ("Google API key", r"\bAIza[0-9A-Za-z_-]{35}"),
        ("Hugging Face token", r"\bhf_[A-Za-z0-9]{30,100}"),
        ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
        ("PyPI token", r"\bpypi-[A-Za-z0-9_-]{50,300}"),
        ("SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
        ("Greenroom key", r"\bgr_[A-Za-z0-9]{50}\b"),
        ("JSON Web Token", r"\beyJ[A-Za-z0-9_-]{10,1000}+\.eyJ[A-Za-z0-9_-]{10,4000}+\.[A-Za-z0-9_-]{10,1000}"),
        ("password in an address", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@{}<>\"']{1,100}:[^\s/@{}<>\"']{3,100}@"),
    )
)
# A value that something calls by such a name, as in a setting, a header or a line of code.
NAMED = re.compile(
    r"(?i:api[_ -]?key|secret(?:[_ -]?key)?|access[_ -]?token|auth[_ -]?token|token|password|passwd|bearer)"
    r"[\"']?\s{0,3}[:= ]\s{0,3}[\"']?([A-Za-z0-9+/_.=-]{20,200})"
)


def suspects_in(text: str) -> list[Suspect]:
    """What of a text looks like a secret, in reading order, one for each place; linear in its length."""
    places = [(form.name, *match.span()) for form in FORMS for match in form.pattern.finditer(text)]
    places += [
        ("random value called a secret", *match.span(1)) for match in NAMED.finditer(text) if is_random(match[1])
    ]
    ends = [match.start() for match in re.finditer("\n", text)] if places else []
    found = [_suspect(name, text, start, end, bisect_left(ends, start) + 1) for name, start, end in places]
    return list(_apart(sorted(found, key=lambda one: (one.start, -one.end))))


def suspects_at(places: Iterable[tuple[int | None, str, str]]) -> list[Suspect]:
    """The same of several texts, each with its message (None: no message) and its field; the first twenty."""
    found = [replace(one, message=message, field=field) for message, field, text in places for one in suspects_in(text)]
    return found[:MOST_FOUND]


def entropy(text: str) -> float:
    """Shannon's entropy of its characters, in bits a character."""
    length = len(text)
    return -sum(count / length * math.log2(count / length) for count in Counter(text).values()) if text else 0.0


def is_random(text: str) -> bool:
    """Whether a value looks drawn rather than written: letters and digits mixed, with more than a word's entropy."""
    has_both = any(one.isdigit() for one in text) and any(one.isalpha() for one in text)
    return has_both and entropy(text) >= LEAST_ENTROPY


def _suspect(name: str, text: str, start: int, end: int, line: int) -> Suspect:
    shown = f"{text[start : start + 6]}…" if end - start > 12 else "…"
    return Suspect(name, line, start, end, shown)


def _apart(found: Iterable[Suspect]) -> Iterator[Suspect]:
    """The first and longest of those that lie over each other."""
    last = -1
    for one in found:
        if one.start >= last:
            last = one.end
            yield one
