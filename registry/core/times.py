"""How a moment is written."""

from datetime import UTC, datetime


def rfc3339(moment: datetime | None) -> str | None:
    """UTC with microseconds and a Z, such as `2030-01-31T09:00:00.000000Z`; None for None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
