"""Several callers at once, each with a connection of its own, released from a barrier."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from registry.core import audit
from registry.core.errors import RegistryError
from tests import tally

ENDS_WITHIN_S = 60
MEETS_WITHIN_S = 0.5


type Play = Callable[[Callable[[], Any], Callable[[], Any]], tuple["Outcome", "Outcome"]]


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
    arrived: list[int] = []

    def run(n: int, call: Callable[[], Any], wait_s: float) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(ENDS_WITHIN_S)
            threading.Event().wait(wait_s)
            try:
                outcomes[n] = Outcome(call())
            except RegistryError as refusal:
                outcomes[n] = Outcome(refusal=refusal)
            arrived.append(n)
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
    tally.note("races: interleavings")
    tally.note(f"races: number {arrived[0] + 1} came back first")
    return done


def one_after_the_other(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Outcome, Outcome]:
    """The worst moment there is: `second` starts when `first` has done all its work and has not committed.

    Where the second one needs a lock of the first it waits; the commit comes as soon as it is seen waiting, or has
    ended, or after two seconds in which it did neither.
    """
    other: list[Outcome] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            try:
                other.append(Outcome(second()))
            except RegistryError as refusal:
                other.append(Outcome(refusal=refusal))
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    with transaction.atomic():
        try:
            mine = Outcome(first())
        except RegistryError as refusal:
            mine = Outcome(refusal=refusal)
        thread.start()
        ends = time.monotonic() + 2
        while thread.is_alive() and time.monotonic() < ends and not _somebody_waits():
            time.sleep(0.01)
    thread.join(ENDS_WITHIN_S)
    if failures:
        raise failures[0]
    assert other, "the second caller did not come back"
    return mine, other[0]


def side_by_side(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Outcome, Outcome]:
    """The other worst moment: both have decided and written, and meet where they record themselves; then `first` goes.

    Whoever comes there waits for the other one, but not for long: with the locks in place the other cannot come.
    """
    here = threading.local()
    met, is_over, arrived, real = threading.Event(), threading.Event(), itertools.count(1), audit.record

    def record(*args: Any, **kwargs: Any) -> Any:
        if next(arrived) == 2:
            met.set()
        if met.wait(MEETS_WITHIN_S) and here.is_second:
            is_over.wait(1)
        met.set()
        return real(*args, **kwargs)

    def call(action: Callable[[], Any], is_second: bool) -> Any:
        here.is_second = is_second
        try:
            return action()
        finally:
            if not is_second:
                is_over.set()

    audit.record = record
    try:
        one, other = race(lambda: call(first, False), lambda: call(second, True), jitter_ms=0)
    finally:
        audit.record = real
    return one, other


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)")
        (waits,) = cursor.fetchone()
    return bool(waits)


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    """The codes of the refusals, sorted; empty texts for those who won."""
    return sorted(outcome.code for outcome in outcomes)
