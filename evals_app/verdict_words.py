"""Verdicts in words a reviewer understands without knowing statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.stats import Interval


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence speaks of: `binary` scores are told as percent, `sure` is how sure each bound is (0.95)."""

    binary: bool
    sure: float
    n: int
    mean_new: float
    mean_base: float | None
    bounds: Interval

    def score(self, value: float) -> str:
        return percent(value) if self.binary else f"{value:.3g}"

    def points(self, value: float) -> str:
        """A difference of scores, without its sign."""
        return f"{abs(value) * 100:.1f} points" if self.binary else f"{abs(value):.3g}"

    @property
    def basis(self) -> str:
        return f"({percent(self.sure)} sure, {count(self.n, 'case')})"


def compared(
    told: Told, verdict: str, delta: float, allowed: float, regressed: Sequence[str], *, is_ratio: bool = False
) -> str:
    """Candidate against baseline; `delta`, the bounds and `allowed` on one scale, above 0 for better."""

    def amount(value: float) -> str:
        return f"{abs(math.expm1(value)) * 100:.1f} %" if is_ratio else told.points(value)

    def signed(value: float) -> str:
        return ("+" if value >= 0 else "\N{MINUS SIGN}") + amount(value)

    means = f"{told.score(told.mean_new)} now, {told.score(told.mean_base or 0.0)} live"
    if regressed:
        return f"A critical case that passed on the live version fails now: {names(regressed)}. Scores: {means}."
    if verdict == "passed":
        return f"Not worse than the live version by more than {amount(allowed)} {told.basis}: {means}."
    if verdict == "failed" and told.bounds.upper < -allowed:
        return f"Worse than the live version by more than the {amount(allowed)} allowed {told.basis}: {means}."
    if verdict == "failed":
        return f"Below the floor {told.basis}: {means}."
    between = f"between {signed(told.bounds.lower)} and {signed(told.bounds.upper)}"
    return f"Cannot tell yet: the true difference is {between}, at most {amount(allowed)} worse is allowed {told.basis}: {means}."


def against_floor(told: Told, verdict: str, floor: float, *, is_first: bool, is_least: bool) -> str:
    """The score against a floor, or a ceiling where lower is better."""
    limit = f"{'at least' if is_least else 'at most'} {told.score(floor)}"
    score, lower, upper = told.score(told.mean_new), told.score(told.bounds.lower), told.score(told.bounds.upper)
    start = "First version: no comparison. " if is_first else ""
    if verdict == "passed":
        return f"{start}The score of {score} shows that the true one is {limit} {told.basis}."
    if verdict == "failed":
        return f"{start}The score of {score} shows that the true one is not {limit} {told.basis}."
    return f"{start}Cannot tell yet: the true score is between {lower} and {upper}, asked is {limit} {told.basis}."


def all_pass(looked_at: int, failing: Sequence[str], *, only_critical: bool) -> str:
    which = "critical case" if only_critical else "case"
    if failing:
        return f"{len(failing)} of {count(looked_at, which)} failed: {names(failing)}. No statistical claim."
    return f"Every repeat of {count(looked_at, which)} passed. No statistical claim."


def reported(mean_new: float, mean_base: float | None, *, binary: bool) -> str:
    def shown(value: float) -> str:
        return percent(value) if binary else f"{value:.3g}"

    against = "" if mean_base is None else f", {shown(mean_base)} on the live version"
    return f"Reported, not judged: {shown(mean_new)}{against}."


def error(reason: str) -> str:
    return f"No verdict: {reason}."


def settle(more: int | None) -> str:
    """What would end an inconclusive verdict, in round numbers."""
    if more is None:
        return "More cases like these would hardly settle it: it lies right at the line."
    digits = max(0, len(str(more)) - 2)
    return f"About {count(math.ceil(more / 10**digits) * 10**digits, 'more case')} like these would settle it."


def names(keys: Sequence[str], most: int = 3) -> str:
    """The first few by name, the rest counted."""
    rest = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {rest} more" if rest > 0 else "")


def percent(value: float) -> str:
    """In percent with one decimal where it is not a whole number."""
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
