"""Telling every process of a change at the moment it commits: one PostgreSQL channel, small JSON messages.

A message says that something moved, never what it is now: whoever holds a copy drops it and reads again.
"""

import json

from django.db import connection

from registry.core.canonical import JSON

CHANNEL = "greenroom_changes"


def announce(kind: str, **about: JSON) -> None:
    """Send a message with the present transaction: it arrives after the commit, in commit order, or not at all."""
    text = json.dumps({"kind": kind, **about}, ensure_ascii=False, separators=(",", ":"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, text])
