"""Hearing of changes: one connection that listens, one that says so, and an honest clock of how long nothing was heard.

Once a second a process sends a beat to itself through the database. Notifications come in commit order, so a beat that
comes back proves that every change committed before it was sent has been heard. Only then is the process's heartbeat
renewed, by the database's time of the beat; a change is waited for by whoever made it as long as that heartbeat is
under five seconds old, while the process itself marks its answers from its own clock after four.
"""

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg import sql

from registry.core.broadcast import CHANNEL

BEAT_EVERY_S = 1.0
FRESH_FOR_S = 4.0  # less than prompts_app.delivery.propagation.LIVE_FOR_S
CONNECTS_WITHIN_S = 3
APPLICATION_NAME = "greenroom delivery"
QUICKEST_RECONNECT_S, SLOWEST_RECONNECT_S = 0.05, 2.0

log = structlog.get_logger(__name__)

_BEAT = "SELECT pg_notify(%s, %s), clock_timestamp()"
_HEARTBEAT = """
INSERT INTO prompts_app_deliveryprocess (id, started_at, heartbeat_at) VALUES (%s, %s, %s)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = EXCLUDED.heartbeat_at
"""
_SEEN = """
INSERT INTO prompts_app_deliveryseen (process_id, environment_id, revision)
SELECT %s, environment.id, %s FROM prompts_app_environment environment
WHERE environment.id = %s AND EXISTS (SELECT FROM prompts_app_deliveryprocess WHERE id = %s)
ON CONFLICT (process_id, environment_id) DO UPDATE SET revision = greatest(prompts_app_deliveryseen.revision, EXCLUDED.revision)
"""
_HEARD = "UPDATE prompts_app_deliveryprocess SET heartbeat_at = greatest(heartbeat_at, %s::timestamptz) WHERE id = %s"
_GONE = "DELETE FROM prompts_app_deliveryprocess WHERE id = %s OR heartbeat_at < now() - interval '1 hour'"

type Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True)
class Hooks:
    """What the listener tells: a change, and that it is connected (again), before it hears of anything."""

    changed: Callable[[Mapping[str, Any]], None]
    connected: Callable[[], Awaitable[None]]


class Listener:
    """Listens for as long as `run` runs, connecting again whenever the connection is lost."""

    def __init__(self, parameters: Mapping[str, Any], hooks: Hooks) -> None:
        self.id = uuid.uuid4()
        self._parameters = {
            **parameters,
            "connect_timeout": CONNECTS_WITHIN_S,
            "application_name": APPLICATION_NAME,
            "autocommit": True,
        }
        self._hooks = hooks
        self._own_channel = f"greenroom_beat_{self.id.hex}"
        self._beats = 0
        self._came_back = asyncio.Event()
        self._is_registered = asyncio.Event()
        self._to_say: dict[int, int] = {}
        self._asked_at = ""
        self._has_to_say = asyncio.Event()
        # By the monotonic clock: until then every change is heard in time.
        self.fresh_until = time.monotonic()
        self.is_connected = False
        self.reconnects = 0

    @property
    def stale_s(self) -> int:
        """Whole seconds for which changes may have gone unheard; 0 while all is well."""
        late = time.monotonic() - self.fresh_until
        return 0 if late < 0 else max(1, int(late + FRESH_FOR_S))

    async def run(self) -> None:
        """Listen until cancelled."""
        wait_s = QUICKEST_RECONNECT_S
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("delivery.listener_lost", error=(str(error) or repr(error)).splitlines()[0])
            except Exception:  # a bug must not end the hearing for good: answers would go stale in silence
                log.exception("delivery.listener_failed")
            if self.is_connected:
                self.is_connected, wait_s = False, QUICKEST_RECONNECT_S
                self.reconnects += 1
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - spreads load
            wait_s = min(wait_s * 2, SLOWEST_RECONNECT_S)

    async def _listen(self) -> None:
        connect = psycopg.AsyncConnection.connect
        async with await connect(**self._parameters) as ear, await connect(**self._parameters) as mouth:
            for channel in (CHANNEL, self._own_channel):
                await ear.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            await self._hooks.connected()
            self._is_registered.clear()
            self.is_connected = True
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._hear(ear))
                    tasks.create_task(self._beat(mouth))
                    tasks.create_task(self._say(mouth))
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            finally:
                # First the mark on our own answers, then the leave for others not to wait for us.
                self.fresh_until = min(self.fresh_until, time.monotonic())
                with contextlib.suppress(psycopg.Error):
                    await asyncio.shield(mouth.execute(_GONE, [self.id]))

    async def _hear(self, ear: Connection) -> None:
        async for heard in ear.notifies():
            if heard.channel == CHANNEL:
                self._take(json.loads(heard.payload))
            elif heard.payload == str(self._beats):
                self._came_back.set()
        raise ConnectionError("the connection ended")

    def _take(self, message: Mapping[str, Any]) -> None:
        self._hooks.changed(message)
        if message["kind"] == "live":
            environment, revision = int(message["environment_id"]), int(message["revision"])
            self._to_say[environment] = max(revision, self._to_say.get(environment, 0))
            self._has_to_say.set()
        elif message["kind"] == "ask":
            self._asked_at = str(message["at"])
            self._has_to_say.set()

    async def _beat(self, mouth: Connection) -> None:
        while True:
            began = time.monotonic()
            self._beats += 1
            self._came_back.clear()
            async with asyncio.timeout(FRESH_FOR_S):
                row = await (await mouth.execute(_BEAT, [self._own_channel, str(self._beats)])).fetchone()
                await self._came_back.wait()
                assert row is not None
                await mouth.execute(_HEARTBEAT, [self.id, row[1], row[1]])
            self.fresh_until = began + FRESH_FOR_S
            self._is_registered.set()
            await asyncio.sleep(BEAT_EVERY_S)

    async def _say(self, mouth: Connection) -> None:
        """Tell those who wait that a change has been heard."""
        await self._is_registered.wait()
        while True:
            await self._has_to_say.wait()
            self._has_to_say.clear()
            seen, self._to_say = self._to_say, {}
            asked_at, self._asked_at = self._asked_at, ""
            if asked_at:
                await mouth.execute(_HEARD, [asked_at, self.id])
            for environment, revision in seen.items():
                await mouth.execute(_SEEN, [self.id, revision, environment, self.id])
