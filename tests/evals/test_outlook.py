"""What would settle an inconclusive verdict, and how likely an equal version passes: held against simulation."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals_app.outlook import Plan, Seen, chance_to_pass, outlook
from evals_app.verdicts import CaseScores, Rule, judge

RULE = Rule("passes", margin=0.10)


def seen(differing: float, n: int, *, answers: int = 1, noise: float | None = None) -> Seen:
    return Seen(math.sqrt(differing / n), 0.0, n, answers, noise)


@pytest.mark.parametrize(("n", "differing"), [(40, 0.1), (60, 0.2), (120, 0.3)])
def test_chance__of_single_answers__is_what_simulated_runs_do(n, differing):
    dice = random.Random(7)
    passed = 0
    for _ in range(600):
        cases = []
        for index in range(n):
            new, base = 1.0, 1.0
            if dice.random() < differing:
                new, base = dice.choice([(1.0, 0.0), (0.0, 1.0)])
            cases.append(CaseScores(f"c{index}", f"c{index}", False, (new,), (base,)))
        passed += judge(cases, RULE).verdict == "passed"
    assert chance_to_pass(RULE, Plan(n, n, 1), seen(differing, n)) == pytest.approx(passed / 600, abs=0.06)


def test_chance__counted_and_normal__agree_where_both_hold():
    counted = chance_to_pass(RULE, Plan(200, 200, 1), seen(0.29, 200))
    assert chance_to_pass(RULE, Plan(200, 200, 1), seen(0.31, 200)) == pytest.approx(counted, abs=0.05)


@settings(max_examples=50)
@given(st.integers(30, 400), st.floats(0.02, 0.6))
def test_chance__more_cases_or_more_answers__never_hurt_much(n, differing):
    """Of single answers the chance steps with whole cases, so it may fall a little between two numbers of them."""
    noisy = seen(differing, n, answers=3, noise=0.6)
    plans = [Plan(n, n, 3), Plan(2 * n, 2 * n, 3), Plan(n, n, 9)]
    few, many, often = (chance_to_pass(RULE, plan, noisy) for plan in plans)
    assert few <= many + 1e-9 and few <= often + 1e-9
    assert 0 <= few <= 1


def test_chance__below_the_smallest_useful_size__is_none_at_all():
    assert chance_to_pass(RULE, Plan(24, 24, 1), seen(0.0, 24)) == 0
    assert chance_to_pass(RULE, Plan(25, 25, 1), seen(0.0, 25)) == 1


def test_outlook__low__says_how_many_cases_would_make_it_nine_in_ten():
    found = outlook(RULE, Plan(60, 60, 1), seen(0.3, 60))
    assert found is not None and found.is_seen and found.chance < 0.6
    assert "judging by the last run" in found.sentence and "would make it 90 %" in found.sentence
    words = found.sentence.split("About ")[1]
    needed = int(words.split(" ")[0].replace(",", ""))
    assert chance_to_pass(RULE, Plan(needed, needed, 1), seen(0.3, 60)) >= 0.9


def test_outlook__before_any_run__tells_what_it_takes_for_granted_and_nothing_of_other_modes():
    found = outlook(RULE, Plan(60, 60, 3), None)
    assert found is not None and not found.is_seen and "one answer in ten differs" in found.sentence
    assert outlook(Rule("passes", mode="floor", floor=0.5), Plan(60, 60, 3), None) is None
    assert outlook(Rule("cost", binary=False, scale="log_ratio"), Plan(60, 60, 3), None) is None
    assert (
        outlook(Rule("cost", binary=False, scale="log_ratio", margin=0.1), Plan(60, 60, 3), seen(0.1, 60)) is not None
    )


def varied(n: int, repeats: int, dice: random.Random) -> list[CaseScores]:
    """Answers that differ by chance alone: every case passes six times in ten, on both sides."""
    draw = lambda: tuple(float(dice.random() < 0.6) for _ in range(repeats))  # noqa: E731
    return [CaseScores(f"c{i}", f"c{i}", False, draw(), draw()) for i in range(n)]


def test_settle__answers_differ_by_chance__offers_repeats_that_would_indeed_decide():
    dice = random.Random(1)
    metric = judge(varied(40, 3, dice), RULE)
    assert metric.verdict == "inconclusive" and metric.noise > 0.6
    assert "answers to each case, would settle it" in metric.settle
    often = int(metric.settle.split("or ")[1].split(" ")[0])
    assert judge(varied(40, often + 4, dice), RULE).verdict == "passed"


def test_settle__cases_differ_for_good__offers_cases_only():
    steady = [CaseScores(f"c{i}", f"c{i}", False, (new,) * 3, (base,) * 3)
              for i, (new, base) in enumerate([(1.0, 0.0)] * 8 + [(0.0, 1.0)] * 9 + [(1.0, 1.0)] * 43)]  # fmt: skip
    metric = judge(steady, RULE)
    assert (metric.verdict, metric.noise) == ("inconclusive", 0.0)
    assert "more cases like these would settle it." in metric.settle and "answers to each" not in metric.settle


@settings(max_examples=40)
@given(st.integers(20, 80), st.integers(0, 8), st.integers(0, 8))
def test_settle__as_many_more_cases_as_it_says__decide(n, wins, losses):
    def found(times: float) -> str:
        many = [round(count * times) for count in (wins, losses, n)]
        pairs = [(1.0, 0.0)] * many[0] + [(0.0, 1.0)] * many[1] + [(1.0, 1.0)] * max(0, many[2] - many[0] - many[1])
        return judge([CaseScores(f"c{i}", f"c{i}", False, (a,), (b,)) for i, (a, b) in enumerate(pairs)], RULE)

    metric = found(1)
    if metric.verdict == "inconclusive" and metric.settle.startswith("About") and n > wins + losses:
        more = int(metric.settle.split(" ")[1].replace(",", ""))
        assert found(1.4 * (n + more) / n).verdict != "inconclusive"
