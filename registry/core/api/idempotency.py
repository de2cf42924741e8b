"""POSTs that are sent twice: same `Idempotency-Key` and body, same answer, for 24 hours."""

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.http import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.actor import Actor
from registry.core.errors import Conflict, Invalid
from registry.core.models import IdempotencyRecord

KEEP_ANSWERS_FOR = timedelta(hours=24)
LONGEST_KEY = 255
KEPT_HEADERS = ("ETag", "Location", "Cache-Control")

type Post = Callable[..., HttpResponseBase]


def once_per_key(post: Post, *, keeps_answers: bool) -> Post:
    """Wrap a view's `post`: effect, answer and record are one transaction; a refusal is not kept, so it can be tried again.

    Without `keeps_answers` the answer (a secret) is not stored: a repeat has no second effect and is told so by 409.
    """

    @functools.wraps(post)
    def wrapped(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get("Idempotency-Key")
        if key is None or not isinstance(request.auth, Actor):
            return post(view, request, *args, **kwargs)
        if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise Invalid("idempotency.invalid", f"Idempotency-Key takes 1 to {LONGEST_KEY} printable characters.")
        with transaction.atomic():
            record, is_new = _record(request, request.auth, key)
            if not is_new:
                return _replay(record)
            response = post(view, request, *args, **kwargs)
            _keep(record, response, keeps_answers=keeps_answers)
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


def _keep(record: IdempotencyRecord, response: HttpResponseBase, *, keeps_answers: bool) -> None:
    assert isinstance(response, Response)
    record.status = response.status_code
    record.body = json.dumps(response.data, ensure_ascii=False) if keeps_answers else ""
    record.headers = json.dumps({name: response[name] for name in KEPT_HEADERS if name in response})
    record.save(update_fields=["status", "body", "headers"])
