"""Embeddings as the OpenAI protocol gives them: two vectors, read and compared. Pure."""

import math
from collections.abc import Sequence

from registry.core.canonical import JSON

COUNT = 2
PLACES = 6


class EmbeddingsError(ValueError):
    """The reply holds no two vectors that could be compared."""


def cosine_of(reply: JSON) -> float:
    """The cosine of the two vectors of a reply, to six places; raises EmbeddingsError."""
    try:
        rows = sorted(reply["data"], key=lambda row: int(row["index"]))  # type: ignore[index, call-overload, arg-type]
        one, other = (_vector(row["embedding"]) for row in rows)
    except (TypeError, LookupError, ValueError, AttributeError):
        raise EmbeddingsError("there are no two vectors of numbers in it") from None
    size = math.sqrt(math.sumprod(one, one)) * math.sqrt(math.sumprod(other, other))
    if len(one) != len(other) or not math.isfinite(size) or size == 0:
        raise EmbeddingsError("its vectors cannot be compared")
    return round(math.sumprod(one, other) / size, PLACES)


def _vector(values: Sequence[object]) -> list[float]:
    if not isinstance(values, list) or not values:
        raise EmbeddingsError
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise EmbeddingsError
    return [float(value) for value in values]
