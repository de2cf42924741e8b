from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.suite_content import load_suite, parse_suite, recipe_digest, suite_digest
from evals_app.suite_sizes import too_small
from registry.core.errors import Invalid


def suite(count=2, **fields):
    cases = [{"key": f"c{n}", "variables": {"text": "x"}, "expected": "card"} for n in range(count)]
    return {"cases": cases, "scorers": [{"kind": "equals"}], **fields}


def refused(body):
    with pytest.raises(Invalid) as error:
        parse_suite(body)
    assert error.value.code == "suite.invalid"
    return [mistake.field for mistake in error.value.errors]


def test_parse__fields_left_out__have_the_defaults_of_the_design():
    content = parse_suite(suite())
    assert (content.mode, content.margin, content.repeats, content.looks) == ("non_inferior", 0.05, 3, 1)
    assert (content.first_floor, content.alpha, content.config) == (0.5, 0.05, None)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], [""]),
        ({}, ["cases"]),
        (suite(0), ["cases"]),
        (suite(mode="better"), ["mode"]),
        (suite(margin=0, repeats=0, looks=11, first_floor=1, alpha=0.5), ["margin", "repeats", "looks", "first_floor", "alpha"]),
        (suite(repeats=True, colour="red"), ["repeats", "colour"]),
        (suite(config=[]), ["config"]),
        ({"cases": [{"key": "a", "expected": 1}]}, ["scorers"]),
        (suite(scorers=[{"kind": "equals", "weight": 0}]), ["cases[0].scorers", "cases[1].scorers"]),
        ({"cases": [{"key": "a"}], "scorers": [{"kind": "equals"}]}, ["cases[0].expected"]),
        (
            {"cases": [{"key": "a", "expected": 1}, {"key": "", "expected": 1}, {"expected": 1}, {"key": "a", "expected": 1}, 7],
             "scorers": [{"kind": "equals"}]},
            ["cases[1].key", "cases[2].key", "cases[4]", "cases[3].key"],
        ),
        ({"cases": [{"key": "a", "variables": [], "tags": [1], "critical": 1, "cluster": "", "more": 1}], "scorers": []},
         ["cases[0].variables", "cases[0].tags[0]", "cases[0].critical", "cases[0].cluster", "cases[0].more"]),
        ({"cases": [{"key": "a", "scorers": [{"kind": "nope"}]}], "scorers": []}, ["cases[0].scorers[0].kind"]),
        ({"cases": [{"key": "a", "messages": [{"role": "user"}, {"type": "placeholder", "name": "h"}]}]},
         ["cases[0].messages[0].content"]),
        ({"cases": [{"key": "a", "messages": [{"type": "placeholder", "name": "h"}]}]}, ["cases[0].messages[0]"]),
    ],
)  # fmt: skip
def test_parse__mistakes__are_all_named_by_row(body, fields):
    assert refused(body) == fields


def test_parse__a_scorer_with_its_own_value__needs_no_expected_answer():
    content = parse_suite({"cases": [{"key": "a"}], "scorers": [{"kind": "contains", "value": "ok"}]})
    assert content.cases[0].expected is None


def test_scorers_of__a_case_with_its_own__adds_to_the_suites_and_replaces_by_name():
    body = suite(1, scorers=[{"kind": "equals"}, {"kind": "contains", "value": "x"}])
    body["cases"][0]["scorers"] = [{"kind": "equals", "value": "pin"}, {"kind": "regex", "value": "y"}]
    content = parse_suite(body)
    specs = content.scorers_of(content.cases[0])
    assert [(spec.name, spec.value) for spec in specs] == [("equals", "pin"), ("contains", "x"), ("regex", "y")]


def test_templates__values_that_are__come_with_their_place():
    body = suite(1, scorers=[{"kind": "equals"}, {"kind": "contains", "value": "{{ city }}"}])
    body["cases"][0]["scorers"] = [{"kind": "regex", "value": "{{ expected }}!"}]
    assert list(parse_suite(body).templates()) == [
        ("scorers[1].value", "{{ city }}"),
        ("cases[0].scorers[0].value", "{{ expected }}!"),
    ]


keys = st.lists(st.text("abc é", min_size=1, max_size=4), min_size=1, max_size=5, unique=True)
answers = (
    st.text(max_size=3).filter(lambda text: "\0" not in text and text.isprintable())
    | st.integers(-3, 3)
    | st.booleans()
)


@given(
    keys,
    answers,
    st.booleans(),
    st.none() | st.sampled_from(["x", "y"]),
    st.sampled_from(["non_inferior", "floor", "all_pass"]),
)
def test_suite__any__is_the_same_after_a_round_trip_and_has_the_same_digest(names, expected, critical, cluster, mode):
    case = {
        "variables": {"b": 1, "a": [True]},
        "expected": expected,
        "critical": critical,
        "cluster": cluster,
        "tags": ["t"],
    }
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}]
    content = parse_suite({**suite(mode=mode), "cases": [{"key": name, "messages": history, **case} for name in names]})
    again = load_suite(content.rules_to_json(), [one.to_json() for one in content.cases])
    assert again == content
    assert suite_digest(again) == suite_digest(content)


@pytest.mark.parametrize(
    "change",
    [{"margin": 0.1}, {"repeats": 1}, {"looks": 2}, {"mode": "all_pass"}, {"first_floor": 0.4}, {"alpha": 0.01},
     {"config": {"model": "m"}}, {"scorers": [{"kind": "contains"}]}, {"scorers": [{"kind": "equals", "threshold": 0.5}]}],
)  # fmt: skip
def test_digest__any_rule_changed__is_another(change):
    assert suite_digest(parse_suite(suite(**change))) != suite_digest(parse_suite(suite()))


def test_digest__a_case_changed_or_moved__is_another_and_defaults_written_out_are_not():
    body = suite()
    written = suite()
    written["cases"][0] |= {"critical": False, "tags": [], "messages": [], "cluster": None, "scorers": []}
    assert suite_digest(parse_suite(written)) == suite_digest(parse_suite(body))
    moved = {**body, "cases": body["cases"][::-1]}
    assert suite_digest(parse_suite(moved)) != suite_digest(parse_suite(body))


def test_recipe__the_default_model_changes__is_another():
    content = parse_suite(suite())
    digest = partial(recipe_digest, "numbers", content)
    assert digest(default={"model": "a"}) != digest(default={"model": "b"})
    assert digest(default=None) == recipe_digest("numbers", parse_suite(suite()), default=None)
    assert digest(default=None) != recipe_digest("others", content, default=None)


@pytest.mark.parametrize(
    ("count", "fields", "fits"),
    [
        (52, {}, True), (51, {}, False), (25, {"margin": 0.1}, True), (24, {"margin": 0.1}, False), (52, {"looks": 2}, False),
        (1, {"mode": "all_pass"}, True), (100, {"mode": "report_only"}, False), (3, {"mode": "floor"}, True), (2, {"mode": "floor"}, False),
    ],
)  # fmt: skip
def test_too_small__by_margin_looks_and_mode__says_why(count, fields, fits):
    assert (too_small(parse_suite(suite(count, **fields))) == "") is fits


def test_too_small__cases_of_one_cluster__count_once():
    body = suite(60)
    for case in body["cases"]:
        case["cluster"] = "same customer"
    assert "52 cases" in too_small(parse_suite(body))


def test_rules__floor_and_first_version__use_the_first_floor():
    assert parse_suite(suite(mode="floor", first_floor=0.8)).rule().floor == 0.8
    rule = parse_suite(suite(first_floor=0.3)).rule()
    assert (rule.floor, rule.first_floor, rule.name) == (None, 0.3, "passes")


def test_reported_rules__several_scorers__one_each_that_never_gates():
    assert parse_suite(suite()).reported_rules() == ()
    rules = parse_suite(suite(scorers=[{"kind": "equals"}, {"kind": "contains"}])).reported_rules()
    assert [(rule.name, rule.mode) for rule in rules] == [("equals", "report_only"), ("contains", "report_only")]


def test_load__of_a_pattern_that_is_refused_by_now__reads_what_was_stored():
    """Its runs and promotions go on; saving it once more is refused."""
    of_before = {"kind": "regex", "value": "[一-龥]" * 100}
    again = load_suite({"scorers": [of_before]}, [{"key": "a", "scorers": [of_before]}])

    assert [spec.value for spec in again.all_specs()] == [of_before["value"]] * 2
    with pytest.raises(Invalid) as refused:
        parse_suite({"scorers": [of_before], "cases": [{"key": "a"}]})
    assert [one.field for one in refused.value.errors] == ["scorers[0].value"]
