"""How the answers to each case of a run came out: of ended runs from what was added up, of others counted answer by answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Count, F, FilteredRelation, Q, QuerySet
from numpy.typing import NDArray

from evals_app.models import Arm, ArmTally, Case, Result, Run

# What a case can be picked by on a run's page.
PICKS = ("flipped", "failed", "error", "critical")
COUNTED = ("answers", "passed", "errors")
PREFIXES = {"new": Arm.CANDIDATE, "base": Arm.BASELINE}

type Numbers = NDArray[Any]


@dataclass(frozen=True)
class Pick:
    """Which cases of a run are looked at; empty for all. `text` is in their key or in an answer, whatever its case."""

    status: str = ""
    tag: str = ""
    text: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves cases out."""
        return bool(self.status or self.tag or self.text)


class CountedCases(ABC):
    """The cases of a run, told by their positions, and loaded with numbers: `new_answers`, `new_passed`, `new_errors` of the
    candidate, `base_…` of the baseline. Flipped is where one version passed every repeat and the other did not."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def counts(self, pick: Pick) -> dict[str, int]:
        """How many cases of the pick's tag and text there are, `all` and by what they can be picked by."""
        kinds = [name for name in PICKS if self._run.baseline_id or name != "flipped"]
        return {"flipped": 0, **self._counts(kinds, pick)}

    @abstractmethod
    def _counts(self, kinds: Sequence[str], pick: Pick) -> dict[str, int]:
        """Of each of these kinds, and `all`."""

    @abstractmethod
    def picked(self, pick: Pick) -> Sequence[int]:
        """The positions of the cases of a pick, in order; of flipped ones the worst first; may ask only when it is read."""

    @abstractmethod
    def worst(self, pick: Pick, most: int) -> list[int]:
        """The positions of those of a pick that the candidate passed least often."""

    @abstractmethod
    def load(self, positions: Sequence[int]) -> list[Case]:
        """These cases with their numbers, in order of their positions."""

    def neighbours(self, pick: Pick, position: int) -> tuple[int | None, int | None]:
        """The positions before and after one among those picked."""
        return _around(list(self.picked(pick)), position) if pick.status == "flipped" else self._beside(pick, position)

    @abstractmethod
    def _beside(self, pick: Pick, position: int) -> tuple[int | None, int | None]:
        """The same where the picked stand in the order of their positions."""


def counted_cases(run: Run) -> CountedCases:
    """The cases of a run; one query, and those of what is asked of them."""
    tallies = added_of(run)
    return _Added(run, tallies) if tallies else _Answers(run)


def added_of(run: Run) -> dict[str, list[Numbers]]:
    """Cases, answers, passed and errors by arm, as they were added up when the run ended; empty where they were not. One query."""
    rows = () if run.is_open else ArmTally.objects.filter(run=run).values_list("arm", "cases", *COUNTED)
    return {arm: [np.asarray(column, dtype=np.int64) for column in columns] for arm, *columns in rows}


def flipped_cases(run: Run) -> QuerySet[Case]:
    """The flipped cases as a part of another query."""
    return _Answers(run).rows(Pick("flipped")).order_by()


class _Added(CountedCases):
    """Read from what was added up when the run ended."""

    def __init__(self, run: Run, tallies: Mapping[str, list[Numbers]]) -> None:
        super().__init__(run)
        self._tallies = tallies

    def _counts(self, kinds: Sequence[str], pick: Pick) -> dict[str, int]:
        chosen = self._narrowed(pick)
        found = {name: int(np.count_nonzero(self._mask(name) & chosen)) for name in kinds}
        return {"all": int(np.count_nonzero(chosen)), **found}

    def picked(self, pick: Pick) -> Sequence[int]:
        chosen = self._mask(pick.status) & self._narrowed(pick)
        places = self._positions[chosen]
        if pick.status == "flipped":
            gained, critical = self._numbers["new_passed"] - self._numbers["base_passed"], self._order[2]
            places = places[np.lexsort((places, ~critical[chosen], gained[chosen]))]
        found: list[int] = places.tolist()
        return found

    def worst(self, pick: Pick, most: int) -> list[int]:
        chosen = self._mask(pick.status) & self._narrowed(pick)
        order = np.argsort(self._numbers["new_passed"][chosen], kind="stable")
        found: list[int] = self._positions[chosen][order][:most].tolist()
        return found

    def load(self, positions: Sequence[int]) -> list[Case]:
        cases = list(_cases(self._run).filter(position__in=list(positions)))
        places = np.searchsorted(self._positions, [case.position for case in cases])
        for case, place in zip(cases, places, strict=True):
            for name, numbers in self._numbers.items():
                setattr(case, name, int(numbers[place]))
        return cases

    def _beside(self, pick: Pick, position: int) -> tuple[int | None, int | None]:
        chosen = self._positions[self._mask(pick.status) & self._narrowed(pick)]
        before, after = np.searchsorted(chosen, position), np.searchsorted(chosen, position, side="right")
        return int(chosen[before - 1]) if before else None, int(chosen[after]) if after < len(chosen) else None

    @cached_property
    def _order(self) -> tuple[Numbers, Numbers, Numbers]:
        """Keys, positions and which are critical, in order of the positions."""
        names = {"keys": "pk", "places": "position", "critical": "is_critical"}
        rows = _cases(self._run).order_by()
        found = rows.aggregate(
            **{name: ArrayAgg(column, order_by="position", default=[]) for name, column in names.items()}
        )
        return (
            np.asarray(found["keys"], np.int64),
            np.asarray(found["places"], np.int64),
            np.asarray(found["critical"], bool),
        )

    @property
    def _positions(self) -> Numbers:
        return self._order[1]

    @cached_property
    def _numbers(self) -> dict[str, Numbers]:
        """By name, in order of the positions; 0 where a case has no answer."""
        keys = self._order[0]
        numbers = {}
        for prefix, arm in PREFIXES.items():
            cases, *columns = self._tallies.get(arm, [np.zeros(0, np.int64)] * (1 + len(COUNTED)))
            places = np.minimum(np.searchsorted(cases, keys), max(0, len(cases) - 1))
            is_there = cases[places] == keys if len(cases) else np.zeros(len(keys), bool)
            for name, column in zip(COUNTED, columns, strict=True):
                numbers[f"{prefix}_{name}"] = (
                    np.where(is_there, column[places], 0) if len(cases) else np.zeros_like(keys)
                )
        return numbers

    def _narrowed(self, pick: Pick) -> Numbers:
        """Which cases have the pick's tag and text."""
        keys = self._order[0]
        if not pick.tag and not pick.text:
            return np.ones(len(keys), bool)
        found = _narrowed(self._run, _cases(self._run).order_by(), pick).values_list("pk", flat=True)
        is_found: Numbers = np.isin(keys, list(found))
        return is_found

    def _mask(self, status: str) -> Numbers:
        """Which cases have a status: the same as `_picked` says in the database."""
        of, repeats = self._numbers, self._run.repeats
        new_failed = (of["new_errors"] == 0) & (of["new_passed"] < of["new_answers"])
        base_failed = (of["base_errors"] == 0) & (of["base_passed"] < of["base_answers"])
        better, worse = (of["new_passed"] == repeats) & base_failed, (of["base_passed"] == repeats) & new_failed
        masks: dict[str, Numbers] = {
            "flipped": (better | worse) if self._run.baseline_id else np.zeros(len(better), bool),
            "failed": new_failed,
            "error": (of["new_errors"] > 0) | (of["base_errors"] > 0),
            "critical": self._order[2],
        }
        return masks.get(status, np.ones(len(new_failed), bool))


class _Answers(CountedCases):
    """Counted answer by answer."""

    def rows(self, pick: Pick) -> QuerySet[Case]:
        """The cases of a pick with their numbers, in order."""
        return _narrowed(self._run, self._numbered().filter(_picked(self._run, pick.status)), pick)

    def _counts(self, kinds: Sequence[str], pick: Pick) -> dict[str, int]:
        wanted = {"all": Q(), **{name: _picked(self._run, name) for name in kinds}}
        found = self.rows(replace(pick, status="")).aggregate(
            **{f"{name}_count": Count("pk", filter=kind) for name, kind in wanted.items()}
        )
        return {name.removesuffix("_count"): number for name, number in found.items()}

    def picked(self, pick: Pick) -> Sequence[int]:
        chosen = self._chosen(pick)
        if pick.status == "flipped":
            chosen = chosen.order_by(F("new_passed") - F("base_passed"), "-is_critical", "position")
        return chosen.values_list("position", flat=True)  # type: ignore[return-value]

    def worst(self, pick: Pick, most: int) -> list[int]:
        found = self.rows(pick).order_by(F("new_passed"), "position")
        return list(found.values_list("position", flat=True)[:most])

    def load(self, positions: Sequence[int]) -> list[Case]:
        return list(self._numbered().filter(position__in=list(positions)))

    def _beside(self, pick: Pick, position: int) -> tuple[int | None, int | None]:
        others = self._chosen(pick).values_list("position", flat=True)
        before = others.filter(position__lt=position).order_by("-position").first()
        return before, others.filter(position__gt=position).order_by("position").first()

    def _chosen(self, pick: Pick) -> QuerySet[Case]:
        """The cases of a pick, counted only where the pick is by what was answered."""
        if pick.status not in {"", "critical"}:
            return self.rows(pick)
        return _narrowed(self._run, _cases(self._run).filter(_picked(self._run, pick.status)), pick)

    def _numbered(self) -> QuerySet[Case]:
        rows = _cases(self._run).annotate(mine=FilteredRelation("results", condition=Q(results__run=self._run.pk)))
        counts = {}
        for prefix, arm in PREFIXES.items():
            of_arm = Q(mine__arm=arm)
            counts[f"{prefix}_answers"] = Count("mine", filter=of_arm)
            counts[f"{prefix}_passed"] = Count("mine", filter=of_arm & Q(mine__is_passed=True))
            counts[f"{prefix}_errors"] = Count("mine", filter=of_arm & ~Q(mine__error=""))
        return rows.annotate(**counts)


def _around(places: Sequence[int], position: int) -> tuple[int | None, int | None]:
    """What stands before and after one; by position where it is not among them."""
    if position not in places:
        lower, higher = (one for one in places if one < position), (one for one in places if one > position)
        return max(lower, default=None), min(higher, default=None)
    at = places.index(position)
    return places[at - 1] if at else None, places[at + 1] if at + 1 < len(places) else None


def _cases(run: Run) -> QuerySet[Case]:
    return Case.objects.filter(suite_version=run.suite_version_id).order_by("position")


def _narrowed(run: Run, rows: QuerySet[Case], pick: Pick) -> QuerySet[Case]:
    """Those of the cases that have the pick's tag and text."""
    rows = rows.filter(tags__contains=[pick.tag]) if pick.tag else rows
    if not pick.text:
        return rows
    said = Result.objects.filter(run=run, output__icontains=pick.text).values("case")
    return rows.filter(Q(key__icontains=pick.text) | Q(pk__in=said))


def _picked(run: Run, status: str) -> Q:
    """Which of the counted cases have a status: the same as `CaseRow` and `Side` say of them."""
    new_failed = Q(new_errors=0, new_passed__lt=F("new_answers"))
    if status == "flipped":
        if run.baseline_id is None:
            return Q(pk__in=[])
        base_failed = Q(base_errors=0, base_passed__lt=F("base_answers"))
        new_passed, base_passed = Q(new_passed=run.repeats), Q(base_passed=run.repeats)
        return (new_passed & base_failed) | (base_passed & new_failed)
    kinds = {
        "failed": new_failed,
        "error": Q(new_errors__gt=0) | Q(base_errors__gt=0),
        "critical": Q(is_critical=True),
    }
    return kinds.get(status, Q())
