"""Reading JSON that came over the wire: typed values or a StrangeAnswer that says where; unknown members are ignored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenroom.errors import StrangeAnswer
from greenroom.templates.values import JSON


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object, and what to call it when something is wrong with it."""

    values: Mapping[str, JSON]
    where: str

    @classmethod
    def of(cls, value: JSON, where: str) -> Fields:
        """The object; raises StrangeAnswer for anything else."""
        if not isinstance(value, dict):
            raise StrangeAnswer(f"{where} is no JSON object.")
        return cls(value, where)

    def text(self, name: str) -> str:
        """A string."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self._strange(name)
        return value

    def text_or_none(self, name: str) -> str | None:
        """A string, or None for null."""
        return None if self.values.get(name) is None else self.text(name)

    def integer(self, name: str) -> int:
        """A whole number."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._strange(name)
        return value

    def integer_or_none(self, name: str) -> int | None:
        """A whole number, or None for null."""
        return None if self.values.get(name) is None else self.integer(name)

    def number_or_none(self, name: str) -> float | None:
        """A number, or None for null."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._strange(name)
        return float(value)

    def flag(self, name: str) -> bool:
        """true or false."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self._strange(name)
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings; none where it is left out."""
        value = self.values.get(name, [])
        if not isinstance(value, list):
            raise self._strange(name)
        found = [one for one in value if isinstance(one, str)]
        if len(found) != len(value):
            raise self._strange(name)
        return found

    def object(self, name: str) -> Fields:
        """An object inside."""
        return Fields.of(self.values.get(name), f"`{name}` of {self.where}")

    def object_or_none(self, name: str) -> Fields | None:
        """An object inside, or None for null."""
        return None if self.values.get(name) is None else self.object(name)

    def objects(self, name: str) -> Iterator[Fields]:
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list):
            raise self._strange(name)
        return (Fields.of(one, f"an entry of `{name}` of {self.where}") for one in value)

    def _strange(self, name: str) -> StrangeAnswer:
        return StrangeAnswer(f"`{name}` of {self.where} is missing or of another type.")
