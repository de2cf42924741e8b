"""What differs between two versions of a suite: cases by key, scorers by name, every other rule. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from registry.core.canonical import JSON

type Op = Literal["added", "removed", "changed"]
type Thing = Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field with its values on both sides; None where a side has none."""

    field: str
    old: JSON
    new: JSON

    def to_json(self) -> dict[str, JSON]:
        """As the API shows it."""
        return {"field": self.field, "old": self.old, "new": self.new}


@dataclass(frozen=True, slots=True)
class Difference:
    """A case (by its key) or scorer (by its name) that is new, gone or changed; `fields` says in what."""

    name: str
    op: Op
    fields: tuple[FieldDifference, ...]

    def to_json(self, label: str) -> dict[str, JSON]:
        """As the API shows it, its name as `label`."""
        changes: list[JSON] = [one.to_json() for one in self.fields]
        return {label: self.name, "op": self.op, "changes": changes}


@dataclass(frozen=True, slots=True)
class SuiteDifference:
    """Everything that differs; cases in the order of the newer side, those that are gone after them."""

    cases: tuple[Difference, ...]
    scorers: tuple[Difference, ...]
    rules: tuple[FieldDifference, ...]
    unchanged: int

    def counted(self, op: Op) -> int:
        """How many cases are added, removed or changed."""
        return sum(case.op == op for case in self.cases)

    @property
    def counts(self) -> dict[str, int]:
        """The same for all of them, and those that are the same."""
        found = {"added": self.counted("added"), "removed": self.counted("removed"), "changed": self.counted("changed")}
        return {**found, "unchanged": self.unchanged}

    def to_json(self) -> dict[str, JSON]:
        """As the API shows it."""
        return {
            "summary": dict(self.counts),
            "cases": [one.to_json("key") for one in self.cases],
            "scorers": [one.to_json("name") for one in self.scorers],
            "rules": [one.to_json() for one in self.rules],
        }


def compare_suites(
    old_rules: Thing, old_cases: Mapping[str, Thing], new_rules: Thing, new_cases: Mapping[str, Thing]
) -> SuiteDifference:
    """Rules as `rules_to_json` writes them, cases by key."""
    cases = _differences(old_cases, new_cases)
    gone = sum(case.op == "removed" for case in cases)
    touched = sum(case.op == "changed" for case in cases)
    return SuiteDifference(
        cases=cases,
        scorers=_differences(_by_name(old_rules), _by_name(new_rules)),
        rules=_fields(_without_scorers(old_rules), _without_scorers(new_rules)),
        unchanged=len(old_cases) - gone - touched,
    )


def _differences(old: Mapping[str, Thing], new: Mapping[str, Thing]) -> tuple[Difference, ...]:
    found = []
    for name, thing in new.items():
        if name not in old:
            found.append(Difference(name, "added", _fields({}, _flat(thing))))
        elif fields := _fields(_flat(old[name]), _flat(thing)):
            found.append(Difference(name, "changed", fields))
    found += [Difference(name, "removed", _fields(_flat(old[name]), {})) for name in old if name not in new]
    return tuple(found)


def _fields(old: Thing, new: Thing) -> tuple[FieldDifference, ...]:
    names = dict.fromkeys([*new, *old])
    return tuple(
        FieldDifference(name, old.get(name), new.get(name))
        for name in names
        if not _same(old.get(name), new.get(name)) or (name in old) != (name in new)
    )


def _same(one: JSON, other: JSON) -> bool:
    """Equal and of one type: 1, 1.0 and true are three values."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def _flat(thing: Thing) -> dict[str, JSON]:
    """The fields that say something, each variable a field of its own; the key or name is not among them."""
    flat: dict[str, JSON] = {}
    for name, value in thing.items():
        if name == "variables" and isinstance(value, dict):
            flat |= {f"variables.{variable}": one for variable, one in value.items()}
        elif name not in {"key", "name"}:
            flat[name] = value
    return flat


def _by_name(rules: Thing) -> dict[str, Thing]:
    scorers = rules.get("scorers")
    every = scorers if isinstance(scorers, list) else []
    return {str(one.get("name")): one for one in every if isinstance(one, dict)}


def _without_scorers(rules: Thing) -> Thing:
    return {name: value for name, value in rules.items() if name != "scorers"}
