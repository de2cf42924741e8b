"""What several scorers come to: all, any, a weighted mean, and groups that count as one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import Asked, Combination, Group, Output, Score, Scored, combined, parse_scorers
from evals_app.suite_content import load_suite, parse_suite, suite_digest
from registry.core.errors import Invalid


def letters(text, **more):
    """A scorer for each letter: it passes where the output has it."""
    return [{"kind": "contains", "name": letter, "value": letter, **more} for letter in text]


def come_to(scorers, output, **rules):
    content = parse_suite({"cases": [{"key": "a"}], "scorers": scorers, **rules})
    scored = try_scorers(content.scorers_of(content.cases[0]), Output(output, cost=0.5), Asked())
    return combined(scored, content.combination_of(content.cases[0]))


@pytest.mark.parametrize(
    ("rules", "output", "passed"),
    [
        ({}, "abc", True),
        ({}, "ab", False),
        ({"combine": "all"}, "ab", False),
        ({"combine": "any"}, "c", True),
        ({"combine": "any"}, "x", False),
        ({"combine": "weighted_mean", "threshold": 0.66}, "ab", True),
        ({"combine": "weighted_mean", "threshold": 0.67}, "ab", False),
        ({"combine": "weighted_mean", "threshold": 1}, "abc", True),
    ],
)
def test_combined__by_the_rule_of_the_suite__passes_or_not(rules, output, passed):
    assert come_to(letters("abc"), output, **rules).passed is passed


def test_weighted_mean__weights__are_shares_and_nought_does_not_count():
    scorers = [*letters("a", weight=3), *letters("b"), *letters("c", weight=0)]
    assert come_to(scorers, "a", combine="weighted_mean", threshold=0.75).passed
    assert not come_to(scorers, "bc", combine="weighted_mean", threshold=0.75).passed


def test_weighted_mean__of_shares_and_amounts__takes_what_is_good_from_0_to_1():
    scorers = [
        {"kind": "levenshtein", "value": "abcd"},
        {"kind": "prompt_leak", "value": "one two", "words": 2},
        {"kind": "cost", "most": 0.1},
    ]
    # 0.5 alike, nothing leaked, and over the budget: (0.5 + 1 + 0) / 3.
    assert come_to(scorers, "abxy", combine="weighted_mean", threshold=0.5).passed
    assert not come_to(scorers, "abxy", combine="weighted_mean", threshold=0.51).passed


def test_groups__each_with_its_own_rule__count_as_one():
    scorers = [*letters("a"), *letters("bc", group="either"), *letters("def", group="most")]
    groups = [
        {"name": "either", "combine": "any"},
        {"name": "most", "combine": "weighted_mean", "threshold": 0.6, "weight": 2},
    ]
    good = come_to(scorers, "acde", groups=groups)
    assert good.passed
    assert [(group.name, round(score.value, 2), score.passed) for group, score in good.groups] == [
        ("either", 1.0, True),
        ("most", 0.67, True),
    ]
    assert not come_to(scorers, "ade", groups=groups).passed
    assert not come_to(scorers, "abd", groups=groups).passed
    # a and either pass, of most a third is there: (1 + 1 + 2/3) / 4.
    assert come_to(scorers, "abd", groups=groups, combine="weighted_mean", threshold=0.66).passed
    assert not come_to(scorers, "abd", groups=groups, combine="weighted_mean", threshold=0.67).passed


def test_groups__weight_of_nought_or_no_member__are_left_out():
    groups = [{"name": "shown", "weight": 0}, {"name": "empty"}]
    answer = come_to([*letters("a"), *letters("b", group="shown")], "a", groups=groups)
    assert answer.passed
    assert [(group.name, score.passed) for group, score in answer.groups] == [("shown", False)]


def test_rows__as_results_keep_them__are_scorers_then_groups():
    (spec,) = parse_scorers([{"kind": "contains", "value": "a", "group": "g"}])
    scored = [Scored(spec, Score(1.0, True, "yes"))]
    rows = combined(scored, Combination(groups=(Group("g", "any"),))).rows(scored)
    assert rows == [
        {"name": "contains", "score": 1.0, "passed": True, "detail": "yes"},
        {"name": "g", "score": 1.0, "passed": True, "detail": "1 of 1 passed; any is enough."},
    ]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([0, 0.5, 2])), max_size=5), st.floats(0.01, 1)
)
def test_combined__of_any_scores__orders_all_below_any_and_needs_something_that_counts(parts, threshold):
    scored = [
        Scored(parse_scorers([{"kind": "bleu", "name": str(n), "weight": weight}])[0], Score(value, passed))
        for n, (value, passed, weight) in enumerate(parts)
    ]
    everything, something = (combined(scored, Combination(how)).passed for how in ("all", "any"))
    mean = combined(scored, Combination("weighted_mean", threshold)).passed
    assert something or not everything
    if not any(weight for _, _, weight in parts):
        assert not (everything or something or mean)


def test_case__with_a_combination_of_its_own__goes_over_the_suites():
    content = parse_suite(
        {
            "cases": [
                {"key": "a"},
                {"key": "b", "combine": "any"},
                {"key": "c", "groups": [{"name": "g", "combine": "any"}], "scorers": letters("x", group="g")},
            ],
            "scorers": letters("ab", group="g"),
            "combine": "weighted_mean",
            "threshold": 0.5,
            "groups": [{"name": "g"}],
        }
    )
    first, second, third = (content.combination_of(case) for case in content.cases)
    assert (first.combine, first.threshold, first.groups) == ("weighted_mean", 0.5, (Group("g"),))
    assert (second.combine, second.threshold, second.groups) == ("any", None, (Group("g"),))
    assert (third.combine, third.threshold, third.groups) == ("weighted_mean", 0.5, (Group("g", "any"),))


def test_suite__combination__survives_a_round_trip_and_changes_the_digest_only_where_it_is_said():
    plain = {"cases": [{"key": "a", "expected": 1}], "scorers": [{"kind": "equals", "group": "g"}, {"kind": "is_json"}]}
    said = {
        **plain,
        "combine": "weighted_mean",
        "threshold": 0.5,
        "groups": [{"name": "g", "combine": "any", "weight": 2}],
    }
    content = parse_suite(said)
    again = load_suite(content.rules_to_json(), [case.to_json() for case in content.cases])
    assert again == content
    without = {"cases": plain["cases"], "scorers": [{"kind": "equals"}]}
    assert "combine" not in parse_suite(without).rules_to_json()
    assert suite_digest(parse_suite(without)) == suite_digest(parse_suite({**without, "groups": []}))
    assert suite_digest(parse_suite(without)) != suite_digest(parse_suite({**without, "combine": "any"}))


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ({"combine": "most"}, ["combine"]),
        ({"combine": "weighted_mean"}, ["threshold"]),
        ({"combine": "weighted_mean", "threshold": 0}, ["threshold"]),
        ({"combine": "weighted_mean", "threshold": 1.1}, ["threshold"]),
        ({"threshold": 0.5}, ["threshold"]),
        ({"groups": [{"name": "g", "combine": "any", "threshold": 0.5}]}, ["groups[0].threshold"]),
        ({"groups": [{"combine": "any", "mood": 1}]}, ["groups[0].name", "groups[0].mood"]),
        ({"groups": [{"name": "g"}, {"name": "g"}]}, ["groups[1].name"]),
        ({"groups": [{"name": "a"}]}, ["groups"]),
        ({"scorers": letters("a", group="nobody")}, ["scorers[0].group"]),
        ({"cases": [{"key": "a", "scorers": letters("b", group="nobody")}]}, ["cases[0].scorers[0].group"]),
        ({"cases": [{"key": "a", "combine": "weighted_mean", "threshold": 0}]}, ["cases[0].threshold"]),
        ({"scorers": letters("a", group="g"), "groups": [{"name": "g", "weight": 0}]}, ["cases[0].scorers"]),
    ],
)
def test_parse__combination_that_makes_no_sense__is_named(rules, fields):
    with pytest.raises(Invalid) as refused:
        parse_suite({"cases": [{"key": "a"}], "scorers": letters("a"), **rules})
    assert [error.field for error in refused.value.errors] == fields
