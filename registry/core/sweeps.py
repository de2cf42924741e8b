"""When the last sweep was: the one thing that says whether beat and workers both do their part, also while nothing is to do."""

import redis

from registry.core import valkey

REMEMBERED_S = 3600
_KEY = "sweep:last"


def note() -> None:
    """A sweep has come to its end. Without Valkey there is nobody to tell."""
    try:
        with valkey.circuit.asking():
            valkey.client().set(_KEY, 1, ex=REMEMBERED_S)
    except redis.RedisError:
        return


def seconds_since_last() -> float | None:
    """By Valkey's clock; REMEMBERED_S for longer ago, or never. None where Valkey does not answer."""
    try:
        with valkey.circuit.asking():
            left_ms = int(valkey.client().pttl(_KEY))
    except redis.RedisError:
        return None
    return REMEMBERED_S - max(left_ms, 0) / 1000
