"""What reading a regular expression costs: a set of characters beyond Latin-1 is made into a map of 65,536 places, which takes
milliseconds, and each range in it is gone through. Many of them would hold up whoever checks what somebody saves. Pure."""

import re
from collections.abc import Iterable, Iterator

from registry.core.canonical import JSON

LONGEST = 10_000  # characters, which is what the worker takes
MOST_WIDE_SETS = 60
_BEYOND = re.compile(r"[^\x00-\xff]|\\[uUN]")
# A range's end comes right after its hyphen, as itself or as an escape.
_FAR = re.compile(r"-(?:[^\x00-\xff]|\\)")


def too_costly(patterns: Iterable[str]) -> str:
    """What is wrong with patterns that would take long to be read, together; empty when nothing is. One that comes again and
    again is read once."""
    wide = [pattern for pattern in set(patterns) if _BEYOND.search(pattern)]
    sets, ranges = sum(one.count("[") for one in wide), sum(len(_FAR.findall(one)) for one in wide)
    if max(sets, ranges) <= MOST_WIDE_SETS:
        return ""
    return (
        f"must not have more than {MOST_WIDE_SETS} sets of characters, or ranges in them, in patterns with characters "
        "beyond Latin-1"
    )


def is_quick(pattern: str) -> bool:
    """Whether reading the pattern here costs next to nothing, however many there are; any other is for the worker to read."""
    return len(pattern) <= LONGEST and not _FAR.search(pattern)


def mistake_in(pattern: str) -> str:
    """Why a pattern is no regular expression; empty also for one that is left to the worker."""
    if len(pattern) > LONGEST:
        return f"must not have more than {LONGEST:,} characters"
    if not is_quick(pattern):
        return too_costly([pattern])
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    return ""


def patterns_in(schema: JSON, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a JSON Schema that may be read as a pattern, with its place as a path suffix: values of `pattern`, and
    names of `patternProperties`."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "pattern" and isinstance(value, str):
                yield f"{path}.{key}", value
            if key == "patternProperties" and isinstance(value, dict):
                yield from ((f"{path}.{key}", pattern) for pattern in value)
            yield from patterns_in(value, f"{path}.{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from patterns_in(value, f"{path}[{index}]")
