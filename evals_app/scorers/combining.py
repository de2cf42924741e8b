"""How what the scorers say comes to one answer: all, any or a weighted mean of them, and groups that count as one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app.scorers.protocol import Score, ScorerSpec
from evals_app.scorers.registry import SCORERS
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields

type How = Literal["all", "any", "weighted_mean"]

HOWS: tuple[How, ...] = ("all", "any", "weighted_mean")
MOST_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Scorers that count as one: those that carry its name. `threshold` is that of a weighted mean, else None."""

    name: str
    combine: How = "all"
    threshold: float | None = None
    weight: float = 1.0

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {"name": self.name}
        given |= {} if self.combine == "all" else {"combine": self.combine}
        given |= {} if self.threshold is None else {"threshold": self.threshold}
        return given | ({} if self.weight == 1 else {"weight": self.weight})


@dataclass(frozen=True, slots=True)
class Combination:
    """How a suite combines, or a case for itself; `combine` is None where it is not said: a case's is the suite's then."""

    combine: How | None = None
    threshold: float | None = None
    groups: tuple[Group, ...] = ()

    def within(self, suite: Combination) -> Combination:
        """A case's own over its suite's: groups of the same name are replaced, others added."""
        own = {group.name: group for group in self.groups}
        groups = (*(own.pop(group.name, group) for group in suite.groups), *own.values())
        said = suite if self.combine is None else self
        return Combination(said.combine, said.threshold, groups)

    def counts(self, spec: ScorerSpec) -> bool:
        """Whether a scorer has a part in the answer: neither it nor its group weighs nothing."""
        return spec.counts and all(group.weight > 0 for group in self.groups if group.name == spec.group)

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {} if self.combine is None else {"combine": self.combine}
        given |= {} if self.threshold is None else {"threshold": self.threshold}
        return given | ({"groups": [group.to_json() for group in self.groups]} if self.groups else {})


ALL_OF_THEM = Combination()


@dataclass(frozen=True, slots=True)
class Scored:
    """What one scorer said about one output."""

    spec: ScorerSpec
    score: Score

    def to_json(self) -> dict[str, JSON]:
        """As results keep it."""
        return _row(self.spec.name, self.score)


@dataclass(frozen=True, slots=True)
class Combined:
    """What all came to, group by group and together. A group's value is its mean, or its best where any of it is enough."""

    passed: bool
    groups: tuple[tuple[Group, Score], ...] = ()

    def rows(self, scored: Sequence[Scored]) -> list[JSON]:
        """As results keep it: scorers in their order, then groups."""
        return [*(one.to_json() for one in scored), *(_row(group.name, score) for group, score in self.groups)]


@dataclass(frozen=True, slots=True)
class _Part:
    share: float
    passed: bool
    weight: float


def combined(scored: Sequence[Scored], combination: Combination) -> Combined:
    """What the scorers come to; with none that counts nothing has passed, whatever the rule."""
    groups = []
    for group in combination.groups:
        parts = [_part(one) for one in scored if one.spec.group == group.name]
        if any(part.weight for part in parts):
            groups.append((group, _together(parts, group.combine, group.threshold)))
    names = {group.name for group in combination.groups}
    parts = [_part(one) for one in scored if one.spec.group not in names]
    parts += [_Part(score.value, score.passed, group.weight) for group, score in groups]
    answer = _together(parts, combination.combine or "all", combination.threshold)
    return Combined(answer.passed, tuple(groups))


def read_combination(given: Fields) -> Combination:
    """The members `combine`, `threshold` and `groups` of a suite or a case; mistakes go to `given`."""
    combine = _how(given) if given.has("combine") else None
    threshold = _threshold(given, combine or "all")
    groups = [_group(value, given.errors, given.name(f"groups[{index}]")) for index, value in _listed(given)]
    for index, group in enumerate(groups):
        if group.name and group.name in [other.name for other in groups[:index]]:
            given.refuse(f"groups[{index}].name", "taken", "is the name of another group")
    return Combination(combine, threshold, tuple(groups))


def group_mistakes(specs: Sequence[ScorerSpec], combination: Combination, *, path: str) -> list[FieldError]:
    """Scorers in groups that are not there, and groups whose name is a scorer's."""
    names, taken = {group.name for group in combination.groups}, {spec.name for spec in specs}
    found = [
        FieldError(f"{path}[{index}].group", "choice", "is not the name of one of the groups")
        for index, spec in enumerate(specs)
        if spec.group is not None and spec.group not in names
    ]
    return found + [
        FieldError("groups", "taken", f"must not have the name of a scorer: {name}") for name in sorted(names & taken)
    ]


def _listed(given: Fields) -> Sequence[tuple[int, JSON]]:
    return list(enumerate(given.items("groups", most=MOST_GROUPS)))


def _group(value: JSON, errors: list[FieldError], path: str) -> Group:
    given = Fields(value, errors, path=path)
    name = given.text("name", "", least=1, most=100) if given.require("name") else ""
    combine = _how(given) if given.has("combine") else "all"
    group = Group(name, combine, _threshold(given, combine), given.number("weight", 1.0, least=0, most=1000))
    given.close()
    return group


def _how(given: Fields) -> How:
    chosen = given.choice("combine", "all", HOWS)
    return next(how for how in HOWS if how == chosen)


def _threshold(given: Fields, combine: How) -> float | None:
    """Required for a mean, where 0 would be reached by everything; refused elsewhere."""
    threshold = given.number("threshold", None, least=0, most=1)
    if combine == "weighted_mean" and given.raw("threshold") is None:
        given.refuse("threshold", "required", "is required: which mean is enough")
    elif combine != "weighted_mean" and threshold is not None:
        given.refuse("threshold", "unknown", "is for `weighted_mean` only")
    elif threshold == 0:
        given.refuse("threshold", "range", "of 0 is meaningless: every output reaches it")
    return threshold


def _part(one: Scored) -> _Part:
    """A scorer's share of the best there is, from 0 to 1; of an amount all or nothing."""
    scorer, score = SCORERS[one.spec.kind], one.score
    if scorer.is_raw:
        return _Part(float(score.passed), score.passed, one.spec.weight)
    least, most = scorer.range
    share = (score.value - least) / (most - least)
    return _Part(share if scorer.higher_is_better else 1 - share, score.passed, one.spec.weight)


def _together(parts: Sequence[_Part], combine: How, threshold: float | None) -> Score:
    counted = [part for part in parts if part.weight > 0]
    if not counted:
        return Score(0.0, False, "Nothing of it counts.")
    mean = sum(part.share * part.weight for part in counted) / sum(part.weight for part in counted)
    passed = sum(part.passed for part in counted)
    words = f"{passed} of {len(counted)} passed"
    if combine == "weighted_mean":
        # The mean of ten shares of 0.1 must reach 0.1, whatever the last bit says.
        return Score(mean, mean >= (threshold or 1.0) - 1e-9, f"{words}; the mean is {mean:.3f}.")
    if combine == "any":
        return Score(max(part.share for part in counted), passed > 0, f"{words}; any is enough.")
    return Score(mean, passed == len(counted), f"{words}; all have to.")


def _row(name: str, score: Score) -> dict[str, JSON]:
    """A score that is not known, such as a cost without a price, is null."""
    value = None if abs(score.value) == float("inf") else score.value
    return {"name": name, "score": value, "passed": score.passed, "detail": score.detail}
