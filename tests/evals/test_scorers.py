import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import (
    SCORERS,
    Asked,
    Combination,
    Output,
    ScorerSpec,
    Tools,
    combined,
    parse_scorers,
    score_output,
    scorer_versions,
)
from evals_app.scorers.registry import FAMILIES
from registry.core.errors import FieldError, Invalid


def search(pattern, text):
    if pattern == "slow":
        raise Invalid("pattern.slow", "The pattern took more than 1 s.")
    return re.search(pattern, text) is not None


def mistakes(schema, value):
    return [
        FieldError(error.json_path, str(error.validator), error.message)
        for error in Draft202012Validator(schema).iter_errors(value)
    ]


TOOLS = Tools(match=search, schema_mistakes=mistakes)


def scored(spec, output, expected=None, rendered=None):
    output = output if isinstance(output, Output) else Output(output)
    asked = Asked(expected=expected)
    (one,) = score_output(output, parse_scorers([spec]), asked=asked, rendered=rendered or {}, tools=TOOLS)
    return one.score


@pytest.mark.parametrize(
    ("spec", "output", "expected", "passed"),
    [
        ({"kind": "equals"}, "card", "card", True),
        ({"kind": "equals"}, " card\n", "card", True),
        ({"kind": "equals"}, "Card", "card", False),
        ({"kind": "equals"}, '{"b": 1.0, "a": [true]}', {"a": [True], "b": 1}, True),
        ({"kind": "equals"}, "1", True, False),
        ({"kind": "equals"}, "3", 3, True),
        ({"kind": "equals"}, "not json", 3, False),
        ({"kind": "equals", "value": "pin"}, "pin", "card", True),
        ({"kind": "equals", "negate": True}, "card", "card", False),
        ({"kind": "equals", "negate": True}, "pin", "card", True),
        ({"kind": "contains", "value": "sure"}, "I am sure.", None, True),
        ({"kind": "contains", "value": "sure", "negate": True}, "I am sure.", None, False),
        ({"kind": "contains"}, "the card", "card", True),
        ({"kind": "contains"}, "42 things", 42, True),
        ({"kind": "regex", "value": r"^\d{4}$"}, "1234", None, True),
        ({"kind": "regex", "value": r"^\d{4}$"}, "12345", None, False),
        ({"kind": "regex"}, "abc", "b.", True),
        ({"kind": "json_schema", "value": {"type": "object", "required": ["a"]}}, '{"a": 1}', None, True),
        ({"kind": "json_schema", "value": {"type": "object", "required": ["a"]}}, "{}", None, False),
        ({"kind": "json_schema"}, "3", {"type": "integer"}, True),
        ({"kind": "jsonpath", "path": "$.intent"}, '{"intent": "card"}', "card", True),
        ({"kind": "jsonpath", "path": "$.intent", "value": "card"}, '{"intent": "pin"}', None, False),
        ({"kind": "jsonpath", "path": "$.n", "value": "3"}, '{"n": 3}', None, True),
        ({"kind": "jsonpath", "path": "$.n", "value": 3}, '{"n": 3.0}', None, True),
        ({"kind": "jsonpath", "path": "$.n", "value": 3}, '{"n": "3"}', None, False),
        ({"kind": "jsonpath", "path": "$.n", "value": None}, '{"n": null}', None, True),
        (
            {"kind": "jsonpath", "path": "$.items[*].id", "value": [1, 2]},
            '{"items": [{"id": 1}, {"id": 2}]}',
            None,
            True,
        ),
        ({"kind": "jsonpath", "path": "$.none", "value": 1}, "{}", None, False),
    ],
)
def test_scorer__one_output__passes_or_not(spec, output, expected, passed):
    score = scored(spec, output, expected)
    assert (score.passed, score.value) == (passed, float(passed))
    assert score.detail


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize(
    ("spec", "output", "expected", "says"),
    [
        ({"kind": "jsonpath", "path": "$.a"}, "Sure! Here it is", "x", "not JSON"),
        ({"kind": "jsonpath", "path": "$.a"}, '{"a": 1, "a": 2}', "x", "not JSON"),
        ({"kind": "json_schema", "value": {}}, "```json\n{}\n```", None, "not JSON"),
        ({"kind": "json_schema"}, "{}", "x", "no schema"),
        ({"kind": "regex", "value": "slow"}, "x", None, "1 s"),
        ({"kind": "regex"}, "x", 3, "no pattern"),
        ({"kind": "contains"}, "x", "", "nothing to look for"),
        ({"kind": "equals"}, "x", None, "nothing to compare"),
    ],
)
def test_scorer__what_cannot_be_scored__never_passes_and_says_why(spec, output, expected, says, negate):
    score = scored({**spec, "negate": negate}, output, expected)
    assert (score.value, score.passed) == (0, False)
    assert says in score.detail


def test_scorer__value_is_a_template__the_rendered_text_is_compared():
    spec = {"kind": "contains", "value": "{{ city }}"}
    assert parse_scorers([spec])[0].template == "{{ city }}"
    assert scored(spec, "Off to Rome", rendered={"contains": "Rome"}).passed
    assert parse_scorers([{"kind": "contains", "value": "city"}])[0].template is None


@given(st.sampled_from(["$.a", "$[0]", "$..a", "$.a[*].b", "$.*", "$[1:2].a", "$['a b']"]), st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a b"]), inner, max_size=2)))  # fmt: skip
def test_jsonpath__any_output__is_scored_without_an_error(path, value):
    import json

    scored({"kind": "jsonpath", "path": path, "value": "x"}, json.dumps(value))


@pytest.mark.parametrize(
    ("specs", "fields"),
    [
        ([{"kind": "equals"}, {"kind": "eqals"}], ["scorers[1].kind"]),
        ([{"name": "x"}], ["scorers[0].kind"]),
        ([3], ["scorers[0]"]),
        ({}, ["scorers"]),
        ([{"kind": "equals", "threshold": 0}], ["scorers[0].threshold"]),
        ([{"kind": "equals", "threshold": 1.5}], ["scorers[0].threshold"]),
        ([{"kind": "equals", "weight": -1}], ["scorers[0].weight"]),
        ([{"kind": "equals", "negate": "yes"}], ["scorers[0].negate"]),
        ([{"kind": "equals", "path": "$.a"}], ["scorers[0].path"]),
        ([{"kind": "equals", "judge": "x"}], ["scorers[0].judge"]),
        ([{"kind": "jsonpath"}], ["scorers[0].path"]),
        ([{"kind": "jsonpath", "path": "$.a["}], ["scorers[0].path"]),
        ([{"kind": "jsonpath", "path": "$..a..b..c"}], ["scorers[0].path"]),
        ([{"kind": "regex", "value": "(("}], ["scorers[0].value"]),
        ([{"kind": "regex", "value": 3}], ["scorers[0].value"]),
        ([{"kind": "contains", "value": ""}], ["scorers[0].value"]),
        ([{"kind": "json_schema", "value": "x"}], ["scorers[0].value"]),
        ([{"kind": "json_schema", "value": {"type": "nope"}}], ["scorers[0].value.type"]),
        ([{"kind": "json_schema", "value": {"$ref": "http://x.example/s"}}], ["scorers[0].value.$ref"]),
        ([{"kind": "equals", "name": "a"}, {"kind": "contains", "name": "a"}], ["scorers[1].name"]),
        ([{"kind": "equals", "name": "passes"}], ["scorers[0].name"]),
        (
            [{"kind": "x"}, {"kind": "equals", "weight": "1", "name": ""}],
            ["scorers[0].kind", "scorers[1].name", "scorers[1].weight"],
        ),
    ],
)
def test_parse__mistakes__are_all_named_by_field(specs, fields):
    with pytest.raises(Invalid) as refused:
        parse_scorers(specs)
    assert [error.field for error in refused.value.errors] == fields


def test_parse__names_left_out__are_kinds_with_a_number_where_taken():
    specs = parse_scorers(
        [{"kind": "contains"}, {"kind": "contains"}, {"kind": "equals", "name": "contains-2"}, {"kind": "contains"}]
    )
    assert [spec.name for spec in specs] == ["contains", "contains-3", "contains-2", "contains-4"]


def test_parse__every_field__survives_a_round_trip():
    given_json = {
        "kind": "jsonpath",
        "name": "n",
        "weight": 0.0,
        "threshold": 0.5,
        "negate": True,
        "path": "$.a",
        "value": None,
    }
    (spec,) = parse_scorers([given_json])
    assert spec == ScorerSpec("jsonpath", "n", 0.0, 0.5, True, True, None, {"path": "$.a"})
    assert parse_scorers([spec.to_json()]) == (spec,)


@pytest.mark.parametrize(
    ("weights", "outputs", "passed"),
    [
        ([1, 1], "both", True),
        ([1, 1], "one", False),
        ([1, 0], "one", True),
        ([0, 1], "one", False),
        ([0, 0], "both", False),
    ],
)
def test_combined__all_that_count__must_pass(weights, outputs, passed):
    specs = parse_scorers(
        [{"kind": "contains", "value": value, "weight": weight} for value, weight in zip("ab", weights, strict=True)]
    )
    output = "ab" if outputs == "both" else "a"
    scores = score_output(Output(output), specs, asked=Asked(), rendered={}, tools=TOOLS)
    assert combined(scores, Combination()).passed is passed


def test_scored__to_json__as_results_keep_it():
    (one,) = score_output(
        Output("x"), parse_scorers([{"kind": "equals"}]), asked=Asked(expected="x"), rendered={}, tools=TOOLS
    )
    assert one.to_json() == {"name": "equals", "score": 1.0, "passed": True, "detail": "“x” is “x”."}


def test_scorers__all__state_what_a_reader_of_a_score_must_know():
    assert list(scorer_versions()) == sorted(SCORERS)
    assert scorer_versions(parse_scorers([{"kind": "equals"}])) == {"equals": 1}
    for kind, scorer in SCORERS.items():
        assert scorer.kind == kind
        assert scorer.version >= 1
        assert scorer.about and scorer.family in FAMILIES
        least, most = scorer.range
        assert least == 0 and (scorer.is_raw or most == 1)


def score_example(scorer, output):
    (one,) = try_scorers(parse_scorers([scorer.example.spec]), output, scorer.example.asked)
    return one.score


@pytest.mark.parametrize(
    "scorer", [one for one in SCORERS.values() if one.is_run and not one.is_graded], ids=lambda one: one.kind
)
def test_example__of_each_kind__passes_and_fails_as_it_says(scorer):
    good, bad = score_example(scorer, scorer.example.passes), score_example(scorer, scorer.example.fails)
    assert (good.passed, bad.passed) == (True, False), (good, bad)
    assert good.detail and bad.detail


def test_parse__of_many_templates_below_a_long_key__is_refused_before_their_places_are_made():
    """Each is given back by its place: two megabytes of this would make a hundred gigabytes of places."""
    with pytest.raises(Invalid) as refused:
        parse_scorers([{"kind": "deep_equal", "value": {"k" * 100_000: ["{{ a }}"] * 2_000}}])
    assert [(one.field, one.code) for one in refused.value.errors] == [("scorers[0].value", "length")]
    [usual] = parse_scorers([{"kind": "deep_equal", "value": {"a": [{"b c": "{{ q }}"}, 1], "d": "{{ r }}"}}])
    assert usual.filled(dict.fromkeys(usual.templates, "x")) == {"a": [{"b c": "x"}, 1], "d": "x"}
    assert [usual.place(key) for key in usual.templates] == ['.a[0]["b c"]', ".d"]
