"""Reading JSON objects at the edge: field by field, gathering every mistake with its path."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid

REPORTED = 100


class Fields:
    """One JSON object being read; mistakes go to `errors` as FieldErrors whose field is `path` + the key.

    Each reader returns its default after a mistake, so reading goes on and the caller gets all of them at once: look at
    `errors` before using what was read. A null counts as left out only where the default is None. `close()` refuses the
    keys nobody asked for. Error codes: type, required, unknown, range, length, choice, format.
    """

    def __init__(self, value: JSON, errors: list[FieldError], *, path: str = "") -> None:
        self.path = path
        self.errors = errors
        self._read: set[str] = set()
        self._object: dict[str, JSON] = value if isinstance(value, dict) else {}
        self._is_object = isinstance(value, dict)
        if not self._is_object:
            errors.append(FieldError(path, "type", "must be an object"))

    def name(self, key: str) -> str:
        """Where `key` is, for a reader of the error: `scorers[1].kind`."""
        return f"{self.path}.{key}" if self.path else key

    def refuse(self, key: str, code: str, message: str) -> None:
        self.errors.append(FieldError(self.name(key), code, message))

    def has(self, key: str) -> bool:
        return key in self._object

    def raw(self, key: str, default: JSON = None) -> JSON:
        self._read.add(key)
        return self._object.get(key, default)

    def boolean(self, key: str, default: bool) -> bool:
        value = self.raw(key, default)
        if isinstance(value, bool):
            return value
        self.refuse(key, "type", "must be true or false")
        return default

    def integer[T: int | None](self, key: str, default: T, *, least: int, most: int) -> int | T:
        value = self.raw(key, default)
        if value is None and default is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, "type", "must be a whole number")
        elif not least <= value <= most:
            self.refuse(key, "range", f"must be between {least} and {most}")
        else:
            return value
        return default

    def number[T: float | None](self, key: str, default: T, *, least: float, most: float) -> float | T:
        """A finite number; whole numbers come back as floats."""
        value = self.raw(key, default)
        if value is None and default is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "type", "must be a number")
        elif not math.isfinite(value) or not least <= value <= most:
            self.refuse(key, "range", f"must be between {least:g} and {most:g}")
        else:
            return float(value)
        return default

    def text[T: str | None](
        self,
        key: str,
        default: T,
        *,
        most: int,
        least: int = 0,
        pattern: re.Pattern[str] | None = None,
        shape: str = "",
    ) -> str | T:
        """A string of `least` to `most` characters, wholly matching `pattern`; `shape` says in words what it matches."""
        value = self.raw(key, default)
        if value is None and default is None:
            return default
        if not isinstance(value, str):
            self.refuse(key, "type", "must be a string")
        elif value == "" and least > 0:
            self.refuse(key, "required", "must not be empty")
        elif not least <= len(value) <= most:
            self.refuse(key, "length", f"must have between {least} and {most} characters")
        elif pattern is not None and not pattern.fullmatch(value):
            self.refuse(key, "format", f"must be {shape}")
        else:
            return value
        return default

    def choice(self, key: str, default: str, options: Iterable[str]) -> str:
        value = self.raw(key, default)
        if isinstance(value, str) and value in options:
            return value
        self.refuse(key, "choice", "must be one of " + ", ".join(options))
        return default

    def items(self, key: str, *, most: int) -> list[JSON]:
        """A list of up to `most` values, empty when left out."""
        value = self.raw(key, [])
        if not isinstance(value, list):
            self.refuse(key, "type", "must be a list")
        elif len(value) > most:
            self.refuse(key, "length", f"must have at most {most} entries")
        else:
            return value
        return []

    def require(self, key: str) -> bool:
        """Whether `key` is there; a mistake when it is not in an object."""
        if key not in self._object and self._is_object:
            self.refuse(key, "required", "is required")
        return key in self._object

    def close(self) -> None:
        for key in self._object:
            if key not in self._read:
                self.refuse(key, "unknown", "is not a field known here")


def refuse_mistakes(code: str, detail: str, errors: Sequence[FieldError]) -> None:
    """Raises Invalid with `errors` when there are any: the first 100 by name, the rest counted in the detail."""
    if len(errors) > REPORTED:
        detail = f"{detail} The first {REPORTED} of {len(errors)} mistakes are listed."
    if errors:
        raise Invalid(code, detail, errors=tuple(errors[:REPORTED]))
