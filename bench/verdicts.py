"""How often verdicts are wrong, and how often a good version passes: our own code on simulated answers.

Each row is a way of asking; each number the share of 4,000 simulated runs (fixed seed) that pass, beside the rule "the new mean
is not lower" on the very same answers. "At the limit" is a version exactly as bad as is not allowed: what passes there is a false
pass, to be held at alpha, 5 %. The standard error of a share is printed; at 5 % it is 0.3 points.

python bench/verdicts.py
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from evals_app.bounds import measure_difference
from evals_app.outlook import Plan, Seen, chance_to_pass
from evals_app.slices import judge_slices
from evals_app.verdict_rules import CaseScores, Rule
from evals_app.verdicts import decide

SEED, REPLICATES = 20_250_101, 4_000
# A case that neither version always gets right: between-case differences of this size besides the true one.
UNEVEN = 0.15


@dataclass(frozen=True)
class Way:
    """A way of asking: cases, answers to each, cases that belong together, looks. `differ`: share of single answers."""

    rule: Rule
    n: int
    repeats: int = 1
    together: int = 1
    looks: int = 1
    differ: float = 0.15

    @property
    def told(self) -> str:
        limit = f"floor {self.rule.floor:g}" if self.rule.mode == "floor" else f"margin {self.rule.margin:g}"
        limit = "" if self.rule.mode == "superior" else f", {limit}"
        groups = f", {self.n // self.together} groups of {self.together}" if self.together > 1 else ""
        looks = f", {self.looks} looks" if self.looks > 1 else ""
        return f"{self.rule.mode}{limit}: n = {self.n}, K = {self.repeats}{groups}{looks}"


type Answers = tuple[np.ndarray, np.ndarray]


def single(way: Way, gain: float, dice: np.random.Generator) -> Answers:
    """One answer to each case: of the share that differ, as many more wins than losses as the gain says."""
    differ = max(way.differ, abs(gain))
    kinds = dice.choice(
        4, p=[0.75 * (1 - differ), 0.25 * (1 - differ), (differ + gain) / 2, (differ - gain) / 2], size=way.n
    )
    return np.isin(kinds, (0, 2)).astype(float)[:, None], np.isin(kinds, (0, 3)).astype(float)[:, None]


def repeated(way: Way, gain: float, dice: np.random.Generator, answers: int | None = None) -> Answers:
    """Several answers, or cases in groups: chances differ by group, and so does what the new version changes."""
    groups = way.n // way.together
    chance = np.repeat(0.2 + 0.6 * dice.beta(2, 1, size=groups), way.together)
    change = np.repeat(gain + dice.choice([-UNEVEN, UNEVEN], size=groups), way.together)
    size = (way.n, answers or way.repeats)
    base = dice.random(size) < chance[:, None]
    new = dice.random(size) < np.clip(chance + change, 0, 1)[:, None]
    return new.astype(float), base.astype(float)


def scored(way: Way, answers: Answers, *, together: int | None = None) -> list[CaseScores]:
    size = together or way.together
    new, base = (side.tolist() for side in answers)
    return [
        CaseScores(f"c{i}", f"g{i // size}", False, tuple(new[i]), tuple(base[i])) for i in range(way.n)
    ]  # fmt: skip


@cache
def of_counts(rule: Rule, both: int, wins: int, losses: int, neither: int) -> bool:
    """The verdict on single answers depends on these counts alone: worked out once for each."""
    pairs = [(1.0, 1.0)] * both + [(1.0, 0.0)] * wins + [(0.0, 1.0)] * losses + [(0.0, 0.0)] * neither
    return (
        decide([CaseScores(f"c{i}", f"c{i}", False, (a,), (b,)) for i, (a, b) in enumerate(pairs)], rule).verdict
        == "passed"
    )


def passes(way: Way, answers: Answers) -> bool:
    new, base = answers
    if new.shape[1] > 1 or way.together > 1:
        return decide(scored(way, answers), way.rule).verdict == "passed"
    wins, losses = int((new > base).sum()), int((new < base).sum())
    both = int((new * base).sum())
    return of_counts(way.rule, both, wins, losses, way.n - wins - losses - both)


def naive(way: Way, answers: Answers) -> bool:
    """The new mean is not lower than the old one, or than the floor."""
    new, base = answers
    if way.rule.mode == "floor":
        return bool(new.mean() >= (way.rule.floor or 0.0))
    return bool(new.mean() > base.mean() if way.rule.mode == "superior" else new.mean() >= base.mean())


def run(way: Way, gain: float, dice: np.random.Generator) -> tuple[bool, bool]:
    """Whether it passes at some look, and whether the naive rule lets it through at some try."""
    if way.looks == 1:
        answers = repeated(way, gain, dice) if way.repeats > 1 or way.together > 1 else single(way, gain, dice)
        return passes(way, answers), naive(way, answers)
    new, base = repeated(way, gain, dice, way.repeats * way.looks)
    k = way.repeats
    looks = range(1, way.looks + 1)
    ours = any(passes(way, (new[:, : k * look], base[:, : k * look])) for look in looks)
    theirs = any(naive(way, (new[:, k * (look - 1) : k * look], base[:, k * (look - 1) : k * look])) for look in looks)
    return ours, theirs


def floor_answers(way: Way, gain: float, dice: np.random.Generator) -> tuple[bool, bool]:
    """The same against a floor: the true pass rate is the floor and the gain."""
    rate = (way.rule.floor or 0.0) + gain
    new = (dice.random((way.n, way.repeats)) < rate).astype(float)
    answers = (new, np.zeros_like(new))
    return passes(way, answers), naive(way, answers)


def share(outcomes: Iterator[tuple[bool, bool]]) -> tuple[float, float]:
    ours, theirs = zip(*outcomes, strict=True)
    return sum(ours) / REPLICATES, sum(theirs) / REPLICATES


def cell(way: Way, gain: float) -> tuple[float, float]:
    dice = np.random.default_rng(SEED)
    one: Callable[[Way, float, np.random.Generator], tuple[bool, bool]] = (
        floor_answers if way.rule.mode == "floor" else run
    )
    return share(one(way, gain, dice) for _ in range(REPLICATES))


def expected(way: Way) -> float | None:
    """What the outlook says of an equal version, on average over what 40 earlier runs may have shown."""
    if way.rule.mode != "non_inferior" or way.looks > 1:
        return None
    dice = np.random.default_rng(SEED + 1)
    told = []
    for _ in range(40):
        answers = repeated(way, 0.0, dice) if way.repeats > 1 or way.together > 1 else single(way, 0.0, dice)
        measured = measure_difference(scored(way, answers), way.rule)
        spread = measured.spread
        noise = None if measured.noise is None else min(1.0, measured.noise / spread.error**2) if spread.error else 0.0
        seen = Seen(spread.error, spread.mean, int(spread.groups), way.repeats, noise)
        told.append(chance_to_pass(way.rule, Plan(int(spread.groups), way.n, way.repeats), seen))
    return sum(told) / len(told)


def ways() -> Iterator[Way]:
    for margin, n in ((0.05, 20), (0.05, 60), (0.05, 200), (0.10, 30), (0.10, 60), (0.10, 120)):
        yield Way(Rule("m", margin=margin), n)
    for n, repeats in ((60, 3), (60, 5)):
        yield Way(Rule("m", margin=0.10), n, repeats)
    yield Way(Rule("m", margin=0.10), 120, 1, together=4)
    yield Way(Rule("m", margin=0.10), 200, 1, together=10)
    yield Way(Rule("m", margin=0.10), 120, 3, together=4)
    yield Way(Rule("m", margin=0.10, looks=3), 60, 1, looks=3)
    for n, repeats in ((60, 1), (200, 1), (60, 3)):
        yield Way(Rule("m", mode="superior"), n, repeats)
    for n, repeats in ((60, 1), (60, 3)):
        yield Way(Rule("m", mode="floor", floor=0.8), n, repeats)


def percent(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value * 100:7.1f}%"


def table() -> None:
    print(
        f"{REPLICATES:,} runs a number, seed {SEED}; standard error {error(0.05):.1f} points at 5 %, {error(0.5):.1f} at 50 %\n"
    )
    head = f"{'':58}{'at the limit':>16}{'equal':>24}{'better':>16}"
    print(head)
    print(f"{'':58}{'ours':>8}{'naive':>8}{'ours':>8}{'foretold':>8}{'naive':>8}{'ours':>8}{'naive':>8}")
    for way in ways():
        if way.rule.mode == "non_inferior":
            gains: tuple[float, float | None, float] = (-way.rule.margin, 0.0, way.rule.margin)
        else:
            gains = (0.0, None, 0.10)
        limit = cell(way, gains[0])
        equal = (None, None) if gains[1] is None else cell(way, gains[1])
        better = cell(way, gains[2])
        told = "".join(percent(one) for one in (*limit, equal[0], expected(way), equal[1], *better))
        print(f"{way.told:58}{told}", flush=True)


def error(rate: float) -> float:
    return float(np.sqrt(rate * (1 - rate) / REPLICATES) * 100)


def ignoring_groups() -> None:
    """What passes at the limit when cases that belong together are counted as if each stood alone."""
    print(f"\n{'false passes at the limit, margin 0.1':58}{'grouped':>12}{'ignored':>12}")
    for n, together in ((120, 4), (200, 10)):
        way = Way(Rule("m", margin=0.10), n, 1, together)
        dice = np.random.default_rng(SEED)
        with_groups = without = 0
        for _ in range(REPLICATES):
            answers = repeated(way, -way.rule.margin, dice)
            with_groups += passes(way, answers)
            without += passes(replace(way, together=1), answers)
        name = f"{n // together} groups of {together}"
        print(f"{name:58}{with_groups / REPLICATES * 100:11.1f}%{without / REPLICATES * 100:11.1f}%", flush=True)


def slices() -> None:
    """Eight tags of equal size: how often a good version fails because of one, and how often a bad tag is found."""
    print(f"\n{'guardrails: 8 tags, margin 0.1':58}{'none worse':>12}{'all at limit':>14}{'one 40 worse':>14}")
    for size, repeats in ((20, 1), (20, 3), (40, 1)):
        way = Way(Rule("m", margin=0.10), 8 * size, repeats)
        shares = []
        for gains in ([0.0] * 8, [-0.10] * 8, [-0.40, *[0.0] * 7]):
            dice = np.random.default_rng(SEED)
            failed = 0
            for _ in range(REPLICATES):
                cases: list[CaseScores] = []
                for tag, gain in enumerate(gains):
                    part = replace(way, n=size, differ=0.15)
                    answers = repeated(part, gain, dice) if repeats > 1 else single(part, gain, dice)
                    cases += [
                        replace(case, case_key=f"{tag}-{i}", cluster=f"{tag}-{i}", tags=(str(tag),))
                        for i, case in enumerate(scored(part, answers))
                    ]
                failed += any(one.verdict == "failed" for one in judge_slices(cases, way.rule))
            shares.append(failed / REPLICATES)
        name = f"{size} cases a tag, K = {repeats}"
        print(f"{name:58}{shares[0] * 100:11.1f}%{shares[1] * 100:13.1f}%{shares[2] * 100:13.1f}%", flush=True)


if __name__ == "__main__":
    began = time.monotonic()
    table()
    ignoring_groups()
    slices()
    print(f"\n{time.monotonic() - began:.0f} s")
