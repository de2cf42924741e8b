"""The kinds of news people can be told: each app names its own, people choose for each how they hear of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of news by its topic, and in words."""

    topic: str
    label: str


_kinds: dict[str, Kind] = {}


def offer(topic: str, label: str) -> None:
    """Let people choose how they hear of a topic; shown in the order of registration."""
    _kinds[topic] = Kind(topic, label)


def kinds() -> list[Kind]:
    """Every kind there is."""
    return list(_kinds.values())
