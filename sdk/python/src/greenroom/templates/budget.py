"""What one render may use: steps, and characters of each value and of the output. Checked before anything is built."""

from __future__ import annotations

import threading

MAX_STEPS = 200_000
MAX_CHARACTERS = 4_000_000
MAX_NUMBER_BITS = 256


class LimitReached(Exception):
    """A render needs more than it gets; the text says of what."""


class Budget(threading.local):
    """The steps left to the render under way; each thread has its own."""

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def renew(self) -> None:
        self.left = MAX_STEPS

    def spend(self, steps: int) -> None:
        """One step is one turn of a loop, one call or one element handled. Nothing ever gives steps back."""
        self.left -= max(steps, 0)
        if self.left < 0:
            raise LimitReached(f"The template needs more than {MAX_STEPS:,} steps.")

    def characters(self, size: int) -> None:
        """Called before a text of `size` characters is built: big ones cost steps too, 1,024 characters each."""
        if size > MAX_CHARACTERS:
            raise LimitReached(f"A value would have more than {MAX_CHARACTERS:,} characters.")
        self.spend(max(size, 0) >> 10)

    def elements(self, size: int) -> None:
        """Called before `size` elements are copied: eight to a step."""
        self.spend(size >> 3)


BUDGET = Budget()
