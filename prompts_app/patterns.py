"""What reading a regular expression costs: a set of characters beyond Latin-1 is made into a map of 65,536 places, which takes
milliseconds. Patterns with many of them would hold up whoever checks what somebody saves. Pure."""

import re
from collections.abc import Iterable

MOST_WIDE_SETS = 60
_BEYOND = re.compile(r"[^\x00-\xff]|\\[uUN]")


def too_costly(patterns: Iterable[str]) -> str:
    """What is wrong with patterns that would take long to be read, together; empty when nothing is."""
    sets = sum(pattern.count("[") for pattern in patterns if _BEYOND.search(pattern))
    if sets <= MOST_WIDE_SETS:
        return ""
    return f"must not have more than {MOST_WIDE_SETS} sets of characters in patterns with characters beyond Latin-1"
