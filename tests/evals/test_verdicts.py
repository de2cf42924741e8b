import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals_app.verdicts import CaseScores, MetricVerdict, Rule, judge, overall


def cases(pairs, critical=(), cluster=None, repeats=1):
    """(new, base) of each case, named c0, c1 …"""
    return [
        CaseScores(
            f"c{n}", cluster or f"c{n}", n in critical, (new,) * repeats, None if base is None else (base,) * repeats
        )
        for n, (new, base) in enumerate(pairs)
    ]


def counts(both=0, wins=0, losses=0, neither=0):
    return [(1, 1)] * both + [(1, 0)] * wins + [(0, 1)] * losses + [(0, 0)] * neither


ANY = Rule("answer")
one_or_zero = st.sampled_from([0.0, 1.0])


@st.composite
def observed(draw, repeats=(1, 3), size=(2, 40), has_base=(True,)):
    k, base = draw(st.integers(*repeats)), draw(st.sampled_from(has_base))
    row = st.tuples(*[one_or_zero] * k)
    return [
        CaseScores(
            f"c{n}",
            draw(st.sampled_from([f"c{n}", "x", "y"])),
            draw(st.integers(0, 9)) == 0,
            draw(row),
            draw(row) if base else None,
        )
        for n in range(draw(st.integers(*size)))
    ]


@pytest.mark.parametrize(
    ("pairs", "margin", "verdict"),
    [
        (counts(both=52), 0.05, "passed"),
        (counts(both=51), 0.05, "inconclusive"),
        (counts(both=60), 0.05, "passed"),
        (counts(both=44, wins=10, losses=4, neither=2), 0.05, "passed"),
        (counts(both=97, wins=2, losses=1), 0.05, "passed"),
        (counts(both=92, wins=3, losses=5), 0.05, "inconclusive"),
        (counts(both=92, wins=3, losses=5), 0.10, "passed"),
        (counts(both=30, losses=9, wins=0, neither=9), 0.05, "failed"),
        (counts(both=8, wins=3, losses=12, neither=7), 0.10, "inconclusive"),
    ],
)
def test_non_inferior__single_answers__as_tango_says(pairs, margin, verdict):
    assert judge(cases(pairs), Rule("answer", margin=margin)).verdict == verdict


def test_non_inferior__the_demo__seventeen_to_eight_of_thirty_fails_and_five_flips_each_way_of_sixty_pass():
    worse = counts(both=7, wins=1, losses=10, neither=12)
    assert judge(cases(worse), Rule("answer", margin=0.10)).verdict == "failed"
    alike = counts(both=30, wins=5, losses=5, neither=20)
    assert judge(cases(alike), Rule("answer", margin=0.10)).verdict == "passed"


def test_non_inferior__a_critical_case_regressed__fails_however_good_the_rest_is():
    metric = judge(cases([(0, 1), *counts(both=100, wins=30)], critical={0}), ANY)
    assert (metric.verdict, metric.regressed) == ("failed", ("c0",))
    assert "c0" in metric.sentence


def test_non_inferior__a_critical_case_that_failed_before__is_no_regression():
    assert judge(cases([(0, 0), *counts(both=100)], critical={0}), ANY).verdict == "passed"


def test_non_inferior__a_critical_case_fails_one_repeat_of_three__is_a_regression():
    steady = cases(counts(both=60), repeats=3)
    shaky = CaseScores("k", "k", True, (1.0, 1.0, 0.0), (1.0, 1.0, 1.0))
    assert judge([*steady, shaky], ANY).regressed == ("k",)


def test_non_inferior__a_floor_missed__fails():
    metric = judge(cases(counts(both=10, neither=90)), Rule("answer", floor=0.5))
    assert (metric.verdict, "floor" in metric.sentence) == ("failed", True)


def test_non_inferior__nothing_live__is_judged_by_the_first_floor():
    good, bad = cases([(1, None)] * 28 + [(0, None)] * 2), cases([(1, None)] * 5 + [(0, None)] * 25)
    passed, failed = judge(good, ANY), judge(bad, ANY)
    assert (passed.verdict, passed.mode, failed.verdict) == ("passed", "floor", "failed")
    assert passed.sentence.startswith("First version: no comparison.")
    assert judge(cases([(1, None)] * 17 + [(0, None)] * 13), Rule("answer", first_floor=0.3)).verdict == "passed"
    assert judge(cases([(1, None)] * 17 + [(0, None)] * 13), ANY).verdict == "inconclusive"


def test_non_inferior__more_looks__ask_for_more():
    just_enough = cases(counts(both=52))
    assert judge(just_enough, Rule("answer")).verdict == "passed"
    assert judge(just_enough, Rule("answer", looks=2)).verdict == "inconclusive"


def test_non_inferior__lower_is_better_by_ratio__cost_may_rise_by_the_margin():
    def costs(factor):
        spread = [1 + n / 100 for n in range(40)]
        return cases([(factor * value, value) for value in spread])

    rule = Rule("cost", margin=0.10, binary=False, higher_is_better=False, scale="log_ratio")
    verdicts = [judge(costs(factor), rule).verdict for factor in (0.5, 1.0, 1.05, 1.2)]
    assert verdicts == ["passed", "passed", "passed", "failed"]
    assert judge(costs(0.5), rule).delta == pytest.approx(math.log(2))


@pytest.mark.parametrize(("passes", "verdict"), [(60, "passed"), (50, "inconclusive"), (30, "failed")])
def test_floor__single_answers__as_wilson_says(passes, verdict):
    pairs = [(1, None)] * passes + [(0, None)] * (60 - passes)
    assert judge(cases(pairs), Rule("answer", mode="floor", floor=0.8)).verdict == verdict


def test_floor__numeric_score_where_lower_is_better__is_a_ceiling():
    rule = Rule("words", mode="floor", floor=100.0, binary=False, higher_is_better=False)
    short, long = cases([(60 + n % 5, None) for n in range(20)]), cases([(160 + n % 5, None) for n in range(20)])
    assert [judge(short, rule).verdict, judge(long, rule).verdict] == ["passed", "failed"]


def test_floor__left_out__is_an_error():
    assert judge(cases([(1, None)] * 9), Rule("answer", mode="floor")).verdict == "error"


def test_all_pass__only_critical_cases_count_where_any_is_marked():
    mixed = cases([(1, 1), (0, 1), (1, 1)], critical={0})
    assert judge(mixed, Rule("answer", mode="all_pass")).verdict == "passed"
    assert judge(cases([(1, 1), (0, 1)]), Rule("answer", mode="all_pass")).verdict == "failed"
    single = judge(cases([(1, None)]), Rule("answer", mode="all_pass"))
    assert (single.verdict, "No statistical claim" in single.sentence) == ("passed", True)


def test_all_pass__a_case_it_looks_at_in_error__is_an_error():
    many = [*cases([(1, 1)] * 99), CaseScores("lost", "lost", False, (), (1.0,))]
    assert judge(many, Rule("answer", mode="all_pass")).verdict == "error"
    assert judge(many, ANY).verdict == "passed"


@pytest.mark.parametrize(
    ("rule", "critical", "of", "verdict"),
    [
        (Rule("answer", mode="all_pass"), False, 60, "error"),
        (Rule("answer"), True, 60, "error"),
        (Rule("answer", mode="report_only"), True, 60, "reported"),
        (Rule("answer"), False, 30, "error"),
        (Rule("answer"), False, 60, "passed"),
    ],
)
def test_judge__one_of_the_answers_to_a_case_is_missing__the_case_is_in_error(rule, critical, of, verdict):
    torn = CaseScores("torn", "torn", critical, (1.0, 1.0), (1.0,) * 3, lost=1)
    metric = judge([torn, *cases(counts(both=of - 1), repeats=3)], rule)
    assert metric.verdict == verdict
    assert metric.n == of


def test_report_only__any__is_reported_and_never_gates():
    metric = judge(cases(counts(both=3, losses=9)), Rule("answer", mode="report_only"))
    assert metric.verdict == "reported"
    assert overall([metric]) is None


@pytest.mark.parametrize("mode", ["non_inferior", "floor", "all_pass"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_judge__a_score_that_is_no_number__is_an_error(mode, bad):
    assert (
        judge(
            [*cases(counts(both=99)), CaseScores("x", "x", False, (bad,), (1.0,))], Rule("a", mode=mode, floor=0.5)
        ).verdict
        == "error"
    )


@pytest.mark.parametrize("mode", ["non_inferior", "floor", "all_pass"])
def test_judge__no_cases_or_too_many_in_error__is_an_error(mode):
    rule = Rule("answer", mode=mode, floor=0.5)
    lost = [CaseScores(f"e{n}", f"e{n}", False, (), (1.0,)) for n in range(3)]
    assert judge([], rule).verdict == "error"
    assert judge(lost, rule).verdict == "error"
    assert judge([*cases(counts(both=97)), *lost], rule).verdict == "error"


@pytest.mark.parametrize("mode", ["non_inferior", "floor"])
def test_judge__fewer_than_two_clusters__is_an_error(mode):
    rule = Rule("answer", mode=mode, floor=0.5)
    assert judge(cases([(1, 1)]), rule).verdict == "error"
    assert judge(cases(counts(both=60), cluster="one"), rule).verdict == "error"


def test_judge__a_critical_case_in_error__is_an_error():
    lost = CaseScores("k", "k", True, (), (1.0,))
    assert judge([*cases(counts(both=99)), lost], ANY).verdict == "error"


def test_judge__some_cases_without_baseline__is_an_error():
    assert judge(cases([(1, 1)] * 60 + [(1, None)]), ANY).verdict == "error"


def test_inconclusive__says_how_many_more_cases_would_settle_it():
    metric = judge(cases(counts(both=40)), ANY)
    assert (metric.verdict, metric.settle) == ("inconclusive", "About 12 more cases like these would settle it.")
    at_the_line = judge(cases(counts(both=50, losses=5, neither=45)), ANY)
    assert "hardly" in at_the_line.settle
    assert metric.told.endswith(metric.settle)


@settings(max_examples=200)
@given(
    observed(), st.sampled_from(["non_inferior", "floor", "all_pass", "report_only"]), st.randoms(use_true_random=False)
)
def test_judge__any_scores__order_of_cases_is_irrelevant(found, mode, dice):
    rule = Rule("answer", mode=mode, floor=0.5)
    shuffled = list(found)
    dice.shuffle(shuffled)
    one, other = judge(found, rule), judge(shuffled, rule)
    assert (one.verdict, one.mean_new, one.n) == (other.verdict, other.mean_new, other.n)
    assert (one.lower is None) == (other.lower is None)
    assert one.lower is None or one.lower == pytest.approx(other.lower, abs=1e-12)


@settings(max_examples=200)
@given(observed(), st.integers(0, 1000))
def test_judge__a_failing_answer_turned_into_a_pass__never_lowers_the_lower_bound_of_single_answers(found, place):
    single = [CaseScores(case.case_key, case.case_key, False, case.new[:1], case.base[:1]) for case in found]
    index = place % len(single)
    case = single[index]
    better = [*single[:index], CaseScores(case.case_key, case.cluster, False, (1.0,), case.base), *single[index + 1 :]]
    assert judge(better, ANY).lower >= judge(single, ANY).lower - 1e-12


@settings(max_examples=200)
@given(observed(size=(2, 25)), st.integers(2, 6))
def test_judge__the_same_answers_with_more_looks_allowed__never_pass_more_easily(found, looks):
    strict, loose = judge(found, Rule("answer", looks=looks)), judge(found, ANY)
    assert not (strict.verdict == "passed" and loose.verdict != "passed")


@settings(max_examples=100)
@given(observed(repeats=(1, 1), size=(60, 80)), st.integers(2, 5))
def test_judge__an_answer_copied_instead_of_asked_again__narrows_no_bound(found, times):
    """Pooling is within a case: what a case says twice is no second case."""
    own = [CaseScores(case.case_key, case.case_key, False, case.new, case.base) for case in found]
    copied = [CaseScores(case.case_key, case.cluster, False, case.new * times, case.base * times) for case in own]
    doubled = [CaseScores(case.case_key, case.cluster, False, case.new * 2, case.base * 2) for case in own]
    assert judge(copied, ANY).lower == pytest.approx(judge(doubled, ANY).lower, abs=1e-12)


@given(observed(has_base=(True, False)), st.sampled_from(["non_inferior", "floor", "all_pass", "report_only"]))
def test_judge__any_scores__a_sentence_for_every_verdict(found, mode):
    metric = judge(found, Rule("answer", mode=mode, floor=0.5))
    assert metric.sentence.endswith(".")
    assert bool(metric.settle) == (metric.verdict == "inconclusive")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], None), (["reported"], None), (["passed", "reported"], "passed"), (["passed", "inconclusive"], "inconclusive"),
        (["failed", "inconclusive", "passed"], "failed"), (["error", "failed"], "error"),
    ],
)  # fmt: skip
def test_overall__several_metrics__all_must_pass(found, verdict):
    metrics = [MetricVerdict("m", "floor", 1, verdict=one) for one in found]
    assert overall(metrics) == verdict
