"""The base of every API view: the actor, bodies without unknown fields, preconditions, pages, repeated requests."""

from collections.abc import Callable, Collection
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db import models
from django.utils.cache import patch_vary_headers
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.core.actor import Actor
from registry.core.api.bodies import StrictSerializer, Text
from registry.core.api.conditions import etag_of, holds, require_match
from registry.core.api.idempotency import once_per_key
from registry.core.canonical import JSON, InvalidJson, check_text, is_storable
from registry.core.errors import FieldError, Invalid, NotFound, invalid_field
from registry.core.models import User
from registry.core.permissions import Permission, require, require_person

__all__ = ["RegistryView", "StrictSerializer", "Text"]

Row = TypeVar("Row", bound=models.Model)
PAGE_SIZE, PAGE_LIMIT = 50, 200
FLAGS = {"true": True, "1": True, "false": False, "0": False}


class RegistryView(APIView):
    """Glue of one route. Refusals come in the order 401, 404, 403, 428, 412, 422, 409, which a view keeps by its own order:
    load, `allow`, `match`, `body`, action. POSTs honour `Idempotency-Key`: same key and body, same answer, for 24 hours.
    """

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    # False for a POST that changes nothing: doing it again is as good as remembering it.
    is_change = True
    # False for answers that hold a secret: those are never stored, a repeat is told so.
    keeps_answers = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "post" in cls.__dict__ and cls.is_change:
            cls.post = once_per_key(cls.post, keeps_answers=cls.keeps_answers)  # type: ignore[attr-defined]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """After the questions of DRF: a path with characters that nothing here can have is the path of nothing."""
        super().initial(request, *args, **kwargs)
        for part in kwargs.values():
            if isinstance(part, str) and not is_storable(part):
                raise NotFound("not_found", "There is nothing at this address.")

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """No cache may give one caller's answer to another."""
        final = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(final, ("Authorization", "X-Workspace"))
        return final

    @property
    def actor(self) -> Actor:
        """The caller."""
        assert isinstance(self.request.auth, Actor)
        return self.request.auth

    @property
    def user(self) -> User:
        """The person who is signed in; only after `allow_person`."""
        assert isinstance(self.request.user, User)
        return self.request.user

    def allow(self, permission: Permission, *, protected: bool = False) -> None:
        """Refuse early, for the order of refusals; the action asks again."""
        require(self.actor, permission, protected=protected)

    def allow_person(self) -> None:
        """Refuse keys."""
        require_person(self.actor)

    def body(self, serializer: type[serializers.Serializer[Any]]) -> Any:
        """The validated body; raises ValidationError (422)."""
        if not isinstance(self.request.data, dict):
            raise Invalid("invalid", "Send a JSON object.", errors=[FieldError("", "type", "must be an object")])
        bound = serializer(data=self.request.data)
        bound.is_valid(raise_exception=True)
        return bound.validated_data

    def match(self, etag: str) -> None:
        """Check If-Match against the present ETag: 428 without the header, 412 on another."""
        require_match(self.request.headers.get("If-Match"), etag)

    def single(self, data: dict[str, JSON], *, etag: str = "", status: int = 200) -> Response:
        """One resource with its strong ETag: the given stamp, else a digest of the body, which a GET may answer by 304."""
        tag = etag or etag_of(data)
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        known = self.request.headers.get("If-None-Match", "")
        if not etag and status == 200 and self.request.method in {"GET", "HEAD"} and holds(known, tag):
            return Response(status=304, headers=headers)
        return Response(data, status=status, headers=headers)

    def page(
        self, rows: models.QuerySet[Row], show: Callable[[Row], JSON], *, key: str = "pk", newest_first: bool = True
    ) -> Response:
        """One page of rows as `{results, next}`."""
        found, following = self.slice(rows, key=key, newest_first=newest_first)
        return Response({"results": [show(row) for row in found], "next": following})

    def slice(
        self, rows: models.QuerySet[Row], *, key: str = "pk", newest_first: bool = True
    ) -> tuple[list[Row], str | None]:
        """The rows of one page, ordered by `key` (unique among them), and the address of the page after it."""
        limit = min(self.integer("limit", PAGE_SIZE), PAGE_LIMIT)
        after = self.integer("after", 0) if key == "pk" else self.text("after")
        step = "lt" if newest_first else "gt"
        ordered = (rows.filter(**{f"{key}__{step}": after}) if after else rows).order_by(
            f"-{key}" if newest_first else key
        )
        found = list(ordered[: limit + 1])
        if len(found) <= limit:
            return found, None
        query = {**self.request.query_params.dict(), "after": getattr(found[limit - 1], key)}
        return found[:limit], self.request._request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")

    def text(self, name: str, default: str = "") -> str:
        """A string from the query; raises Invalid for one that cannot be stored anywhere."""
        value: str = self.request.query_params.get(name, default)
        try:
            check_text(value)
        except InvalidJson as problem:
            raise invalid_field(name, "character", problem.message) from None
        return value

    def integer(self, name: str, default: int) -> int:
        """A positive whole number from the query; raises Invalid otherwise."""
        value = self.request.query_params.get(name, "")
        if value == "":
            return default
        if not value.isascii() or not value.isdecimal() or len(value) > 18 or int(value) < 1:
            raise invalid_field(name, "type", f"`{name}` must be a positive whole number.")
        return int(value)

    def flag(self, name: str) -> bool | None:
        """true or false from the query, None when it is not there; raises Invalid otherwise."""
        value = self.request.query_params.get(name)
        if value is not None and value not in FLAGS:
            raise invalid_field(name, "type", f"`{name}` must be true or false.")
        return None if value is None else FLAGS[value]

    def choice(self, name: str, options: Collection[str]) -> str:
        """One of the options from the query, empty when it is not there; raises Invalid otherwise."""
        value = self.request.query_params.get(name, "")
        if value and value not in options:
            raise invalid_field(name, "choice", f"`{name}` must be one of: {', '.join(options)}.")
        return value
