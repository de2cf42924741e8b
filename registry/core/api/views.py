"""The base of every API view: the actor, bodies without unknown fields, preconditions, pages, repeated requests."""

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.db import models, transaction
from django.db.models.functions import Now
from django.http import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, FieldError, Invalid, PreconditionFailed, PreconditionRequired
from registry.core.models import IdempotencyRecord
from registry.core.permissions import Permission, require

Row = TypeVar("Row", bound=models.Model)
KEEP_ANSWERS_FOR = timedelta(hours=24)
PAGE_SIZE, PAGE_LIMIT = 50, 200


class StrictSerializer(serializers.Serializer[Any]):
    """A body whose unknown fields are mistakes, and whose strings come through untouched."""

    def to_internal_value(self, data: Any) -> Any:
        """Validated values; raises ValidationError naming each unknown field."""
        if isinstance(data, dict):
            unknown = {
                key: [serializers.ErrorDetail("is not a field known here", "unknown")]
                for key in data
                if key not in self.fields
            }
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A string kept byte for byte: blanks are not trimmed, the empty string is allowed where `allow_blank`."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)


class RegistryView(APIView):
    """Glue of one route. POSTs honour `Idempotency-Key`: same key and body, same answer, for 24 hours."""

    # False for answers that hold a secret: those are never stored, a repeat is told so.
    keeps_answers = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "post" in cls.__dict__:
            cls.post = _once_per_idempotency_key(cls.post)  # type: ignore[attr-defined]

    @property
    def actor(self) -> Actor:
        """The caller."""
        assert isinstance(self.request.auth, Actor)
        return self.request.auth

    def allow(self, permission: Permission, *, protected: bool = False) -> None:
        """Refuse early, so that refusals come in the order 401, 404, 403, 428, 412, 422, 409; the action asks again."""
        require(self.actor, permission, protected=protected)

    def body(self, serializer: type[serializers.Serializer[Any]]) -> Any:
        """The validated body; raises ValidationError (422)."""
        if not isinstance(self.request.data, dict):
            raise Invalid("invalid", "Send a JSON object.", errors=[FieldError("", "type", "must be an object")])
        bound = serializer(data=self.request.data)
        bound.is_valid(raise_exception=True)
        return bound.validated_data

    def match(self, etag: str) -> str:
        """Check If-Match against the present ETag and return it; raises 428 without the header, 412 on another."""
        given = self.request.headers.get("If-Match")
        if given is None:
            raise PreconditionRequired("precondition.required", "Send the ETag of what you saw in If-Match.", etag=etag)
        if etag not in {tag.strip().removeprefix("W/") for tag in given.split(",")} and given.strip() != "*":
            raise PreconditionFailed("precondition.failed", "It changed since you read it: read it again.", etag=etag)
        return etag

    def page(self, rows: models.QuerySet[Row], show: Callable[[Row], JSON]) -> Response:
        """One page of rows, newest first, as `{results, next}`; `after` is the id of the last row seen."""
        limit = min(self.integer("limit", PAGE_SIZE), PAGE_LIMIT)
        after = self.integer("after", 0)
        ordered = (rows.filter(pk__lt=after) if after else rows).order_by("-pk")
        found = list(ordered[: limit + 1])
        following = None
        if len(found) > limit:
            query = {**self.request.query_params.dict(), "after": found[limit - 1].pk}
            following = self.request._request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")
        return Response({"results": [show(row) for row in found[:limit]], "next": following})

    def integer(self, name: str, default: int) -> int:
        """A positive whole number from the query; raises Invalid otherwise."""
        value = self.request.query_params.get(name, "")
        if value == "":
            return default
        if not value.isdecimal() or not 1 <= int(value[:19]) < 2**63:
            raise Invalid(
                "invalid",
                f"`{name}` must be a whole number.",
                errors=[FieldError(name, "type", "must be a whole number")],
            )
        return int(value)


def single(data: dict[str, JSON], *, etag: str = "", status: int = 200) -> Response:
    """One resource with its strong ETag: the given stamp, else a digest of the body."""
    tag = etag or quoted(hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:32])
    return Response(data, status=status, headers={"ETag": tag, "Cache-Control": "private, no-cache"})


def quoted(stamp: str) -> str:
    """A strong ETag."""
    return f'"{stamp}"'


type Post = Callable[..., HttpResponseBase]


def _once_per_idempotency_key(post: Post) -> Post:
    @functools.wraps(post)
    def wrapped(view: RegistryView, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key", "")
        if not key or not isinstance(request.auth, Actor):
            return post(view, request, *args, **kwargs)
        if len(key) > 255 or not key.isprintable():
            raise Invalid("idempotency.invalid", "Idempotency-Key takes 1 to 255 printable characters.")
        with transaction.atomic():
            record, is_new = _record(request, request.auth, key)
            if not is_new:
                return _replay(record)
            response = post(view, request, *args, **kwargs)
            _keep(record, response, view)
        return response

    return wrapped


def _record(request: Request, actor: Actor, key: str) -> tuple[IdempotencyRecord, bool]:
    asked = f"{request.method} {request.get_full_path()}\n".encode() + request._request.body
    digest = hashlib.sha256(asked).hexdigest()
    where = {"workspace_id": actor.workspace_id, "caller": f"{actor.kind}:{actor.id}", "key": key}
    IdempotencyRecord.objects.filter(created_at__lt=Now() - KEEP_ANSWERS_FOR, **where).delete()
    # A second request with the key waits here for the first one's commit.
    IdempotencyRecord.objects.bulk_create([IdempotencyRecord(request_digest=digest, **where)], ignore_conflicts=True)
    record = IdempotencyRecord.objects.select_for_update().get(**where)
    if record.request_digest != digest:
        raise Invalid("idempotency.mismatch", "This Idempotency-Key was used for another request: take a new one.")
    return record, record.status is None


def _replay(record: IdempotencyRecord) -> Response:
    if not record.body:
        raise Conflict(
            "idempotency.not_kept", "This was done already; its answer held a secret that is shown only once."
        )
    headers = {**json.loads(record.headers), "Idempotency-Replayed": "true"}
    return Response(json.loads(record.body), status=record.status, headers=headers)


def _keep(record: IdempotencyRecord, response: HttpResponseBase, view: RegistryView) -> None:
    assert isinstance(response, Response)
    record.status = response.status_code
    record.body = json.dumps(response.data, default=str) if view.keeps_answers else ""
    record.headers = json.dumps({name: response[name] for name in ("ETag", "Location") if name in response})
    record.save(update_fields=["status", "body", "headers"])
