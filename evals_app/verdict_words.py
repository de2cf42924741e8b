"""Verdicts in words a reviewer understands without knowing statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.stats import Interval
from evals_app.verdict_rules import Decision, Rule, Unit

MINUS = "\N{MINUS SIGN}"
NOT_NEEDED = "Need not be better by itself, since another metric is."
GAIN_TOO_SMALL = "It is better, but by less than asked: more cases like these would not change that."


@dataclass(frozen=True, slots=True)
class Told:
    """What a sentence speaks of: the rule, what was decided by it, and the means over `n` cases in `clusters`."""

    rule: Rule
    decision: Decision
    n: int
    clusters: int
    mean_new: float
    mean_base: float | None

    @property
    def bounds(self) -> Interval:
        """Those decided by; of no width where none were computed."""
        return self.decision.bounds or Interval(self.mean_new, self.mean_new)

    @property
    def basis(self) -> str:
        """How sure, and from how many cases: said of every claim."""
        cases = count(self.n, "case")
        groups = f" in {count(self.clusters, 'group')}" if self.clusters != self.n else ""
        return f"({percent(1 - self.rule.level)} sure, {cases}{groups})"

    @property
    def means(self) -> str:
        """Both sides' scores."""
        new, base = self.rule.sides
        return f"{new} {self.score(self.mean_new)}, {base} {self.score(self.mean_base or 0.0)}"

    @property
    def word(self) -> str:
        """Which way the two differ, where the bounds tell."""
        return which_way(self.bounds.lower, self.bounds.upper)

    @property
    def allowed(self) -> str:
        """The margin."""
        return percent(self.rule.margin) if self.rule.scale == "log_ratio" else self.amount(self.rule.margin)

    def score(self, value: float) -> str:
        return score(value, self.rule.told_in)

    def amount(self, value: float) -> str:
        """A difference of scores, without its sign."""
        return _points(value, self.rule)

    def signed(self, value: float) -> str:
        """A difference with its sign, or a ratio in words: `3.1 % lower`."""
        if self.rule.scale == "log_ratio":
            return change(self.rule.sign * value)
        return ("+" if value >= 0 else MINUS) + self.amount(value)


def sentence(told: Told, *, looked_at: int) -> str:
    """One sentence for a decision, whatever its mode; `looked_at` cases had to pass in mode `all_pass`."""
    decision = told.decision
    if decision.mode == "all_pass":
        return _all_pass(looked_at, decision.failing, only_critical=looked_at < told.n)
    if decision.mode == "report_only":
        against = "" if told.mean_base is None else f", {told.score(told.mean_base)} on the live version"
        return f"Reported, not judged: {told.score(told.mean_new)}{against}."
    if decision.mode == "floor":
        return _against_floor(told)
    if decision.failing:
        return f"A critical case that passed on the live version fails now: {names(decision.failing)}. Scores: {told.means}."
    if decision.misses_floor:
        side, limit = ("below", "floor") if told.rule.higher_is_better else ("above", "limit")
        asked = told.score(told.rule.floor or 0.0)
        return f"{side.capitalize()} the {limit} of {asked} {told.basis}: {told.means}."
    return _superior(told) if decision.mode == "superior" else _non_inferior(told)


def _non_inferior(told: Told) -> str:
    rule, verdict = told.rule, told.decision.verdict
    if rule.scale == "log_ratio":
        allowed = f"{percent(rule.margin)} {'lower' if rule.higher_is_better else 'higher'}"
        if verdict == "passed":
            return f"At most {allowed} than on the live version {told.basis}: {told.means}, {told.word}."
        if verdict == "failed":
            return f"More than {allowed} than on the live version, which is not allowed {told.basis}: {told.means}."
        return f"{_range(told)}, at most {allowed} is allowed {told.basis}: {told.means}."
    allowed = told.amount(rule.margin)
    if verdict == "passed":
        return f"Not worse than the live version by more than {allowed} {told.basis}: {told.means}, {told.word}."
    if verdict == "failed":
        return f"Worse than the live version by more than the {allowed} allowed {told.basis}: {told.means}."
    return f"{_range(told)}, at most {allowed} worse is allowed {told.basis}: {told.means}."


def _superior(told: Told) -> str:
    rule, verdict = told.rule, told.decision.verdict
    gain = "" if not rule.least_gain else f", by at least the {_gain(told)} asked as seen"
    better = "Better" if rule.scale == "difference" else "Higher" if rule.higher_is_better else "Lower"
    if verdict == "passed":
        return f"{better} than on the live version{gain} {told.basis}: {told.means}."
    if verdict == "failed":
        return f"Worse than the live version, though it should be better {told.basis}: {told.means}."
    if told.bounds.lower > 0:
        shown = f"{better} than on the live version {told.basis}: {told.means}"
        return f"{shown}; {_gain(told)} is asked." if (told.decision.delta or 0.0) < rule.asked_gain else f"{shown}."
    return f"{_range(told)}, better than the live version is asked {told.basis}: {told.means}."


def _gain(told: Told) -> str:
    rule = told.rule
    return percent(rule.least_gain) if rule.scale == "log_ratio" else told.amount(rule.least_gain)


def _range(told: Told) -> str:
    low, high = told.signed(told.bounds.lower), told.signed(told.bounds.upper)
    if told.rule.scale == "log_ratio":
        low, high = (low, high) if told.rule.higher_is_better else (high, low)
        return f"Cannot tell yet: the true value is between {low} and {high} than on the live version"
    return f"Cannot tell yet: the true difference is between {low} and {high}"


def _against_floor(told: Told) -> str:
    """The score against a floor, or a ceiling where lower is better."""
    verdict, floor = told.decision.verdict, told.decision.line or 0.0
    limit = f"{'at least' if told.rule.higher_is_better else 'at most'} {told.score(floor)}"
    seen, lower, upper = told.score(told.mean_new), told.score(told.bounds.lower), told.score(told.bounds.upper)
    start = "First version: no comparison. " if told.decision.is_first else ""
    if verdict == "passed":
        return f"{start}The score of {seen} shows that the true one is {limit} {told.basis}."
    if verdict == "failed":
        return f"{start}The score of {seen} shows that the true one is not {limit} {told.basis}."
    return f"{start}Cannot tell yet: the true score is between {lower} and {upper}, asked is {limit} {told.basis}."


def _all_pass(looked_at: int, failing: Sequence[str], *, only_critical: bool) -> str:
    which = "critical case" if only_critical else "case"
    if failing:
        return f"{len(failing)} of {count(looked_at, which)} failed: {names(failing)}. No statistical claim."
    return f"Every repeat of {count(looked_at, which)} passed. No statistical claim."


def asked(rule: Rule) -> str:
    """What a rule asks of its metric, in a few words."""
    is_ratio, side = rule.scale == "log_ratio", "at least" if rule.higher_is_better else "at most"
    besides = "" if rule.floor is None else f", {side} {score(rule.floor, rule.told_in)}"
    if rule.mode == "floor":
        return besides.removeprefix(", ")
    if rule.mode == "superior":
        gain = percent(rule.least_gain) if is_ratio else _points(rule.least_gain, rule)
        return f"better than what is live{f' by at least {gain}' if rule.least_gain else ''}{besides}"
    if rule.mode == "non_inferior":
        allowed = percent(rule.margin) if is_ratio else _points(rule.margin, rule)
        return f"not {'higher' if is_ratio else 'worse'} than what is live by more than {allowed}{besides}"
    return "every case passes" if rule.mode == "all_pass" else "only reported"


def _points(value: float, rule: Rule) -> str:
    return f"{abs(value) * 100:.1f} points" if rule.binary else plain(abs(value))


def slice_sentence(told: Told, *, is_judged: bool, why_not: str = "") -> str:
    """One sentence for the cases of a tag: a guardrail, which only ever says that these got worse."""
    if told.mean_base is None:
        return f"{told.score(told.mean_new)} in {count(told.n, 'case')}."
    if not is_judged:
        return f"{told.means} in {count(told.n, 'case')}: shown, not judged{why_not}."
    if told.decision.verdict == "failed":
        return f"These cases got worse by more than the {told.allowed} allowed {told.basis}: {told.means}."
    return f"Not shown to be worse by more than the {told.allowed} allowed {told.basis}: {told.means}."


def error(reason: str) -> str:
    """Why there is no verdict."""
    return f"No verdict: {reason}."


def settle(more: int | None, repeats: int | None, *, is_single: bool) -> str:
    """What would end an inconclusive verdict, in round numbers."""
    if more is None and repeats is None:
        return "More cases like these would hardly settle it: it lies right at the line."
    often = "" if repeats is None else f"{repeats} answers to each case"
    if more is None:
        return f"About {often} would settle it."
    cases = f"About {count(rounded(more), 'more case')} like these"
    if often:
        return f"{cases}, or {often}, would settle it."
    hint = (
        " Whether more answers to each case would, one answer to each cannot tell." if is_single and more > 20 else ""
    )
    return f"{cases} would settle it.{hint}"


def outlook(rule: Rule, cases: int, chance: float, needed: int | None, *, is_seen: bool) -> str:
    """How likely an equal version passes, before it is asked, and how many cases would make that nine in ten."""
    margin = (
        percent(rule.margin)
        if rule.scale == "log_ratio"
        else f"{rule.margin * 100:g} points"
        if rule.binary
        else f"{rule.margin:g}"
    )
    basis = "judging by the last run" if is_seen else "taking it that one answer in ten differs by chance"
    told = "hardly ever" if chance < 0.005 else f"about {max(1, min(99, round(chance * 100)))} % of the time"
    start = (
        f"With {count(cases, 'case')} and a margin of {margin}, a version that is just as good passes {told}, {basis}."
    )
    return start if needed is None else f"{start} About {count(rounded(needed), 'case')} would make it 90 %."


def rounded(number: int) -> int:
    """Up to two leading digits."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return math.ceil(number / step) * step


def names(keys: Sequence[str], most: int = 3) -> str:
    """The first few by name, the rest counted."""
    rest = len(keys) - most
    return ", ".join(keys[:most]) + (f" and {rest} more" if rest > 0 else "")


def score(value: float, unit: Unit) -> str:
    """A score in what it is told in."""
    if unit == "rate":
        return percent(value)
    if unit == "dollars":
        return f"${value:.2g}" if abs(value) < 0.1 else f"${value:,.2f}"
    if unit == "ms":
        return f"{value:,.0f} ms" if value < 10_000 else f"{value / 1000:,.1f} s"
    return f"{value:,.0f} tokens" if unit == "tokens" else plain(value)


def plain(value: float) -> str:
    """A number by its three leading digits, from a thousand on whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def which_way(lower: float, upper: float) -> str:
    """Better or worse where a whole interval of differences lies on one side of none."""
    return "better" if lower > 0 else "worse" if upper < 0 else "no clear difference"


def change(log_ratio: float) -> str:
    """The logarithm of new over old in words: `3.1 % lower`."""
    part = math.expm1(log_ratio)
    return f"{percent(abs(part))} {'higher' if part > 0 else 'lower'}"


def percent(value: float) -> str:
    """In percent with one decimal where it is not a whole number."""
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def count(number: int, thing: str) -> str:
    """A number of things."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
