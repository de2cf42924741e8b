"""How a moment is written, and which can be."""

from datetime import UTC, date, datetime

# Beyond, a moment cannot be told in every zone, nor kept by the database and read again.
FIRST, BEYOND = datetime(1970, 1, 1, tzinfo=UTC), datetime(3000, 1, 1, tzinfo=UTC)


def rfc3339(moment: datetime | None) -> str | None:
    """UTC with microseconds and a Z, such as `2030-01-31T09:00:00.000000Z`; None for None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_tellable(moment: datetime) -> bool:
    """Whether an aware moment lies in the years 1970 to 2999."""
    return FIRST <= moment < BEYOND


def read_month(text: str) -> date | None:
    """The first day of a month written as 2030-01; None for anything else."""
    try:
        month = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        return None
    return month.date() if is_tellable(month) else None
