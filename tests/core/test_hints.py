"""A broker that is away is asked once a second by a process, whatever wants to tell it something."""

import pytest
import redis

from registry.core import hints, limits, valkey
from registry.core.tasks import dispatch_outbox


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """As `time` has it."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A fresh circuit, and a clock for it."""
    clock = Clock()
    monkeypatch.setattr(valkey, "time", clock)
    monkeypatch.setattr(valkey, "circuit", valkey.Circuit())
    return clock


def fail() -> None:
    """Something that is asked while Valkey is away."""
    with valkey.circuit.asking():
        raise redis.TimeoutError("no answer")


def test_circuit__after_a_failure__asks_nothing_for_a_second_and_then_once(clock: Clock):
    with pytest.raises(redis.TimeoutError):
        fail()
    with pytest.raises(valkey.AwayError):
        fail()
    clock.now += valkey.REST_S
    with valkey.circuit.asking(), pytest.raises(valkey.AwayError):
        fail()
    with valkey.circuit.asking():
        pass


def test_circuit__a_failure_of_something_else__leaves_it_closed(clock: Clock):
    with pytest.raises(ValueError), valkey.circuit.asking(OSError):
        raise ValueError("a bug")
    with valkey.circuit.asking():
        pass


def test_hint__to_a_broker_that_is_away__is_not_sent_and_counters_do_not_ask_it_again(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    hint = hints.hint_by(dispatch_outbox)
    asked: list[str] = []

    class Away:
        def acquire(self, **_: object) -> None:
            asked.append("hint")
            raise OSError("refused")

    monkeypatch.setattr(hints, "_producers", Away)
    monkeypatch.setattr(limits.valkey, "client", lambda: asked.append("count"))
    with pytest.raises(hints.NotSentError):
        hint(1)
    with pytest.raises(hints.NotSentError):
        hint(2)
    limits.count("somebody", 1)
    assert asked == ["hint"]


def test_hint__to_a_broker_that_answers__is_sent(clock: Clock):
    hints.hint_by(dispatch_outbox)(0)
    with valkey.circuit.asking():
        pass
