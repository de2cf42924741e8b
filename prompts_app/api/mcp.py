"""`/mcp`: the prompts of a service key's environment for hosts of the Model Context Protocol, over streamable HTTP."""

from http import HTTPStatus
from typing import Any

import structlog
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from prompts_app.api.delivery import ReadPlaneThrottle
from prompts_app.mcp.protocol import (
    STATELESS,
    VERSION_HEADER,
    Code,
    Fault,
    Id,
    error,
    is_stateless,
    read_message,
    result,
    status_of,
)
from prompts_app.mcp.serving import answer, data_of
from prompts_app.visibility import sees_only_live
from registry.core.actor import Actor
from registry.core.api.authentication import RegistryAuthentication, refuse_other_sites
from registry.core.api.problems import as_registry_error
from registry.core.api.views import RegistryView
from registry.core.errors import Forbidden, Invalid, RegistryError, ServerError

log = structlog.get_logger(__name__)


class BearerAuthentication(RegistryAuthentication):
    """Keys only, and only as Bearer: nobody who is signed in is taken for the caller."""

    def authenticate(self, request: Request) -> tuple[Any, Actor] | None:
        """The key's actor; None without a Bearer header, which is 401."""
        is_bearer = request.headers.get("Authorization", "").lower().startswith("bearer ")
        return super().authenticate(request) if is_bearer else None


class McpView(RegistryView):
    """One URL, one message a POST, no session: every request stands for itself. There is no stream to GET."""

    authentication_classes = [BearerAuthentication]
    throttle_classes = [ReadPlaneThrottle]
    is_change = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After the caller is known: only pages of this very server may ask from a browser, and only service keys."""
        super().initial(request, *args, **kwargs)
        refuse_other_sites(request)
        if not sees_only_live(self.actor):
            raise Forbidden("actor.key", "This is for service keys: an admin makes one for an environment.")

    @extend_schema(exclude=True)
    def post(self, request: Request) -> HttpResponse:
        """One message."""
        id: Id = None
        stateless = request.headers.get(VERSION_HEADER) in STATELESS
        try:
            message = read_message(request.data)
            id = message.id
            stateless = is_stateless(message, request.headers)
            if message.is_notification:
                return HttpResponse(status=202)
            told = answer(self.actor, message, stateless=stateless)
        except Fault as fault:
            return Response(error(id, fault), status=status_of(fault, stateless=stateless), headers=UNKEPT)
        return Response(result(message, told, stateless=stateless), headers=UNKEPT)

    def handle_exception(self, exc: Exception) -> Response:
        """Every refusal before a message was read as an error of JSON-RPC, which is what clients show."""
        set_rollback()
        refused = as_registry_error(exc)
        if refused is None:
            log.exception("request.failed", path=self.request.path)
            refused = ServerError("server.error", "Something failed here: the log has it under this request id.")
        return refusal(refused, allowed=isinstance(exc, exceptions.MethodNotAllowed))


UNKEPT = {"Cache-Control": "no-store"}


def refusal(refused: RegistryError, *, allowed: bool = False) -> Response:
    """A refusal of the whole request, with its status."""
    is_parsing = isinstance(refused, Invalid) and refused.code == "json.invalid"
    code = Code.PARSE if is_parsing else Code.INTERNAL if refused.status >= 500 else Code.REFUSED
    headers = {**UNKEPT, **refused.waiting}
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="greenroom"'
    if allowed:
        headers["Allow"] = "POST"
    fault = Fault(code, refused.detail, data_of(refused))
    return Response(error(None, fault), status=400 if is_parsing else refused.status, headers=headers)
