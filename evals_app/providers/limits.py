"""Providers' limits and breakers, shared by all workers through Valkey: concurrency, requests and tokens per minute, pauses.

Turns are leases that are renewed while their worker lives and end by themselves when it dies. Rates are token buckets that hold a tenth of
a minute's worth and fill at nine tenths of the rate, so that no window of a minute sees more than the limit. While several
workers wait, each keeps no more than its share of the turns.

A breaker opens after ten failures in a row, whoever met them. While it is open nobody is asked; every five seconds one
question is let through, and an answer closes it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
import structlog
from redis.exceptions import RedisError

from evals_app.providers.gate import Gate, Limits, Standing, Timing
from evals_app.providers.scripts import FAILED, SYNC
from evals_app.providers.talk import Answer, ProviderError

LEASE_S = 4.0
RENEWED_EVERY_S = 0.25
DOWN_NAP_S = 1.0
ANSWERS_WITHIN_S = 2.0
OPENS_AFTER = 10
OPEN_S = 5.0
# One who was let through a half-open breaker and has not come back by then is given up; at once where the very process that was
# let through holds no turn any more, since the word that let it through came too late.
PROBE_S = 60.0

__all__ = ["Limits", "SharedLimits", "Turn"]

log = structlog.get_logger(__name__)


@dataclass
class Turn:
    """Leave to ask one question. Before giving it back, set what came of it, and whether the provider is alive."""

    tokens_reserved: int
    tokens_used: int | None = None
    is_alive: bool | None = None
    outcome: Answer | ProviderError | None = None


class SharedLimits:
    """Hands out turns. While Valkey cannot be reached nobody gets a new one: questions wait, nothing crashes."""

    def __init__(self, url: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=8,
            timeout=None,
            socket_timeout=ANSWERS_WITHIN_S,
            socket_connect_timeout=ANSWERS_WITHIN_S,
        )
        self._valkey = redis.asyncio.Redis(connection_pool=pool)
        self._sync_script = self._valkey.register_script(SYNC)
        self._failed_script = self._valkey.register_script(FAILED)
        self._me = secrets.token_hex(8)
        self._gates: dict[int, tuple[Gate, asyncio.Task[None]]] = {}
        self._is_down = False

    async def close(self) -> None:
        """Gives everything back and closes the connections."""
        for _, task in self._gates.values():
            task.cancel()
        await asyncio.gather(*(task for _, task in self._gates.values()), return_exceptions=True)
        for gate, _ in self._gates.values():
            gate.in_use = 0
            try:
                await self._sync(gate, ())
            except RedisError:
                break
        await self._valkey.aclose()
        await self._valkey.connection_pool.disconnect()

    @asynccontextmanager
    async def turn(self, limits: Limits, *, tokens: int, is_patient: bool = True) -> AsyncIterator[Turn]:
        """Waits for a turn and holds it; `tokens` is an estimate of what the question will use.

        Raises ProviderError `down` while the breaker is open: at once, or if patient when it has been for 30 s.
        """
        gate = self._gate(limits)
        turn = Turn(tokens)
        await gate.enter(tokens=tokens, is_patient=is_patient)
        try:
            yield turn
        finally:
            if turn.tokens_used is not None and limits.tokens_per_minute is not None:
                gate.spare_tokens += turn.tokens_reserved - turn.tokens_used
            try:
                if turn.is_alive is False or (turn.is_alive and (gate.failures or gate.is_open)):
                    await asyncio.shield(self._report(gate, is_alive=turn.is_alive))
            finally:
                # Not before: who was let through an open breaker and holds no turn is taken to have come back in vain.
                gate.leave()

    async def pause(self, provider_id: int, seconds: float) -> None:
        """Nobody gets a turn at this provider for so long; the longest of several pauses holds."""
        if provider_id in self._gates:
            self._gates[provider_id][0].hold_back(seconds)
        key, pause_ms = key_of(provider_id, "pause"), max(1, int(seconds * 1000))
        try:
            async with self._valkey.pipeline(transaction=True) as both:
                both.set(key, 1, px=pause_ms, nx=True)
                both.pexpire(key, pause_ms, gt=True)
                await both.execute()
        except RedisError as error:
            self._note_down(error)

    def _gate(self, limits: Limits) -> Gate:
        found = self._gates.get(limits.provider_id)
        if found is None:
            gate = Gate(limits, self._sync, Timing(LEASE_S, RENEWED_EVERY_S, DOWN_NAP_S))
            self._gates[limits.provider_id] = found = (gate, asyncio.create_task(gate.run()))
        found[0].limits = limits
        return found[0]

    async def _sync(self, gate: Gate, wanted: Sequence[int]) -> Standing:
        limits, spare = gate.limits, gate.spare_tokens
        parts = ("slots", "held", "queue", "requests", "tokens", "pause", "breaker")
        arguments: list[str | int] = [
            self._me,
            limits.concurrency,
            int(LEASE_S * 1000),
            limits.requests_per_minute or 0,
            limits.tokens_per_minute or 0,
            gate.in_use,
            spare,
            int(PROBE_S * 1000),
            *wanted,
        ]
        try:
            answer = await self._sync_script(keys=[key_of(limits.provider_id, part) for part in parts], args=arguments)
        except RedisError as error:
            self._note_down(error)
            raise
        self._is_down = False
        gate.spare_tokens -= spare
        granted, wait_ms, share, failures, is_open, down_ms, paused_ms = map(int, answer)
        return Standing(
            granted, wait_ms / 1000, share, failures, bool(is_open), down_ms / 1000, paused_s=paused_ms / 1000
        )

    async def _report(self, gate: Gate, *, is_alive: bool) -> None:
        key = key_of(gate.limits.provider_id, "breaker")
        try:
            if is_alive:
                was_open = gate.is_open
                gate.note(failures=0, is_open=False, down_s=0.0)
                await self._valkey.delete(key)
                if was_open:
                    log.info("provider.breaker_closed", provider=gate.limits.provider_id)
                return
            answer = await self._failed_script(keys=[key], args=[OPENS_AFTER, int(OPEN_S * 1000)])
        except RedisError as error:
            self._note_down(error)
            return
        failures, is_open, down_ms = map(int, answer)
        if is_open and not gate.is_open:
            log.warning("provider.breaker_opened", provider=gate.limits.provider_id, failures=failures)
        gate.note(failures=failures, is_open=bool(is_open), down_s=down_ms / 1000)

    def _note_down(self, error: RedisError) -> None:
        if not self._is_down:
            effect = "questions to providers wait until it is back"
            log.warning("limits.valkey_unreachable", effect=effect, error=str(error))
        self._is_down = True


def key_of(provider_id: int, part: str) -> str:
    """Where Valkey keeps one part of what is known of a provider."""
    return f"greenroom:limit:{{{provider_id}}}:{part}"
