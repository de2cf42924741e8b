"""Porter's stemmer as natural 8 has it, which differs from others here and there; the stems are those of that one. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_VOWEL_Y, _VOWELS, _OTHERS = re.compile("[^aeiouy]+y"), re.compile("[aeiou]+"), re.compile("[^V]+")
_ONE_VOWEL_Y, _ONE_VOWEL, _ONE_OTHER = re.compile("[^aeiouy]y"), re.compile("[aeiou]"), re.compile("[^V]")
_DOUBLE = re.compile(r"([^aeiou])\1\Z")
_LONG_SUFFIX = re.compile(
    "(.+?)(?:al|ance|ence|er|ic|able|ible|ant|ement|ment|ent|ou|ism|ate|iti|ous|ive|ize)", re.DOTALL
)
_ION = re.compile("(.+?[st])ion", re.DOTALL)
_STEP_2 = (
    *(("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("abli", "able")),
    *(("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize")),
    *(("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous")),
    *(("aliti", "al"), ("iviti", "ive"), ("biliti", "ble"), ("logi", "log")),
)
_STEP_3 = (
    *(("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")),
)


@lru_cache(4096)
def stem(word: str) -> str:
    """The stem of a word in lower case."""
    if len(word) < 3:
        return word
    word = _step_1c(_step_1b(_step_1a(word)))
    word = _replaced(_replaced(word, _STEP_2), _STEP_3)
    return _step_5(_step_4(word))


def _groups(word: str) -> str:
    return _OTHERS.sub("C", _VOWELS.sub("V", _VOWEL_Y.sub("CV", word)))


def _characters(word: str) -> str:
    return _ONE_OTHER.sub("C", _ONE_VOWEL.sub("V", _ONE_VOWEL_Y.sub("CV", word)))


def _measure(word: str) -> float:
    return len(_groups(word).removeprefix("C").removesuffix("V")) / 2 if word else -1


def _replaced(word: str, endings: Sequence[tuple[str, str]]) -> str:
    """Each ending that the word has, and that leaves enough of it, put into another."""
    found = word
    for ending, other in endings:
        if word.endswith(ending) and _measure(word.removesuffix(ending)) > 0 and found.endswith(ending):
            found = (found.removesuffix(ending) + other) or found
    return found


def _step_1a(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if len(word) > 2 and word[-1] == "s" and word[-2] != "s" else word


def _step_1b(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    ending = next((one for one in ("ed", "ing") if word.endswith(one)), "")
    rest = word.removesuffix(ending)
    if not ending or not rest or "V" not in _groups(rest):
        return word
    if rest.endswith(("at", "bl", "iz")):
        return rest + "e"
    if _DOUBLE.search(rest) and rest[-1] not in "lsz":
        return rest[:-1]
    is_short = _measure(rest) == 1 and _characters(rest).endswith("CVC") and rest[-1] not in "wxy"
    return rest + "e" if is_short else rest


def _step_1c(word: str) -> str:
    return word[:-1] + "i" if word.endswith("y") and "V" in _groups(word)[:-1] else word


def _step_4(word: str) -> str:
    for pattern in (_LONG_SUFFIX, _ION):
        match = pattern.fullmatch(word)
        if match and _measure(match[1]) > 1:
            return match[1]
    return word


def _step_5(word: str) -> str:
    without = word.removesuffix("e")
    measure = _measure(without)
    is_short = _characters(word)[-4:-1] == "CVC" and len(word) > 1 and word[-2] not in "wxy"
    if measure > 1 or (measure == 1 and not is_short):
        word = without
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
