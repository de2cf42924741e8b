"""What a process knows of what is live, and how it stays true: filled from the database, dropped by what it hears."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prompts_app.delivery import compatible
from prompts_app.delivery.bodies import live_entry
from prompts_app.delivery.feed import Environment, Feed
from prompts_app.delivery.grants import (
    MINUTE_S,
    Grant,
    Grants,
    ended_among,
    headers_of,
    note_used,
    read_grant,
    token_of,
)
from prompts_app.delivery.limits import UnknownKeys
from prompts_app.delivery.listener import Hooks, Listener
from prompts_app.delivery.memory import Held, Place, Shelf, held
from prompts_app.delivery.readers import Readers
from prompts_app.delivery.reading import find_live, known_environments, read_environment_snapshot
from registry.core.errors import NotFound, RegistryError, TooManyRequests, Unauthenticated

KEYS_READ_AGAIN_EVERY_S = 5.0
CHECKED_EVERY_S, CHECKED_BYTES = 1.0, 1_000_000
USE_NOTED_EVERY_S = 10.0


@dataclass(slots=True)
class _Fill:
    """A place being read; `is_void` once it changed meanwhile: what was read may be older than the change."""

    task: "asyncio.Task[Held]"
    is_void: bool = False


@dataclass(frozen=True)
class At:
    """Where an environment stands."""

    revision: int
    epoch: int


class Store:
    """Answers and keys of one process, in one loop."""

    def __init__(self, parameters: Mapping[str, Any], *, most_bytes: int, per_minute: int) -> None:
        self.shelf = Shelf(most_bytes)
        self.grants = Grants()
        self.feed = Feed()
        self.listener = Listener(parameters, Hooks(self._changed, self._reconnected))
        self.readers = Readers()
        self.per_minute = per_minute
        self.unknown_keys = UnknownKeys()
        self._fills: dict[Place, _Fill] = {}
        self._at: dict[Environment, At] = {}
        self._used_keys: set[int] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen."""
        work = (
            self.listener.run(),
            self._every(KEYS_READ_AGAIN_EVERY_S, self._watch_keys),
            self._every(CHECKED_EVERY_S, self._check_memory),
        )
        self._tasks = [asyncio.create_task(one) for one in (*work, self._every(USE_NOTED_EVERY_S, self._note_use))]

    async def stop(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.readers.close()

    async def grant_of(self, authorization: bytes, address: str) -> Grant:
        """What the key in a header opens; raises Unauthenticated, TooManyRequests for an address that makes keys up, and
        Unavailable where it must be read and cannot be."""
        try:
            grant = self.grants.get(authorization)
        except KeyError:
            grant = await self._checked(authorization, address)
        if grant is None or time.time() >= grant.expires_at:
            detail = "This key is unknown, expired or revoked: ask an admin for a new one."
            raise Unauthenticated("key.unknown", detail)
        self._used_keys.add(grant.actor.id)
        return grant

    async def _checked(self, authorization: bytes, address: str) -> Grant | None:
        """The grant of a header that is not held: that of its key, however the header is spelt, so that a key is counted and
        asked about as one. Only the usual spellings are held."""
        token = token_of(authorization)
        if token is None:
            raise Unauthenticated("key.malformed", "Send `Authorization: Bearer gr_…` with a key of this server.")
        bearer, basic = headers_of(token)
        try:
            grant = self.grants.get(bearer)
        except KeyError:
            self.unknown_keys.refuse_more(address)
            with self.grants.checking(token.public_id) as check:
                grant = await self.readers.read(read_grant, token)
            if grant is None:
                self.unknown_keys.note(address)
            if check.is_void:
                return grant
            grant = self.grants.held(bearer, token.public_id, grant)
        if authorization == basic:
            self.grants.put(basic, token.public_id, grant)
        return grant

    def count(self, grant: Grant) -> None:
        """Count a request; raises TooManyRequests past what a key may ask of a process in a minute."""
        now = time.time()
        if not grant.counts(now, self.per_minute):
            detail = f"More than {self.per_minute} fetches in a minute from this process: keep what you fetched."
            raise TooManyRequests("rate.limited", detail, retry_after=MINUTE_S - int(now) % MINUTE_S)

    async def hold(self, place: Place) -> Held:
        """The answer for a place, from memory or read into it; several who ask at once share one reading."""
        found = self.shelf.get(place)
        if found is not None:
            self.shelf.counts.hits += 1
            return found
        fill = self._fills.get(place)
        if fill is None:
            self.shelf.counts.misses += 1
            fill = self._fills[place] = _Fill(asyncio.create_task(self._fill(place)))
        return await asyncio.shield(fill.task)

    async def at(self, environment: Environment) -> At:
        """Where an environment stands; raises NotFound."""
        if environment not in self._at:
            known = await self.readers.read(known_environments, [environment])
            if environment not in known:
                raise NotFound("environment.not_found", "This workspace has no environment of that name.")
            self._at.setdefault(environment, At(*known[environment]))
        return self._at[environment]

    def revisions(self) -> Mapping[Environment, At]:
        """Where the environments stand of which something is held."""
        return dict(self._at)

    async def _fill(self, place: Place) -> Held:
        """Read until what was read is not older than a change that came meanwhile."""
        try:
            while True:
                fill = self._fills[place]
                fill.is_void = False
                # Where the environment stands is read first: a change after it is noticed when nothing was heard.
                if not compatible.is_compatible(place[:2]):
                    await self.at(place[:2])
                answer = await self._read(place)
                if not fill.is_void:
                    self.shelf.put(answer)
                    return answer
        finally:
            del self._fills[place]

    async def _read(self, place: Place) -> Held:
        workspace, environment, prompt = place
        if compatible.is_compatible(place[:2]):
            found = await self.readers.read(compatible.read_compatible, *place)
            return held(place, found, is_versioned=False)
        if not prompt:
            return held(place, await self.readers.read(read_environment_snapshot, workspace, environment))
        live = await self.readers.read(find_live, workspace, environment, prompt)
        return held(place, live_entry(live) if live else None)

    def _changed(self, message: Mapping[str, Any]) -> None:
        """Drop what a change concerns, and tell who waits."""
        match message["kind"]:
            case "live":
                environment, prompt = (
                    (int(message["workspace_id"]), str(message["environment"])),
                    str(message["prompt"]),
                )
                revision = int(message["revision"])
                self._drop((*environment, prompt))
                self._drop((*environment, ""))
                self._drop_environment(compatible.group_of(environment[0], prompt))
                if environment in self._at:
                    self._at[environment] = At(revision, self._at[environment].epoch)
                self.feed.moved(environment, revision, prompt)
            case "prompt":
                self._drop_environment(compatible.group_of(int(message["workspace_id"]), str(message["prompt"])))
            case "key":
                self.grants.drop(str(message["public_id"]))
                self.feed.key_changed(str(message["public_id"]))
            case "environment":
                environment = (int(message["workspace_id"]), str(message["environment"]))
                self._drop_environment(environment)
                self._drop_compatible(environment[0])
                self.feed.environment_ended(environment)
            case "workspace":
                for environment in [one for one in self._at if one[0] == int(message["workspace_id"])]:
                    self._drop_environment(environment)
                self._drop_compatible(int(message["workspace_id"]))
                self.feed.may_have_moved()

    def _drop(self, place: Place) -> None:
        self.shelf.drop(place)
        if place in self._fills:
            self._fills[place].is_void = True

    def _drop_environment(self, environment: Environment) -> None:
        self._at.pop(environment, None)
        self.shelf.drop_environment(environment)
        for place, fill in self._fills.items():
            fill.is_void = fill.is_void or place[:2] == environment

    def _drop_compatible(self, workspace_id: int | None = None) -> None:
        """Everything of the compatible API, of one workspace or of all: labels have no revision to compare."""
        held_now = (*self.shelf.environments(), *(place[:2] for place in self._fills))
        for group in held_now:
            if compatible.is_compatible(group) and workspace_id in {None, group[0]}:
                self._drop_environment(group)

    async def _reconnected(self) -> None:
        """Before anything new is heard: drop what moved while nothing was heard, and every key that ended."""
        for fill in self._fills.values():
            fill.is_void = True
        self._drop_compatible()
        before = dict(self._at)
        now = await self.readers.read(known_environments, before) if before else {}
        for environment, at in before.items():
            if environment not in now or At(*now[environment]) != at:
                self._drop_environment(environment)
        self.feed.may_have_moved()
        await self._read_keys_again()

    async def _check_memory(self) -> None:
        self.shelf.check(CHECKED_BYTES)

    async def _watch_keys(self) -> None:
        """While changes may go unheard, ask which keys have ended."""
        if self.listener.stale_s:
            await self._read_keys_again()

    async def _read_keys_again(self) -> None:
        self.grants.forget_unknown()
        public_ids = tuple(self.grants.public_ids())
        if public_ids:
            for public_id in await self.readers.read(ended_among, public_ids):
                self.grants.drop(public_id)
                self.feed.key_changed(public_id)

    async def _note_use(self) -> None:
        used, self._used_keys = self._used_keys | self.grants.used_since(time.time() - USE_NOTED_EVERY_S), set()
        if used:
            await self.readers.read(note_used, used)

    async def _every(self, seconds: float, work: Callable[[], Any]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except RegistryError:
                continue  # the database does not answer: the next time
