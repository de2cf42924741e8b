"""The control API's budget per key or person."""

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from registry.core.actor import Actor
from registry.core.limits import count

if TYPE_CHECKING:
    from rest_framework.views import APIView


class ActorThrottle(BaseThrottle):
    """Counts per key or per person."""

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """True, or TooManyRequests."""
        if isinstance(request.auth, Actor):
            count(f"api:{request.auth.kind}:{request.auth.id}", settings.API_REQUESTS_PER_MINUTE)
        return True
