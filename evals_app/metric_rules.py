"""What a suite judges besides "passes": scorers by name, cost, latency and output tokens, each by a rule of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evals_app.scorers import SCORERS, ScorerSpec, is_higher_better
from evals_app.scorers.protocol import Scorer
from evals_app.scorers.spec import PASSES
from evals_app.verdict_rules import COMPARING, MODES, Mode, Rule, Unit
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields

type Measure = Literal["cost", "latency", "output_tokens"]
type SuperiorOn = Literal["all", "any"]

# What is measured of every answer, told in these; lower is better, and compared by ratio.
MEASURES: Mapping[str, Unit] = {"cost": "dollars", "latency": "ms", "output_tokens": "tokens"}
SUPERIOR_ON: tuple[SuperiorOn, ...] = ("all", "any")
MOST_METRICS = 20
MARGIN, RATIO_MARGIN = 0.05, 0.10
LARGEST = 1e9
# The modes that take a score to have shown that it reaches a floor.
ASKED_BY: Mapping[str, frozenset[Mode]] = {"floor": frozenset({"floor"}), "first_floor": COMPARING}


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric of a suite as it is asked for; None is the default: a margin of 0.05 points, or 10 % of a ratio.

    `floor` and `first_floor` are ceilings where lower is better: a mean cost in US dollars, milliseconds, tokens.
    """

    name: str
    mode: Mode = "non_inferior"
    margin: float | None = None
    floor: float | None = None
    first_floor: float | None = None
    least_gain: float = 0.0

    def to_json(self) -> dict[str, JSON]:
        """As the API takes it, without what is left at its default."""
        given: dict[str, JSON] = {"name": self.name, "mode": self.mode}
        given |= {} if self.margin is None else {"margin": self.margin}
        given |= {} if self.floor is None else {"floor": self.floor}
        given |= {} if self.first_floor is None else {"first_floor": self.first_floor}
        return given | ({"least_gain": self.least_gain} if self.least_gain else {})

    def rule(self, scale: Scoring, *, alpha: float, looks: int) -> Rule:
        """How it is judged, given how it is scored."""
        default = RATIO_MARGIN if scale.is_ratio else MARGIN
        return Rule(
            name=self.name,
            mode=self.mode,
            margin=default if self.margin is None else self.margin,
            floor=self.floor,
            first_floor=scale.first_floor if self.first_floor is None else self.first_floor,
            alpha=alpha,
            looks=looks,
            binary=scale.is_binary,
            higher_is_better=scale.higher_is_better,
            pass_at=scale.pass_at,
            scale="log_ratio" if scale.is_ratio else "difference",
            least_gain=self.least_gain,
            unit=scale.unit,
        )


@dataclass(frozen=True, slots=True)
class Scoring:
    """What the numbers of a metric are: `range` is where they lie, a repeat passes at `pass_at` or better."""

    higher_is_better: bool
    range: tuple[float, float]
    is_binary: bool
    pass_at: float
    unit: Unit | None = None

    @property
    def is_ratio(self) -> bool:
        """Whether it is compared by ratio."""
        return self.unit is not None

    @property
    def has_margin(self) -> bool:
        """Whether there is a usual margin: 0.05 of scores from 0 to 1, 10 % of a ratio."""
        return self.is_ratio or self.range == (0.0, 1.0)

    @property
    def first_floor(self) -> float | None:
        """What a first version has to reach where nothing else is said: 0.5 of scores from 0 to 1, else there is none."""
        return 0.5 if self.range == (0.0, 1.0) else None


def scoring_of(name: str, specs: Sequence[ScorerSpec]) -> Scoring | None:
    """How a metric is scored: a measure, or the scorers of that name; None where there is none, or they disagree."""
    if name in MEASURES:
        return Scoring(False, (0.0, math.inf), False, math.inf, MEASURES[name])
    named = [spec for spec in specs if spec.name == name]
    directions = {(is_higher_better(spec), SCORERS[spec.kind].range) for spec in named}
    if len(directions) != 1:
        return None
    higher_is_better, (least, most) = directions.pop()
    is_binary = all(SCORERS[spec.kind].is_binary for spec in named)
    return Scoring(higher_is_better, (least, most), is_binary, _pass_at(named[0], SCORERS[named[0].kind]))


def _pass_at(spec: ScorerSpec, scorer: Scorer) -> float:
    """From which value on an answer passes; amounts pass by what their kind says, so that any value does here."""
    if scorer.is_raw:
        return -math.inf if scorer.higher_is_better else math.inf
    best = scorer.range[1 if scorer.higher_is_better else 0]
    threshold = next(one for one in (spec.threshold, scorer.default_threshold, best) if one is not None)
    if spec.negate:  # what did not pass does: the next number beyond the threshold, counted from the other end
        return math.nextafter(sum(scorer.range) - threshold, best)
    return threshold


def read_metrics(given: Fields) -> tuple[MetricSpec, ...]:
    """The list `metrics` of a suite version; mistakes are added to the errors of `given`."""
    values = given.items("metrics", most=MOST_METRICS)
    found = [_read(value, given.errors, given.name(f"metrics[{index}]")) for index, value in enumerate(values)]
    seen: set[str] = set()
    for index, spec in enumerate(found):
        if spec.name and spec.name in seen:
            given.refuse(f"metrics[{index}].name", "taken", "is judged by another entry already")
        seen.add(spec.name)
    return tuple(found)


def _read(value: JSON, errors: list[FieldError], path: str) -> MetricSpec:
    given = Fields(value, errors, path=path)
    name = given.text("name", "", least=1, most=100) if given.require("name") else ""
    if name == PASSES:
        given.refuse("name", "choice", "is judged by the suite's own mode and margin: name a scorer or a measure")
    chosen = given.choice("mode", "non_inferior", MODES)
    spec = MetricSpec(
        name=name,
        mode=next(mode for mode in MODES if mode == chosen),
        margin=given.number("margin", None, least=1e-9, most=LARGEST),
        floor=given.number("floor", None, least=-LARGEST, most=LARGEST),
        first_floor=given.number("first_floor", None, least=-LARGEST, most=LARGEST),
        least_gain=given.number("least_gain", 0.0, least=0, most=LARGEST),
    )
    given.close()
    return spec


def mistakes_in(metrics: Sequence[MetricSpec], specs: Sequence[ScorerSpec]) -> list[FieldError]:
    """What is wrong with metrics beside these scorers (the suite's and all cases')."""
    found = []
    for index, spec in enumerate(metrics):
        found += [FieldError(f"metrics[{index}].{field}", code, text) for field, code, text in _mistakes(spec, specs)]
    return found


def _mistakes(spec: MetricSpec, specs: Sequence[ScorerSpec]) -> list[tuple[str, str, str]]:
    scoring = scoring_of(spec.name, specs)
    if scoring is None:
        if any(one.name == spec.name for one in specs):
            return [("name", "choice", "is the name of scorers that cannot be compared: give them names of their own")]
        return (
            [("name", "choice", f"must be the name of a scorer, or one of {', '.join(MEASURES)}")] if spec.name else []
        )
    found = []
    if math.isinf(scoring.pass_at) and spec.mode == "all_pass":
        found.append(("mode", "choice", "all_pass needs a scorer from 0 to 1, which says what passes"))
    if spec.mode == "non_inferior" and spec.margin is None and not scoring.has_margin:
        found.append(("margin", "required", "is required: there is no usual one for this scorer"))
    if spec.mode == "floor" and spec.floor is None:
        found.append(("floor", "required", "is required in the mode floor"))
    if spec.mode in COMPARING and scoring.first_floor is None and spec.first_floor is None:
        found.append(
            ("first_floor", "required", "is required: what a first version, which nothing is compared with, may reach")
        )
    least, most = scoring.range
    for field, value in (("floor", spec.floor), ("first_floor", spec.first_floor)):
        if value is not None and not least <= value <= most:
            found.append((field, "range", f"must be between {least:g} and {most:g}"))
        elif value == most and scoring.is_binary and spec.mode in ASKED_BY[field]:
            found.append((field, "range", f"must be below {most:g}, which no number of cases shows: choose all_pass"))
    width = math.inf if scoring.is_ratio else most - least
    for field, value in (("margin", spec.margin), ("least_gain", spec.least_gain)):
        if value is not None and value >= width:
            found.append((field, "range", f"must be below {width:g}, the whole range of the score"))
    return found
