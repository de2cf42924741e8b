"""How a run is cut into chunks, and which answers a chunk asks for. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHUNKS_WANTED = 4
MOST_CALLS = 400


@dataclass(frozen=True)
class Span:
    """Consecutive case positions, both ends included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many cases."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Slot:
    """One answer of a run: which version is asked, which case, which repeat."""

    arm: str
    case_id: int
    repeat: int


def spans(case_count: int, *, calls_per_case: int) -> list[Span]:
    """Cuts cases 0 … n-1: at least four chunks where there are that many cases, so workers can share; 400 calls at most."""
    size = max(1, min(-(-case_count // CHUNKS_WANTED), MOST_CALLS // calls_per_case))
    return [Span(first, min(first + size, case_count) - 1) for first in range(0, case_count, size)]


def slots(case_ids: Sequence[int], *, arms: Sequence[str], first_repeat: int, repeats: int) -> Iterator[Slot]:
    """The answers asked for, in order: the arms of a case beside each other, so that drift meets both alike."""
    for case_id in case_ids:
        for repeat in range(first_repeat, first_repeat + repeats):
            for arm in arms:
                yield Slot(arm, case_id, repeat)
