"""Refusals in the log: who was told that they may not, and at which route. What was sent is no part of it."""

import logging

import structlog
from django.http import HttpRequest

from registry.core.actor import Actor
from registry.core.errors import Forbidden, Invalid, RegistryError, TooLarge, TooManyRequests, Unauthenticated
from registry.core.models import User
from registry.core.web import address_of, is_api

log = structlog.get_logger(__name__)


def note_refusal(request: HttpRequest, error: RegistryError, actor: object = None) -> None:
    """Log an answer that refused a caller, or what a program sent; others are no news: people mistype all day. `actor` where
    the request itself does not carry it."""
    is_refused = isinstance(error, Forbidden | Unauthenticated | TooManyRequests)
    if not is_refused and not (is_api(request) and isinstance(error, Invalid | TooLarge)):
        return
    known = actor if isinstance(actor, Actor) else getattr(request, "actor", None)
    who: dict[str, object] = {}
    if isinstance(known, Actor):
        who = {"workspace_id": known.workspace_id, "actor_kind": known.kind, "actor_id": known.id}
    elif isinstance(user := getattr(request, "user", None), User):
        who = {"user_id": user.pk}
    log.log(
        logging.WARNING if is_refused else logging.INFO,
        "request.refused" if is_refused else "request.invalid",
        code=error.code,
        status=error.status,
        method=request.method,
        route=route_of(request),
        address=address_of(request),
        **who,
    )


def route_of(request: HttpRequest) -> str:
    """The route a request matched, without the values in it: one of them may be a token."""
    match = request.resolver_match
    return f"/{match.route}" if match else ""
