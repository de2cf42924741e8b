"""Several callers at once, each with a connection of its own, released from a barrier."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from registry.core.errors import RegistryError

ENDS_WITHIN_S = 60


@dataclass
class Outcome:
    """What one caller got: a value, or a refusal. Anything else is raised by `race`."""

    value: Any = None
    refusal: RegistryError | None = None

    @property
    def won(self) -> bool:
        return self.refusal is None

    @property
    def code(self) -> str:
        """The code of the refusal; empty for who was not refused."""
        return self.refusal.code if self.refusal else ""


def race(*calls: Callable[[], Any], jitter_ms: float = 3) -> list[Outcome]:
    """Make the calls at the same moment, give or take `jitter_ms`; their outcomes in the order of the calls.

    A deadlock, or any error that is no refusal, is raised here.
    """
    barrier = threading.Barrier(len(calls))
    outcomes: list[Outcome | None] = [None] * len(calls)
    failures: list[BaseException] = []

    def run(n: int, call: Callable[[], Any], wait_s: float) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(ENDS_WITHIN_S)
            threading.Event().wait(wait_s)
            try:
                outcomes[n] = Outcome(call())
            except RegistryError as refusal:
                outcomes[n] = Outcome(refusal=refusal)
        except BaseException as failure:
            failures.append(failure)
            barrier.abort()
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(n, call, random.uniform(0, jitter_ms) / 1000), daemon=True)
        for n, call in enumerate(calls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENDS_WITHIN_S)
    if failures:
        raise failures[0]
    done = [outcome for outcome in outcomes if outcome is not None]
    assert len(done) == len(calls), "a caller did not come back"
    return done


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    """The codes of the refusals, sorted; empty texts for those who won."""
    return sorted(outcome.code for outcome in outcomes)
