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
_BACK_OFF_S = 0.5

Ask = Callable[[float], Awaitable[Answer]]
TakeTurn = Callable[[], AbstractAsyncContextManager[Turn]]
HoldBack = Callable[[float], Awaitable[None]]


async def ask_patiently(ask: Ask, *, time_s: float, take_turn: TakeTurn, hold_back: HoldBack) -> Answer:
    """Tries three times, backing off with jitter; raises the last ProviderError.

    `time_s` is all the time that may be spent waiting for answers; waiting for turns and backing off do not count. `ask`
    gets the seconds left. An answer 429 is a turn that was not given rather than a try: it waits as
    `Retry-After` says (60 s at most), ten times at most, and `hold_back` keeps everybody else waiting too.
    """
    tries = waits = 0
    left_s = time_s
    while True:
        async with take_turn() as turn:
            began = time.monotonic()
            try:
                answer = await ask(left_s)
            except ProviderError as error:
                failure = error
            else:
                if answer.input_tokens is not None and answer.output_tokens is not None:
                    turn.tokens_used = answer.input_tokens + answer.output_tokens
                return answer
        left_s -= time.monotonic() - began
        limited = failure.kind is Failure.RATE_LIMITED
        tries, waits = tries + (not limited), waits + limited
        if not failure.kind.is_worth_retrying or tries >= TRIES or waits >= MOST_WAITS or left_s <= 0:
            raise failure
        pause_s = back_off_s(tries + waits, failure.retry_after_s)
        if limited:
            await hold_back(pause_s)
        await asyncio.sleep(pause_s)


def back_off_s(failures: int, retry_after_s: float | None) -> float:
    """How long to wait after that many failures: never less than asked for (60 s at most), spread by jitter."""
    spread = random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing
    if retry_after_s is not None:
        return min(retry_after_s, RETRY_AFTER_CAP_S) + spread * _BACK_OFF_S
    return spread * _BACK_OFF_S * 2.0 ** min(failures, 5)
