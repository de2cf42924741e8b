"""The read plane: an ASGI application in front of Django that answers services from memory.

What it does not answer itself it hands on. The way of an answer that is held touches no database, no ORM and no
template: header digest → grant → answer, two dictionaries deep.
"""

import json
import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from prompts_app.compat.langfuse.refusals import refusal
from prompts_app.content import is_prompt_name
from prompts_app.delivery import compatible
from prompts_app.delivery.answers import nothing_new, plain, problem, refused, with_headers
from prompts_app.delivery.asking import changes_gone, natural_number
from prompts_app.delivery.feed import LONGEST_WAIT_S, MOST_STREAMS, replay, stream, wait_for_news
from prompts_app.delivery.grants import Grant
from prompts_app.delivery.memory import Held, Place, Reply
from prompts_app.delivery.reading import Change, read_changes
from prompts_app.delivery.store import Store
from prompts_app.errors import another_environment
from registry.core.api.conditions import holds
from registry.core.asgi_types import Application, Receive, Scope, Send
from registry.core.errors import NotFound, RegistryError, Unauthenticated, Unavailable
from registry.core.permissions import Permission, require
from registry.core.web import REQUEST_ID, sent_in_clear

PREFIX = "/api/v1/environments/"
# As the routes know one: what is written otherwise is no address.
ENVIRONMENT = re.compile(r"[-a-zA-Z0-9_]+")


class ReadPlane:
    """Answers what services read, and hands everything else to `inner`. Belongs to one loop. `only_https`: a key that comes
    in clear opens nothing."""

    def __init__(self, store: Store, inner: Application, *, only_https: bool = False) -> None:
        self.store = store
        self._inner = inner
        self._only_https = only_https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path.startswith(PREFIX):
            reply = self._from_memory(scope, _place_of)
            if reply is None and self._is_in_clear(scope):
                reply = problem(sent_in_clear(), "")
            elif reply is None:
                reply = await self._routed(scope, receive, send)
        elif path.startswith(compatible.PREFIX):
            reply = self._from_memory(scope, compatible.place_of)
            if reply is None and self._is_in_clear(scope):
                reply = refused(sent_in_clear(), *refusal(sent_in_clear()))
            elif reply is None:
                reply = await self._compatible(scope, receive, send)
        else:
            await self._inner(scope, receive, send)
            return
        if reply is not None:
            await send(reply[0])
            await send(reply[1])

    def _from_memory(self, scope: Scope, place_of: Callable[[Scope, Grant], Place | None]) -> Reply | None:
        """The finished answer where everything it takes is held and in order; None for every other case."""
        authorization = known = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                authorization = value
            elif name == b"if-none-match":
                known = value
            elif name == b"x-request-id":
                return None
        store = self.store
        if authorization is None or scope["method"] != "GET" or (self._only_https and self._is_in_clear(scope)):
            return None
        if time.monotonic() >= store.listener.fresh_until:
            return None
        try:
            grant = store.grants.get(authorization)
        except KeyError:
            return None
        if grant is None or not grant.reads or grant.left <= 0 or time.time() >= grant.good_until:
            return None
        place = place_of(scope, grant)
        answer = store.shelf.get(place) if place is not None else None
        if answer is None or answer.body is None:
            return None
        grant.left -= 1
        store.shelf.counts.hits += 1
        return store.shelf.reply(answer, known is not None and (known == answer.tag or _has(known, answer)))

    def _is_in_clear(self, scope: Scope) -> bool:
        """Whether the request came over plain http where that is refused."""
        return self._only_https and scope.get("scheme") != "https"

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """The same by the long way, and what clients wait for; None where another has answered."""
        environment, _, rest = scope["path"][len(PREFIX) :].partition("/")
        route, _, name = rest.partition("/")
        has_key = any(header == b"authorization" for header, _ in scope["headers"])
        is_read = scope["method"] in {"GET", "HEAD"}
        if ENVIRONMENT.fullmatch(environment):
            if is_read and has_key and route == "prompts" and is_prompt_name(name):
                return await self._answered(scope, environment, name)
            if is_read and not name and route == "snapshot":
                return await self._answered(scope, environment, "")
            if scope["method"] == "GET" and not name and route in {"changes", "stream"}:
                return await self._fed(scope, environment, route, receive, send)
        await self._inner(scope, receive, send)
        return None

    async def _compatible(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """A get of the compatible API read into memory; None where Django has answered, which knows all the other answers."""
        headers = dict(scope["headers"])
        try:
            if b"authorization" in headers and compatible.is_simple(scope):
                grant = await self.store.grant_of(headers[b"authorization"], _address_of(scope))
                self.store.count(grant)
                answer = await self.store.hold(compatible.place_of(scope, grant)) if grant.reads else None
                if answer is not None and answer.body is not None:
                    return self._completed(scope, headers, answer)
        except RegistryError as error:
            return refused(error, *refusal(error))
        await self._inner(scope, receive, send)
        return None

    async def _answered(self, scope: Scope, environment: str, name: str) -> Reply:
        """What is live of one prompt; of all where `name` is empty."""
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"").decode("latin-1")
        try:
            grant = await self._grant(scope, headers, environment)
            answer = await self.store.hold((grant.workspace_id, environment, name))
            if answer.body is None:
                raise NotFound("not_deployed", f"Nothing of that name is live in {environment}.")
            require(grant.actor, Permission.READ_LIVE)
        except RegistryError as error:
            return problem(error, request_id)
        return self._completed(scope, headers, answer)

    def _completed(self, scope: Scope, headers: dict[bytes, bytes], answer: Held) -> Reply:
        given = headers.get(b"x-request-id", b"")
        extra = [(b"x-request-id", given)] if REQUEST_ID.fullmatch(given.decode("latin-1")) else []
        if stale_s := self.store.listener.stale_s:
            extra.append((b"x-registry-stale", str(stale_s).encode()))
        known = headers.get(b"if-none-match")
        reply = answer.known() if known is not None and _has(known, answer) else answer.full()
        return with_headers(reply, extra, has_body=scope["method"] != "HEAD")

    async def _grant(self, scope: Scope, headers: dict[bytes, bytes], environment: str) -> Grant:
        """What the caller's key opens here; raises Unauthenticated, TooManyRequests and NotFound."""
        if b"authorization" not in headers:
            raise Unauthenticated("unauthenticated", "This is for keys: send `Authorization: Bearer gr_…`.")
        grant = await self.store.grant_of(headers[b"authorization"], _address_of(scope))
        self.store.count(grant)
        if grant.environment and grant.environment != environment:
            raise another_environment(grant.environment)
        return grant

    async def _fed(self, scope: Scope, environment: str, route: str, receive: Receive, send: Send) -> Reply | None:
        """What moved: as a long poll, or as a stream."""
        headers = dict(scope["headers"])
        try:
            grant = await self._grant(scope, headers, environment)
            await self.store.at((grant.workspace_id, environment))
            require(grant.actor, Permission.READ_LIVE)
            if route == "changes":
                return await self._changes(grant, environment, scope, headers[b"authorization"])
            await self._stream(grant, environment, headers, receive, send)
        except RegistryError as error:
            return problem(error, headers.get(b"x-request-id", b"").decode("latin-1"))
        return None

    async def _changes(self, grant: Grant, environment: str, scope: Scope, authorization: bytes) -> Reply:
        query = _query(scope)
        since = natural_number(query.get("since", [""])[0], "since")
        wait_s = min(natural_number(query.get("wait", [""])[0], "wait", 0), LONGEST_WAIT_S)
        place = (grant.workspace_id, environment)
        with self.store.feed.subscribed(place, grant.public_id) as subscriber:
            changes = await self._read_changes(grant.workspace_id, environment, since)
            if not changes and wait_s and not subscriber.ended:
                await wait_for_news(subscriber, wait_s)
                await self.store.grant_of(authorization, _address_of(scope))
                changes = await self._read_changes(grant.workspace_id, environment, since)
        at = await self.store.at(place)
        if not changes:
            return nothing_new(at.revision, self.store.listener.stale_s)
        body = {"revision": changes[-1].revision, "epoch": at.epoch, "changes": [one.to_json() for one in changes]}
        return plain(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())

    async def _read_changes(self, workspace_id: int, environment: str, since: int) -> list[Change]:
        changes = await self.store.readers.read(read_changes, workspace_id, environment, since)
        if changes is None:
            at = await self.store.at((workspace_id, environment))
            raise changes_gone(since, at.revision, at.epoch)
        return changes

    async def _stream(
        self, grant: Grant, environment: str, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        if self.store.feed.count >= MOST_STREAMS:
            raise Unavailable("streams.full", "This process holds as many streams as it can.", retry_after=30)
        since = headers.get(b"last-event-id", b"")
        with self.store.feed.subscribed((grant.workspace_id, environment), grant.public_id) as subscriber:
            missed = []
            if since:
                number = int(since) if since.isdigit() and len(since) < 19 else -1
                missed = replay(await self.store.readers.read(read_changes, grant.workspace_id, environment, number))
            await stream(subscriber, missed, receive, send)


def _place_of(scope: Scope, grant: Grant) -> Place | None:
    """Where what is live is held; None for other addresses, and for what a service key may not see."""
    environment, _, prompt = scope["path"][len(PREFIX) :].partition("/prompts/")
    if not prompt or (grant.environment and grant.environment != environment):
        return None
    return grant.workspace_id, environment, prompt


def _address_of(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _has(known: bytes, answer: Held) -> bool:
    """Whether the caller has this answer."""
    return holds(known.decode("latin-1"), answer.tag.decode())


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope["query_string"].decode("latin-1"))
