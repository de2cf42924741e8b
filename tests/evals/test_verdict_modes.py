"""Better than what is live, alone and on any of several; ratios; floors besides; what may carry a claim."""

import math
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from evals_app.claims import why_no_claim
from evals_app.stats import holm, minimum_size_for_gain, tango_bounds
from evals_app.verdicts import CaseScores, Rule, judge, judge_all, overall
from tests.evals.test_verdicts import cases, counts, observed

BETTER = Rule("answer", mode="superior")


def costs(factor: float, n: int = 40) -> list[CaseScores]:
    return cases([(factor * (1 + i / 100), 1 + i / 100 * (1 + i % 3 / 50)) for i in range(n)])


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        (counts(both=30, wins=14, losses=2), "passed"),
        (counts(both=44, wins=10, losses=4, neither=2), "inconclusive"),
        (counts(both=60), "inconclusive"),
        (counts(both=40, wins=2, losses=14), "failed"),
    ],
)
def test_superior__single_answers__must_be_shown_better(pairs, verdict):
    assert judge(cases(pairs), BETTER).verdict == verdict


def test_superior__a_gain_smaller_than_asked__is_not_enough_however_sure():
    pairs = cases(counts(both=400, wins=30, losses=2))
    assert judge(pairs, BETTER).verdict == "passed"
    metric = judge(pairs, Rule("answer", mode="superior", least_gain=0.10))
    assert (metric.verdict, metric.lower > 0) == ("inconclusive", True)
    assert "10.0 points is asked" in metric.sentence and "less than asked" in metric.settle


def test_superior__nothing_live__is_judged_by_the_first_floor():
    metric = judge(cases([(1, None)] * 28 + [(0, None)] * 2), BETTER)
    assert (metric.verdict, metric.mode) == ("passed", "floor")


def test_superior__a_critical_case_regressed__fails():
    assert judge(cases([(0, 1), *counts(both=20, wins=60)], critical={0}), BETTER).verdict == "failed"


def test_superior__by_ratio__cheaper_passes_and_says_by_how_much():
    rule = Rule("cost", mode="superior", binary=False, higher_is_better=False, scale="log_ratio", unit="dollars",
                pass_at=math.inf)  # fmt: skip
    metric = judge(costs(0.8), rule)
    assert (metric.verdict, metric.sentence.startswith("Lower than on the live version")) == ("passed", True)
    assert judge(costs(1.2), rule).verdict == "failed"


def test_ratio__undecided__is_told_as_higher_and_lower():
    spread = cases([(1.6 if i % 2 else 0.7, 1.0) for i in range(12)])
    rule = Rule("cost", margin=0.10, binary=False, higher_is_better=False, scale="log_ratio", unit="dollars")
    metric = judge(spread, rule)
    assert metric.verdict == "inconclusive"
    assert "lower and" in metric.sentence and "10 % higher is allowed" in metric.sentence


def test_ratio__free_on_both_sides__is_no_difference_and_free_on_one_is_an_error():
    rule = Rule("cost", margin=0.10, binary=False, higher_is_better=False, scale="log_ratio", unit="dollars")
    assert judge(cases([(0.0, 0.0)] * 9), rule).verdict == "passed"
    assert judge(cases([(0.0, 0.0)] * 8 + [(0.1, 0.0)]), rule).verdict == "error"


def test_floor_besides_a_comparison__is_a_ceiling_where_lower_is_better():
    rule = Rule("cost", margin=0.5, binary=False, higher_is_better=False, scale="log_ratio", floor=0.5, unit="dollars")
    metric = judge(costs(1.0), rule)
    assert (metric.verdict, metric.sentence.startswith("Above the limit of $0.50")) == ("failed", True)
    assert judge(costs(1.0), Rule(**{**_fields(rule), "floor": 5.0})).verdict == "passed"


def _fields(rule):
    return {name: getattr(rule, name) for name in rule.__dataclass_fields__}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_holm__any_p_values__as_statsmodels(values, alpha):
    fallen = [one for one, _ in holm(len(values), alpha, lambda index, level: values[index] <= level)]
    with patch("gc.collect"):  # theirs looks for garbage in the whole process each time
        assert fallen == list(multipletests(values, alpha=alpha, method="holm")[0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm__levels__are_those_at_which_each_was_tested_last(values):
    tested = holm(len(values), 0.05, lambda index, level: values[index] <= level)
    assert all((value <= level) == fell for value, (fell, level) in zip(values, tested, strict=True))


def test_any_superior__one_of_two_shown__is_enough_and_the_other_is_only_reported():
    clear, unclear = cases(counts(both=30, wins=16, losses=1)), cases(counts(both=50, wins=5, losses=4))
    rules = [Rule("one", mode="superior"), Rule("two", mode="superior")]
    found = judge_all([(clear, rules[0]), (unclear, rules[1])], any_superior=True)
    assert [metric.verdict for metric in found] == ["passed", "reported"]
    assert (overall(found), found[1].settle) == ("passed", "")
    assert overall(judge_all([(clear, rules[0]), (unclear, rules[1])])) == "inconclusive"


def test_any_superior__shown_only_at_the_whole_level__is_not_shown_at_the_shared_one():
    close = cases(counts(both=43, wins=11, losses=4))
    assert judge(close, BETTER).verdict == "passed"
    found = judge_all([(close, Rule("one", mode="superior")), (close, Rule("two", mode="superior"))], any_superior=True)
    assert [metric.verdict for metric in found] == ["inconclusive", "inconclusive"]
    assert "97.5 % sure" in found[0].sentence


def test_any_superior__one_that_got_worse__fails_whatever_the_other_shows():
    better, worse = cases(counts(both=30, wins=20)), cases(counts(both=30, losses=20))
    found = judge_all(
        [(better, Rule("one", mode="superior")), (worse, Rule("two", mode="superior"))], any_superior=True
    )
    assert overall(found) == "failed"


@pytest.mark.parametrize(("labels", "verdict"), [(49, "inconclusive"), (50, "passed")])
def test_claim__of_a_judge_with_few_labels__cannot_be_carried(labels, verdict):
    barred = why_no_claim(["tone"], {"tone": labels})
    metric = judge(cases(counts(both=30, wins=20)), Rule("tone", mode="superior", barred=barred))
    assert metric.verdict == verdict
    assert metric.settle == barred
    assert bool(barred) == ("49" in metric.settle)
    assert why_no_claim(["equals"], {"tone": 3}) == ""


@given(st.sampled_from([0.01, 0.05, 0.1]), st.integers(1, 4))
def test_minimum_size_for_gain__is_the_first_that_passes_when_every_case_is_won(alpha, looks):
    size = minimum_size_for_gain(alpha, looks)
    assert tango_bounds(size, 0, size, alpha / looks).lower > 0
    assert size == 2 or tango_bounds(size - 1, 0, size - 1, alpha / looks).lower <= 1e-9


@settings(max_examples=150)
@given(observed(size=(3, 30)))
def test_superior__whenever_it_passes__not_worse_passes_too_and_swapped_it_fails(found):
    swapped = [CaseScores(case.case_key, case.cluster, False, case.base, case.new) for case in found]
    plain = [CaseScores(case.case_key, case.cluster, False, case.new, case.base) for case in found]
    if judge(plain, BETTER).verdict == "passed":
        assert judge(plain, Rule("answer")).verdict == "passed"
        assert judge(swapped, BETTER).verdict == "failed"
