"""The process's connection to Valkey, for counters and limits; nothing that must not be lost lives there."""

import functools

import redis
from django.conf import settings


@functools.cache
def client() -> redis.Redis:
    """A pooled client with short time-outs; use it after a fork, never at import."""
    return redis.Redis.from_url(settings.VALKEY_URL, socket_timeout=0.5, socket_connect_timeout=0.5)
