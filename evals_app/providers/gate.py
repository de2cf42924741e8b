"""One provider as one process asks it: turns waited for here, taken from Valkey for many questions at a time.

A turn that comes free is passed on to the next question of this process without asking Valkey, as long as the process
holds no more than its share and no rate has to be counted. So exact limits cost a round trip every quarter of a second
instead of two for each question.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from evals_app.providers.talk import Failure, ProviderError

# How long a provider may have been down before questions that can go nowhere else are given up.
DOWN_BORNE_S = 30.0
# How soon to look again where all turns are taken by others: at once missed when we have none, less so when we have our share.
SLOT_NAP_S = 0.02
SHARE_NAP_S = 0.025
# Turns that come free one after the other are told Valkey together.
TOLD_TOGETHER_S = 0.003


@dataclass(frozen=True)
class Limits:
    """What the provider bears. None: no limit."""

    provider_id: int
    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def has_rates(self) -> bool:
        """Whether every question has to be counted."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


@dataclass(frozen=True)
class Standing:
    """What Valkey says: turns granted, how long to wait for more, how many are ours to keep, and how the provider is.

    `paused_s`: for how long everybody keeps still.
    """

    granted: int
    wait_s: float
    share: int
    failures: int
    is_open: bool
    down_s: float
    paused_s: float


@dataclass(eq=False)
class _Waiter:
    tokens: int
    is_patient: bool
    turn: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(frozen=True)
class Timing:
    """How long turns hold without a word to Valkey, how often there is one, and how long to rest while it is away."""

    lease_s: float
    renewed_every_s: float
    down_nap_s: float


type Sync = Callable[["Gate", Sequence[int]], Awaitable[Standing]]


class Gate:
    """Turns at one provider. Lives in one event loop; `run` must be running there."""

    def __init__(self, limits: Limits, sync: Sync, timing: Timing) -> None:
        self.limits = limits
        self.in_use = 0
        self.spare_tokens = 0
        self.failures = 0
        self.is_open = False
        self.down_s = 0.0
        self._idle = 0
        self._share = 0
        self._waiting: deque[_Waiter] = deque()
        self._paused_until = 0.0
        self._next_ask = self._asked_at = 0.0
        self._known_until = 0.0
        self._is_short = False
        self._wake = asyncio.Event()
        self._sync, self._timing = sync, timing

    async def enter(self, *, tokens: int, is_patient: bool) -> None:
        """Wait for a turn. Raises ProviderError `down`: at once while the breaker is open, later if patient."""
        if self._idle and not self._waiting and self._may_pass_on():
            self._idle -= 1
            self.in_use += 1
            return
        if self.is_open and not is_patient and time.monotonic() < self._next_ask:
            raise self._refusal()
        waiter = _Waiter(tokens, is_patient)
        self._waiting.append(waiter)
        if len(self._waiting) == 1 or self.is_open or not self._is_short:
            self._wake.set()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self.leave()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def leave(self) -> None:
        """Give the turn back, or on."""
        self.in_use -= 1
        if not self._may_pass_on():
            self._wake.set()
            return
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.turn.done():
                self.in_use += 1
                waiter.turn.set_result(None)
                return
        self._idle += 1
        self._wake.set()

    def hold_back(self, seconds: float) -> None:
        """Pass nothing on for so long; others learn it from Valkey."""
        self._paused_until = max(self._paused_until, time.monotonic() + seconds)

    def note(self, *, failures: int, is_open: bool, down_s: float) -> None:
        """How the provider is, as just learned."""
        self.failures, self.is_open, self.down_s = failures, is_open, down_s
        self._wake.set()

    async def run(self) -> None:
        """Fetches turns, renews them and gives idle ones back, for as long as it runs."""
        while True:
            nap_s = await self._step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._wake.wait()
            early_s = max(self._next_ask, self._asked_at + TOLD_TOGETHER_S) - time.monotonic()
            if early_s > 0:
                await asyncio.sleep(min(early_s, self._timing.renewed_every_s))

    async def _step(self) -> float:
        """One exchange with Valkey, where there is a reason for one; how long to rest afterwards, unless woken."""
        self._wake.clear()
        wanted = [waiter.tokens for waiter in self._waiting if not waiter.turn.done()][: self.limits.concurrency]
        idle, self._idle = self._idle, 0
        if not (wanted or self.in_use or idle):
            self._is_short = False
            return 3600.0
        asked_at = self._asked_at = time.monotonic()
        try:
            standing = await self._sync(self, wanted)
        except RedisError:
            return self._timing.down_nap_s
        self._known_until = asked_at + self._timing.lease_s
        self._share, self._is_short = standing.share, standing.wait_s > 0
        self.failures, self.is_open, self.down_s = standing.failures, standing.is_open, standing.down_s
        self._paused_until = max(self._paused_until, asked_at + standing.paused_s)
        self._next_ask = asked_at + standing.wait_s if standing.wait_s > SLOT_NAP_S else 0.0
        self._admit(standing.granted)
        self._turn_away()
        return self._nap_s(standing)

    def _nap_s(self, standing: Standing) -> float:
        """Short where others may give turns back any moment, else until the next renewal."""
        if not self._waiting or not standing.wait_s:
            return self._timing.renewed_every_s
        holds_its_own = standing.share and self.in_use >= min(standing.share, self.limits.concurrency)
        return min(max(standing.wait_s, SHARE_NAP_S if holds_its_own else 0.0), self._timing.renewed_every_s)

    def _admit(self, granted: int) -> None:
        self.in_use += granted
        for _ in range(granted):
            while self._waiting and self._waiting[0].turn.done():
                self._waiting.popleft()
            if not self._waiting:
                self.in_use -= 1
                self._idle += 1
                continue
            self._waiting.popleft().turn.set_result(None)

    def _turn_away(self) -> None:
        """While the breaker is open nobody waits who has another way, and nobody for ever."""
        if not self.is_open:
            return
        for waiter in [one for one in self._waiting if not one.is_patient or self.down_s >= DOWN_BORNE_S]:
            self._waiting.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(self._refusal())

    def _refusal(self) -> ProviderError:
        return ProviderError(Failure.DOWN, f"not asked: the provider has been down for {self.down_s:.0f} s")

    def _may_pass_on(self) -> bool:
        """Whether a free turn may be used again without asking: nothing to count, within our share, still ours."""
        now = time.monotonic()
        return (
            not self.limits.has_rates
            and not self.is_open
            and self.in_use < self._share
            and now < self._known_until
            and now >= self._paused_until
        )
