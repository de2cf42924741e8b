"""What a suite judges besides its pass rate, as it is given, refused and kept."""

import math

import pytest

from evals_app.suite_content import load_suite, parse_suite, suite_digest
from evals_app.suite_sizes import too_small
from registry.core.errors import Invalid

SCORERS = [{"kind": "equals"}, {"kind": "contains", "name": "tone", "value": "please", "weight": 0}]


def suite(count=60, **fields):
    cases = [{"key": f"c{n}", "variables": {}, "expected": "card"} for n in range(count)]
    return {"cases": cases, "scorers": SCORERS, **fields}


def refused(**fields):
    with pytest.raises(Invalid) as error:
        parse_suite(suite(2, **fields))
    return [mistake.field for mistake in error.value.errors]


def test_suite__without_metrics__is_what_it_was_and_keeps_its_digest():
    content = parse_suite(suite())
    assert {"metrics", "floor", "least_gain", "superior_on"} & set(content.rules_to_json()) == set()
    assert [(rule.name, rule.mode) for rule in content.rules()] == [
        ("passes", "non_inferior"), ("equals", "report_only"), ("tone", "report_only"),
    ]  # fmt: skip


def test_metrics__written_and_read_again__are_the_same():
    metrics = [{"name": "cost", "mode": "non_inferior", "margin": 0.2, "first_floor": 0.01},
               {"name": "tone", "mode": "superior", "least_gain": 0.02}]  # fmt: skip
    content = parse_suite(suite(metrics=metrics, floor=0.8, superior_on="any", mode="superior", least_gain=0.01))
    assert content.rules_to_json()["metrics"] == metrics
    again = load_suite(content.rules_to_json(), [case.to_json() for case in content.cases])
    assert again == content and suite_digest(again) == suite_digest(content)
    assert suite_digest(content) != suite_digest(parse_suite(suite()))


def test_rules__of_measures_and_scorers__have_their_own_scale_and_direction():
    metrics = [{"name": "latency", "first_floor": 900}, {"name": "tone"}]
    rules = {rule.name: rule for rule in parse_suite(suite(metrics=metrics, alpha=0.1, looks=2)).rules()}
    latency, tone = rules["latency"], rules["tone"]
    assert (latency.scale, latency.unit, latency.higher_is_better, latency.margin) == ("log_ratio", "ms", False, 0.1)
    assert latency.allowed == pytest.approx(math.log(1.1))
    assert (tone.scale, tone.binary, tone.margin, tone.level) == ("difference", True, 0.05, 0.05)
    assert [rules[name].mode for name in ("passes", "equals")] == ["non_inferior", "report_only"]


@pytest.mark.parametrize(
    ("metrics", "fields"),
    [
        (7, ["metrics"]),
        ([7], ["metrics[0]"]),
        ([{}], ["metrics[0].name"]),
        ([{"name": "passes"}], ["metrics[0].name"]),
        ([{"name": "nobody"}], ["metrics[0].name"]),
        ([{"name": "tone"}, {"name": "tone"}], ["metrics[1].name"]),
        ([{"name": "tone", "mode": "best", "colour": 1}], ["metrics[0].mode", "metrics[0].colour"]),
        ([{"name": "cost"}], ["metrics[0].first_floor"]),
        ([{"name": "cost", "mode": "floor"}], ["metrics[0].floor"]),
        ([{"name": "cost", "mode": "all_pass"}], ["metrics[0].mode"]),
        ([{"name": "cost", "first_floor": -1}], ["metrics[0].first_floor"]),
        ([{"name": "tone", "margin": 1}], ["metrics[0].margin"]),
        ([{"name": "tone", "mode": "floor", "floor": 2}], ["metrics[0].floor"]),
        ([{"name": "tone", "mode": "floor", "floor": 1}], ["metrics[0].floor"]),
        ([{"name": "tone", "first_floor": 1}], ["metrics[0].first_floor"]),
    ],
)
def test_metrics__mistaken__are_named_one_by_one(metrics, fields):
    assert refused(metrics=metrics) == fields


def test_rules__mistaken__are_named():
    assert refused(floor=2, least_gain=-1, superior_on="some") == ["floor", "least_gain", "superior_on"]


def test_chunk__of_cases_without_the_scorer_that_a_metric_names__is_read_all_the_same():
    own = {"key": "own", "variables": {}, "expected": "x", "scorers": [{"kind": "contains", "name": "late"}]}
    body = suite(3, metrics=[{"name": "late"}])
    body["cases"].append(own)
    content = parse_suite(body)
    part = load_suite(content.rules_to_json(), [content.cases[0].to_json()])
    assert [metric.name for metric in part.metrics] == ["late"]
    assert "late" not in [rule.name for rule in part.rules()]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"mode": "superior"}, ""),
        ({"mode": "report_only", "metrics": [{"name": "cost", "first_floor": 1}]}, ""),
        ({"mode": "report_only"}, "only reports"),
        ({"metrics": [{"name": "tone", "margin": 0.01}]}, "of tone it takes at least 268 cases"),
        ({"metrics": [{"name": "tone", "mode": "floor", "floor": 0.99}]}, "a floor of 0.99 of tone"),
    ],
)
def test_too_small__looks_at_every_metric_that_is_judged(fields, why):
    found = too_small(parse_suite(suite(60, **{"margin": 0.05, **fields})))
    assert (why in found) and (bool(found) == bool(why))


def test_too_small__a_scorer_that_some_cases_bring__counts_these():
    body = suite(60, margin=0.1, metrics=[{"name": "late", "margin": 0.1}])
    for case in body["cases"][:5]:
        case["scorers"] = [{"kind": "contains", "name": "late"}]
    assert "at least 25 cases to pass, and the scorer is asked of 5: add 20 more" in too_small(parse_suite(body))


def test_too_small__saved_with_a_floor_that_nothing_shows__says_so():
    body = suite(60, margin=0.1, metrics=[{"name": "tone", "mode": "floor", "floor": 0.9}])
    rules = {**body, "metrics": [{**body["metrics"][0], "floor": 1.0}]}
    assert "No number of cases shows a floor of 1 of tone" in too_small(load_suite(rules, rules.pop("cases")))


def test_suite__whose_metrics_alone_are_judged__posts_checks():
    assert parse_suite(suite(mode="report_only", metrics=[{"name": "tone"}])).posts_checks
    assert not parse_suite(suite(mode="report_only")).posts_checks
