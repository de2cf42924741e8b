"""Waiting until every process that answers from memory has dropped what changed."""

import time
from datetime import timedelta

from django.db import connection
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from prompts_app.models import DeliveryProcess, DeliverySeen, Deployment
from registry.core.broadcast import CHANNEL

LIVE_FOR_S = 5.0
LONGEST_S = 1.0
# A process that began to listen later than this after a deployment was made found it committed.
LONGEST_COMMIT = timedelta(minutes=1)
_ASK = """
SELECT moment FROM (SELECT clock_timestamp() AS moment OFFSET 0) asked,
LATERAL (SELECT pg_notify(%s, json_build_object('kind', 'ask', 'at', moment)::text)) told
"""
_NAPS_S = (0.001, 0.002, 0.004, 0.008)


def wait_until_seen(deployment: Deployment, *, longest_s: float = LONGEST_S) -> bool:
    """True once each live process has acknowledged a deployment, False when one has not after a second.

    Call it after the change has committed. A process is live while its heartbeat is under five seconds old; one that could
    not renew it marks its answers as possibly stale by itself.
    """
    began = time.monotonic()
    naps = iter(_NAPS_S)
    while _is_awaited(deployment):
        if time.monotonic() - began >= longest_s:
            return False
        time.sleep(next(naps, _NAPS_S[-1]))
    return True


def wait_until_heard(*, longest_s: float = LONGEST_S) -> bool:
    """True once each live process has heard of all that is committed by now, False when one has not after a second.

    Asked by a message of its own: it arrives after every change committed before it, and whoever hears it moves its
    heartbeat on to the moment it was sent.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ASK, [CHANNEL])
        (asked_at,) = cursor.fetchone()
    began = time.monotonic()
    naps = iter(_NAPS_S)
    alive = DeliveryProcess.objects.filter(
        heartbeat_at__gt=Now() - timedelta(seconds=LIVE_FOR_S), heartbeat_at__lt=asked_at
    )
    while alive.exists():
        if time.monotonic() - began >= longest_s:
            return False
        time.sleep(next(naps, _NAPS_S[-1]))
    return True


def _is_awaited(deployment: Deployment) -> bool:
    seen = DeliverySeen.objects.filter(
        process=OuterRef("pk"), environment=deployment.environment_id, revision__gte=deployment.revision
    )
    alive = DeliveryProcess.objects.filter(
        heartbeat_at__gt=Now() - timedelta(seconds=LIVE_FOR_S), started_at__lt=deployment.created_at + LONGEST_COMMIT
    )
    return alive.filter(~Exists(seen)).exists()
