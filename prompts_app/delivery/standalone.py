"""What a process that only delivers lets through to Django: reads of services, rendering, `/mcp`, what they report, and its health."""

import re

from django.conf import settings

from prompts_app.delivery.answers import problem
from registry.core.asgi_types import Application, Receive, Scope, Send
from registry.core.errors import NotFound

_HEALTH = {"/livez", "/readyz"}
_PATHS = re.compile(r"/metrics|/api/v1/prompts/.+/(?:versions|digests)/[^/]+")
_LIVE = re.compile(r"/api/v1/environments/[^/]+/(?:prompts/.+|snapshot)")


class OnlyReads:
    """An ASGI application around Django that answers 404 for everything that services do not read."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or self._is_read(scope["method"], scope["path"]):
            await self._inner(scope, receive, send)
            return
        where = f"This process only delivers: ask the registry itself, {settings.PUBLIC_URL}."
        for message in problem(NotFound("not_found", where), ""):
            await send(message)

    def _is_read(self, method: str, path: str) -> bool:
        if path == "/mcp" or path in _HEALTH:
            return True
        if method == "POST":
            return path == "/api/v1/usage/reports" or (bool(_LIVE.fullmatch(path)) and path.endswith("/render"))
        return method in {"GET", "HEAD"} and bool(_PATHS.fullmatch(path) or _LIVE.fullmatch(path))
