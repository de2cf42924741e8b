"""Tags as guardrails: they fail only when shown to be worse; small ones and first versions are only shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals_app.slices import MOST_SLICES, SMALL, judge_slices
from evals_app.stats import tango_bounds
from evals_app.verdicts import CaseScores, Rule, judge

RULE = Rule("answer", margin=0.10)


def tagged(tag: str, *, both: int = 0, wins: int = 0, losses: int = 0, has_base: bool = True) -> list[CaseScores]:
    pairs = [(1.0, 1.0)] * both + [(1.0, 0.0)] * wins + [(0.0, 1.0)] * losses
    return [
        CaseScores(f"{tag}-{n}", f"{tag}-{n}", False, (new,), (base,) if has_base else None, (tag,))
        for n, (new, base) in enumerate(pairs)
    ]


def verdicts(cases: list[CaseScores], rule: Rule = RULE) -> dict[str, str]:
    return {one.tag: one.verdict for one in judge_slices(cases, rule)}


def test_slice__that_got_much_worse__fails_though_the_whole_passes():
    cases = tagged("refund", both=15, losses=12) + tagged("card", both=200, wins=40)
    assert judge(cases, RULE).verdict == "passed"
    assert verdicts(cases) == {"refund": "failed", "card": "passed"}
    worse = next(one for one in judge_slices(cases, RULE) if one.tag == "refund")
    assert worse.upper < -0.10 and worse.sentence.startswith("These cases got worse by more than the 10.0 points")


def test_slice__a_little_worse__is_not_shown_to_be():
    cases = tagged("refund", both=24, losses=4) + tagged("card", both=100)
    assert verdicts(cases) == {"refund": "passed", "card": "passed"}


def test_slice__with_few_cases__is_shown_and_not_judged():
    cases = tagged("refund", losses=SMALL - 1) + tagged("card", both=100)
    small = next(one for one in judge_slices(cases, RULE) if one.tag == "refund")
    assert (small.verdict, small.mean_new, small.n) == ("reported", 0.0, SMALL - 1)
    assert "not judged" in small.sentence


def test_slice__many_cases_of_few_clusters__is_small():
    cases = tagged("card", both=100) + [
        CaseScores(f"r{n}", f"group-{n % 5}", False, (0.0,), (1.0,), ("refund",)) for n in range(60)
    ]
    assert verdicts(cases)["refund"] == "reported"


def test_slice__that_every_case_has__is_none():
    assert verdicts(tagged("card", both=60)) == {}


def test_slices__of_a_first_version_or_of_what_is_only_reported__are_means():
    cases = tagged("a", both=30, has_base=False) + tagged("b", losses=30, has_base=False)
    assert verdicts(cases) == {"a": "reported", "b": "reported"}
    assert judge_slices(cases, RULE)[1].sentence == "0 % in 30 cases."
    both = tagged("a", both=30) + tagged("b", losses=30)
    assert verdicts(both, Rule("answer", mode="report_only")) == {"a": "reported", "b": "reported"}


def test_slices__more_than_are_kept__the_largest_stay():
    cases = [case for n in range(MOST_SLICES + 5) for case in tagged(f"t{n:03}", both=1 + (n >= 5))]
    assert len(judge_slices(cases, RULE)) == MOST_SLICES
    assert "t000" not in verdicts(cases)


@pytest.mark.parametrize(("others", "verdict"), [(0, "failed"), (30, "passed")])
def test_slice__among_many_others__has_to_be_worse_beyond_chance(others, verdict):
    """The level is shared: what one tag alone shows, one of thirty does not."""
    level = RULE.level
    assert tango_bounds(0, 10, 44, level).upper < -0.10 <= tango_bounds(0, 10, 44, level / 31).upper
    rest = [case for n in range(others) for case in tagged(f"t{n}", both=SMALL)] or tagged("few", both=5)
    assert verdicts(tagged("refund", both=34, losses=10) + rest)["refund"] == verdict


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=5),
    st.randoms(),
)
def test_slices__any_counts__do_not_depend_on_order_and_verdicts_are_as_their_bounds(counts, dice):
    cases = [case for n, (both, wins, losses) in enumerate(counts)
             for case in tagged(f"t{n}", both=both, wins=wins, losses=losses)]  # fmt: skip
    if not cases:
        return
    shuffled = list(cases)
    dice.shuffle(shuffled)
    assert verdicts(cases) == verdicts(shuffled)
    for one in judge_slices(cases, RULE):
        assert (one.verdict == "failed") <= (one.upper is not None and one.upper < -0.10)
        assert (one.verdict == "passed") <= (one.upper is not None and one.upper >= -0.10)
        assert one.sentence.endswith(".")
