"""How often and how long a question is asked before it is given up."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from evals_app.providers.limits import Turn
from evals_app.providers.talk import Answer, Failure, ProviderError

TRIES = 3
MOST_WAITS = 10
RETRY_AFTER_CAP_S = 60.0
# From its first turn on, everything about a question ends by then: answers, back-off, further turns, another provider.
TOTAL_S = 300.0
_BACK_OFF_S = 0.5

Ask = Callable[[float], Awaitable[Answer]]
TakeTurn = Callable[[], AbstractAsyncContextManager[Turn]]
HoldBack = Callable[[float], Awaitable[None]]


class Deadline:
    """When a question is given up, whatever it is waiting for; its time runs from the first turn on."""

    def __init__(self, total_s: float | None = None) -> None:
        self.total_s = TOTAL_S if total_s is None else total_s
        self.ends_at: float | None = None

    def start(self) -> None:
        """The first turn has come; later ones change nothing."""
        if self.ends_at is None:
            self.ends_at = time.monotonic() + self.total_s

    @property
    def left_s(self) -> float:
        """How much of its time is left."""
        return self.total_s if self.ends_at is None else self.ends_at - time.monotonic()


async def ask_patiently(
    ask: Ask, *, time_s: float, take_turn: TakeTurn, hold_back: HoldBack, deadline: Deadline | None = None
) -> Answer:
    """Tries three times, backing off with jitter; raises the last ProviderError.

    `time_s` is all the time that may be spent waiting for answers; `ask` gets the seconds left. Waiting for turns, giving
    them back and backing off count for the `deadline` alone, five minutes in all. An answer 429 is a turn that was not given rather
    than a try: it waits as `Retry-After` says (60 s at most), ten times at most, and `hold_back` keeps everybody else
    waiting too.
    """
    deadline = deadline or Deadline()
    tries = waits = 0
    left_s = time_s
    failure: ProviderError | None = None
    while True:
        try:
            async with (
                asyncio.timeout(None if deadline.ends_at is None else deadline.left_s) as limit,
                take_turn() as turn,
            ):
                limit.reschedule(None)
                deadline.start()
                began = time.monotonic()
                try:
                    answer = await ask(min(left_s, deadline.left_s))
                except ProviderError as error:
                    failure = turn.outcome = error
                    left_s -= time.monotonic() - began
                    turn.is_alive = False if error.kind.says_down else True if error.kind.says_alive else None
                else:
                    _account(turn, answer)
                    return answer
        except TimeoutError:
            raise failure or ProviderError(Failure.TIMEOUT, "its time was up before it was asked") from None
        limited = failure.kind is Failure.RATE_LIMITED
        tries, waits = tries + (not limited), waits + limited
        if failure.kind is Failure.TIMEOUT:
            raise _too_late(deadline.total_s if deadline.left_s < left_s else None, time_s) from failure
        if not failure.kind.is_worth_retrying or tries >= TRIES or waits >= MOST_WAITS or left_s <= 0:
            raise failure
        pause_s = back_off_s(tries + waits, failure.retry_after_s)
        if pause_s >= deadline.left_s:
            raise failure
        if limited:
            await hold_back(pause_s)
        await asyncio.sleep(pause_s)


def _too_late(total_s: float | None, time_s: float) -> ProviderError:
    """Which limit ended the last try, in words: that of everything, where it is given, else the provider's own."""
    limit = f"{time_s:g} s, the provider's time limit"
    if total_s is not None:
        limit = f"the {total_s:g} s that all tries, waits and providers have together"
    return ProviderError(Failure.TIMEOUT, f"no complete answer within {limit}")


def _account(turn: Turn, answer: Answer) -> None:
    turn.is_alive, turn.outcome = True, answer
    if answer.input_tokens is not None and answer.output_tokens is not None:
        turn.tokens_used = answer.input_tokens + answer.output_tokens


def back_off_s(failures: int, retry_after_s: float | None) -> float:
    """How long to wait after that many failures: never less than asked for (60 s at most), spread by jitter."""
    spread = random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing
    if retry_after_s is not None:
        return min(retry_after_s, RETRY_AFTER_CAP_S) + spread * _BACK_OFF_S
    return spread * _BACK_OFF_S * 2.0 ** min(failures, 5)
