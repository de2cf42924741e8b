"""What a process can do at the moment, part by part, for whoever decides where to send requests."""

from collections.abc import Callable, Mapping

_parts: dict[str, Callable[[], bool]] = {}


def register(name: str, answers: Callable[[], bool]) -> None:
    """Show a further part; `answers` is asked each time and must not block."""
    _parts[name] = answers


def parts() -> Mapping[str, bool]:
    """What was registered, as it is now."""
    return {name: answers() for name, answers in _parts.items()}
