"""One provider's limits, shared by all workers through Valkey: concurrency, requests and tokens per minute, pauses.

Concurrency is a set of leases that are renewed while their worker lives and end by themselves when it dies. Rates are token buckets that hold a tenth of
a minute's worth and fill at nine tenths of the rate, so that no window of a minute sees more than the limit.
Valkey's clock is the only clock.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio
import structlog
from redis.exceptions import RedisError

LEASE_S = 4.0
RENEWED_EVERY_S = 1.0
LONGEST_NAP_S = 1.0
DOWN_NAP_S = 1.0

log = structlog.get_logger(__name__)

# Returns how many milliseconds to wait before asking again; 0 = go ahead. Asking again with the same lease is harmless.
_TAKE = """
local slots, requests, tokens, pause = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local lease, most, lease_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local per_minute, tokens_per_minute, need = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if redis.call('ZSCORE', slots, lease) then return 0 end
local paused = redis.call('PTTL', pause)
if paused > 0 then return paused end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
if redis.call('ZCARD', slots) >= most then return 20 end
local function look(key, rate)
  local room = math.max(1, rate / 10)
  local fill = math.max(rate * 0.9, math.min(rate, 1)) / 60000
  local held = redis.call('HMGET', key, 'level', 'at')
  local level = room
  if held[1] then level = math.min(room, tonumber(held[1]) + (now - tonumber(held[2])) * fill) end
  return level, room, fill
end
local wait, request_level, token_level = 0, 0, 0
if per_minute > 0 then
  local level, _, fill = look(requests, per_minute)
  if level < 1 then wait = math.max(wait, (1 - level) / fill) end
  request_level = level - 1
end
if tokens_per_minute > 0 then
  local level, room, fill = look(tokens, tokens_per_minute)
  local least = math.min(need, room)
  if level < least then wait = math.max(wait, (least - level) / fill) end
  token_level = level - need
end
if wait > 0 then return math.ceil(wait) end
if per_minute > 0 then redis.call('HSET', requests, 'level', request_level, 'at', now); redis.call('PEXPIRE', requests, 120000) end
if tokens_per_minute > 0 then redis.call('HSET', tokens, 'level', token_level, 'at', now); redis.call('PEXPIRE', tokens, 600000) end
redis.call('ZADD', slots, now + lease_ms, lease)
redis.call('PEXPIRE', slots, lease_ms + 60000)
return 0
"""
# Only leases that still stand: one that ended meanwhile may belong to somebody else's turn by now.
_RENEW = """
local t = redis.call('TIME')
local ends = t[1] * 1000 + math.floor(t[2] / 1000) + tonumber(ARGV[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', ends, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1] + 60000)
return 0
"""
_GIVE_BACK = """
redis.call('ZREM', KEYS[1], ARGV[1])
local level = redis.call('HGET', KEYS[2], 'level')
if level then redis.call('HSET', KEYS[2], 'level', tonumber(level) + tonumber(ARGV[2])) end
return 0
"""


@dataclass(frozen=True)
class Limits:
    """What the provider bears. None: no limit."""

    provider_id: int
    concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass
class Turn:
    """Leave to ask one question; set `tokens_used` before giving it back, when known."""

    tokens_reserved: int
    tokens_used: int | None = None


class SharedLimits:
    """Hands out turns. While Valkey cannot be reached nobody gets one: questions wait, nothing crashes."""

    def __init__(self, url: str) -> None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url, max_connections=8, timeout=None, socket_timeout=2, socket_connect_timeout=2
        )
        self._valkey = redis.asyncio.Redis(connection_pool=pool)
        self._take = self._valkey.register_script(_TAKE)
        self._give_back = self._valkey.register_script(_GIVE_BACK)
        self._renew = self._valkey.register_script(_RENEW)
        self._local: dict[int, tuple[int, asyncio.Semaphore]] = {}
        self._held: dict[int, set[str]] = defaultdict(set)
        self._keeper: asyncio.Task[None] | None = None
        self._is_down = False

    async def close(self) -> None:
        """Closes the connections."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._valkey.aclose()
        await self._valkey.connection_pool.disconnect()

    @asynccontextmanager
    async def turn(self, limits: Limits, *, tokens: int) -> AsyncIterator[Turn]:
        """Waits for a turn and holds it; `tokens` is an estimate of what the question will use."""
        lease = secrets.token_hex(8)
        turn = Turn(tokens)
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        async with self._within(limits):
            try:
                await self._wait(limits, lease, tokens=tokens)
                self._held[limits.provider_id].add(lease)
                yield turn
            finally:
                self._held[limits.provider_id].discard(lease)
                await self._end(limits, lease, turn)

    async def pause(self, provider_id: int, seconds: float) -> None:
        """Nobody gets a turn at this provider for so long; a shorter pause never shortens a longer one."""
        try:
            await self._valkey.set(_key(provider_id, "pause"), 1, px=max(1, int(seconds * 1000)), nx=True)
        except RedisError:
            self._note_down()

    def _within(self, limits: Limits) -> asyncio.Semaphore:
        """Holds this process's questions back before they ask Valkey over and over."""
        most, semaphore = self._local.get(limits.provider_id, (0, None))
        if semaphore is None or most != limits.concurrency:
            semaphore = asyncio.Semaphore(limits.concurrency)
            self._local[limits.provider_id] = (limits.concurrency, semaphore)
        return semaphore

    async def _keep(self) -> None:
        """Renews what this process holds, for as long as it lives."""
        while True:
            await asyncio.sleep(RENEWED_EVERY_S)
            for provider_id, leases in list(self._held.items()):
                try:
                    if leases:
                        await self._renew(keys=[_key(provider_id, "slots")], args=[int(LEASE_S * 1000), *leases])
                except RedisError:
                    self._note_down()

    async def _wait(self, limits: Limits, lease: str, *, tokens: int) -> None:
        keys = [_key(limits.provider_id, part) for part in ("slots", "requests", "tokens", "pause")]
        arguments: list[str | int] = [
            lease,
            limits.concurrency,
            int(LEASE_S * 1000),
            limits.requests_per_minute or 0,
            limits.tokens_per_minute or 0,
            tokens,
        ]
        while True:
            try:
                wait_ms = int(await self._take(keys=keys, args=arguments))
            except RedisError:
                self._note_down()
                await asyncio.sleep(DOWN_NAP_S)
                continue
            self._is_down = False
            if wait_ms <= 0:
                return
            await asyncio.sleep(min(wait_ms / 1000, LONGEST_NAP_S))

    async def _end(self, limits: Limits, lease: str, turn: Turn) -> None:
        spare = 0 if turn.tokens_used is None else turn.tokens_reserved - turn.tokens_used
        keys = [_key(limits.provider_id, "slots"), _key(limits.provider_id, "tokens")]
        try:
            await asyncio.shield(self._give_back(keys=keys, args=[lease, spare]))
        except RedisError:
            self._note_down()

    def _note_down(self) -> None:
        if not self._is_down:
            log.warning("limits.valkey_unreachable", effect="questions to providers wait until it is back")
        self._is_down = True


def _key(provider_id: int, part: str) -> str:
    return f"greenroom:limit:{{{provider_id}}}:{part}"
