"""Is this process alive, and can it do its work?"""

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from psycopg_pool import PoolTimeout

from registry.core import readiness, valkey

HOW_BALANCERS_ASK = ["GET", "HEAD", "OPTIONS"]  # the last is HAProxy's usual


@csrf_exempt
@require_http_methods(HOW_BALANCERS_ASK)
def livez(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers."""
    return JsonResponse({"status": "ok"})


@csrf_exempt
@require_http_methods(HOW_BALANCERS_ASK)
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers; without the broker, or unheard changes, the server still serves, and says so."""
    parts = {"database": _database_answers(), "broker": _broker_answers(), **readiness.parts()}
    return JsonResponse(
        {"status": "ok" if parts["database"] else "unavailable", **parts}, status=200 if parts["database"] else 503
    )


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, PoolTimeout):
        return False
    return True


def _broker_answers() -> bool:
    try:
        return bool(valkey.client().ping())
    except redis.RedisError:
        return False
