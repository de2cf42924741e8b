"""Oracles: statsmodels for Wilson, McNemar and clustered errors; Tango's defining equation; values of the design."""

import math
import random

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from evals_app.stats import (
    StatsError,
    clustered_t,
    is_tango_above,
    level_per_look,
    may_post_check,
    mcnemar_exact,
    minimum_size,
    minimum_size_for_floor,
    tango_bounds,
    wilson,
)

alphas = st.sampled_from([0.001, 0.01, 0.025, 0.05, 0.1, 0.25])


@st.composite
def counts(draw):
    n = draw(st.integers(1, 400))
    b = draw(st.integers(0, n))
    return b, draw(st.integers(0, n - b)), n


samples = st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("abcdefg")), min_size=2, max_size=40)


@pytest.mark.parametrize(
    ("b", "c", "n", "lower"),
    [
        (0, 0, 60, -0.043147),
        (2, 1, 100, -0.026005),
        (3, 5, 100, -0.073915),
        (10, 4, 50, -0.003317),
        (1, 3, 44, -0.140501),
    ],
)
def test_tango__published_values__lower_bound_to_six_digits(b, c, n, lower):
    assert tango_bounds(b, c, n, 0.05).lower == pytest.approx(lower, abs=5e-7)


@given(counts(), alphas)
def test_tango__any_counts__the_bound_is_a_root_of_the_equation(given_counts, alpha):
    b, c, n = given_counts
    lower = tango_bounds(b, c, n, alpha).lower
    assume(-1 < lower < 1)
    big_a, big_b, big_c = 2 * n, -(b + c) + (2 * n - (b - c)) * lower, -c * lower * (1 - lower)
    q = (math.sqrt(max(0.0, big_b**2 - 4 * big_a * big_c)) - big_b) / (2 * big_a)
    variance = n * (2 * q + lower * (1 - lower))
    assume(variance > 1e-9)
    z = (b - c - n * lower) / math.sqrt(variance)
    assert 0.5 * math.erfc(z / math.sqrt(2)) == pytest.approx(alpha, rel=1e-4)


@given(counts(), alphas)
def test_tango__any_counts__bounds_enclose_the_difference_and_swapping_arms_negates(given_counts, alpha):
    b, c, n = given_counts
    bounds = tango_bounds(b, c, n, alpha)
    assert -1 <= bounds.lower <= (b - c) / n <= bounds.upper <= 1
    swapped = tango_bounds(c, b, n, alpha)
    assert (swapped.lower, swapped.upper) == (-bounds.upper, -bounds.lower)


@example((1, 0, 1), 0.001, 1.0)
@given(counts(), alphas, st.floats(-1, 1))
def test_tango__asked_whether_it_is_above__says_what_the_bound_says(given_counts, alpha, least):
    b, c, n = given_counts
    lower = tango_bounds(b, c, n, alpha).lower
    assume(abs(lower - least) > 1e-9)
    assert is_tango_above(b, c, n, alpha, least=least) is (lower >= least)


@given(counts(), alphas)
def test_tango__one_more_win_or_one_less_loss__raises_the_lower_bound(given_counts, alpha):
    b, c, n = given_counts
    lower = tango_bounds(b, c, n, alpha).lower
    if b + c < n:
        assert tango_bounds(b + 1, c, n, alpha).lower >= lower - 1e-12
    if c:
        assert tango_bounds(b, c - 1, n, alpha).lower >= lower - 1e-12
        assert tango_bounds(b + 1, c - 1, n, alpha).lower >= lower - 1e-12


@given(counts())
def test_tango__a_smaller_alpha__lowers_the_lower_bound(given_counts):
    lowers = [tango_bounds(*given_counts, alpha).lower for alpha in (0.001, 0.01, 0.05, 0.2)]
    assert lowers == sorted(lowers)


@given(st.integers(1, 500), alphas)
def test_tango__no_case_changed__is_the_closed_form(n, alpha):
    lower, upper = tango_bounds(0, 0, n, alpha)
    assert (lower, upper) == (pytest.approx(-wilson(n, n, alpha).lower * 0 - (1 - wilson(n, n, alpha).lower)), -lower)


@pytest.mark.parametrize(("b", "c", "n"), [(1, 0, 0), (-1, 0, 5), (3, 3, 5), (math.nan, 0, 5)])
def test_tango__impossible_counts__are_refused(b, c, n):
    with pytest.raises(StatsError):
        tango_bounds(b, c, n, 0.05)


@given(st.integers(1, 300), st.data(), alphas)
def test_wilson__any_counts__as_statsmodels(n, data, alpha):
    k = data.draw(st.integers(0, n))
    oracle = proportion_confint(k, n, alpha=2 * alpha, method="wilson")
    assert wilson(k, n, alpha) == pytest.approx(oracle, abs=1e-12)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (3, 2), (-1, 2), (math.nan, 2)])
def test_wilson__impossible_counts__are_refused(k, n):
    with pytest.raises(StatsError):
        wilson(k, n, 0.05)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar__any_counts__as_statsmodels(b, c):
    assume(b + c > 0)
    assert mcnemar_exact(b, c) == pytest.approx(mcnemar([[0, b], [c, 0]], exact=True).pvalue)


def test_mcnemar__ten_against_four__as_the_design_says():
    assert mcnemar_exact(10, 4) == pytest.approx(0.179565, abs=5e-7)


@given(samples, alphas)
def test_clustered_t__any_samples__as_statsmodels_with_clustered_errors(sample, alpha):
    deltas, labels = zip(*sample, strict=True)
    groups = len(set(labels))
    assume(groups >= 2)
    bounds = clustered_t(deltas, labels, alpha)
    codes = np.unique(labels, return_inverse=True)[1]
    fit = OLS(np.array(deltas), np.ones(len(deltas))).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    lower, upper = fit.conf_int(alpha=2 * alpha)[0]
    assert (bounds.lower, bounds.upper) == (pytest.approx(lower, abs=1e-7), pytest.approx(upper, abs=1e-7))


@given(samples, alphas, st.booleans(), st.randoms(use_true_random=False))
def test_clustered_t__any_samples__order_is_irrelevant_and_swapping_arms_negates(
    sample, alpha, binary, dice: random.Random
):
    assume(len({label for _, label in sample}) >= 2)
    deltas, labels = zip(*sample, strict=True)
    bounds = clustered_t(deltas, labels, alpha, binary=binary)
    shuffled = list(sample)
    dice.shuffle(shuffled)
    assert clustered_t(*zip(*shuffled, strict=True), alpha, binary=binary) == pytest.approx(bounds, abs=1e-12)
    swapped = clustered_t([-delta for delta in deltas], labels, alpha, binary=binary)
    assert swapped == pytest.approx((-bounds.upper, -bounds.lower), abs=1e-12)
    assert bounds.lower <= math.fsum(deltas) / len(deltas) + 1e-12 <= bounds.upper + 2e-12


@given(samples)
def test_clustered_t__a_smaller_alpha__lowers_the_lower_bound(sample):
    assume(len({label for _, label in sample}) >= 2)
    deltas, labels = zip(*sample, strict=True)
    lowers = [clustered_t(deltas, labels, alpha, binary=True).lower for alpha in (0.001, 0.01, 0.05, 0.2)]
    assert lowers == sorted(lowers)


@given(st.integers(2, 200), alphas)
def test_clustered_t__no_variance_of_a_0_1_score__proves_no_more_than_unchanged_cases_do(groups, alpha):
    labels = list(range(groups))
    assert clustered_t([0.0] * groups, labels, alpha, binary=True).lower == pytest.approx(
        tango_bounds(0, 0, groups, alpha).lower
    )
    assert clustered_t([0.0] * groups, labels, alpha).lower == 0


@pytest.mark.parametrize(
    ("deltas", "labels"),
    [([], []), ([0.1], ["a"]), ([0.1, 0.2], ["a", "a"]), ([0.1, math.nan], "ab"), ([0.1, math.inf], "ab")],
)
def test_clustered_t__nothing_to_go_by__is_refused(deltas, labels):
    with pytest.raises(StatsError):
        clustered_t(deltas, labels, 0.05)


@pytest.mark.parametrize(("margin", "size"), [(0.10, 25), (0.05, 52), (0.03, 88)])
def test_minimum_size__margins_of_the_design(margin, size):
    assert minimum_size(margin, 0.05) == size


@given(st.floats(0.01, 0.5), alphas, st.integers(1, 5))
def test_minimum_size__is_the_first_that_passes_when_no_case_changes(margin, alpha, looks):
    size, level = minimum_size(margin, alpha, looks), level_per_look(alpha, looks)
    assert tango_bounds(0, 0, size, level).lower >= -margin - 1e-9
    if size > 2:
        assert tango_bounds(0, 0, size - 1, level).lower < -margin


@given(st.floats(0.05, 0.99), alphas)
def test_minimum_size_for_floor__is_the_first_that_passes_when_every_case_does(floor, alpha):
    size = minimum_size_for_floor(floor, alpha)
    assert wilson(size, size, alpha).lower >= floor - 1e-9
    if size > 2:
        assert wilson(size - 1, size - 1, alpha).lower < floor


@given(st.floats(0.001, 0.4), st.integers(1, 20))
def test_looks__running_again__never_raises_the_chance_of_a_false_pass_above_alpha(alpha, looks):
    """Each finished run that posts a check errs at most at its own level; the sum bounds the chance that any does."""
    posted = [level_per_look(alpha, looks) for used in range(5 * looks) if may_post_check(used, looks)]
    assert math.fsum(posted) <= alpha * (1 + 1e-12)
    assert len(posted) == looks


@pytest.mark.parametrize("alpha", [0, 0.5, 1, -0.1])
def test_level__outside_its_range__is_refused(alpha):
    with pytest.raises(StatsError):
        wilson(1, 2, alpha)
