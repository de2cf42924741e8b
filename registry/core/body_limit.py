"""The largest body that any route takes, held in front of Django: it would read a body to its end before it asked."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from registry.core.asgi_types import Application, Receive, Scope, Send
from registry.core.errors import PROBLEM, TooLarge


class BodyLimit:
    """An ASGI application around another: 413 from the declared length, else as soon as too much has come in."""

    def __init__(self, application: Application, most: int) -> None:
        self.application = application
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer for it."""
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        if _declared(scope) > self.most:
            await self._refuse(send)
            return
        taken = 0

        async def counted() -> Mapping[str, Any]:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.most:
                raise _TooMuchError
            return message

        try:
            await self.application(scope, counted, send)
        except _TooMuchError:
            await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        error = TooLarge("body.too_large", f"The body has more than {self.most} bytes, which no route takes.")
        body = json.dumps(error.to_problem(uuid.uuid4().hex)).encode()
        headers = [
            (b"content-type", PROBLEM.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": error.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _TooMuchError(Exception):
    """Raised where Django reads the body, before it has answered anything."""


def _declared(scope: Scope) -> int:
    value = dict(scope.get("headers", ())).get(b"content-length", b"")
    return int(value) if value.isdigit() else 0
