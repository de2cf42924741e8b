"""Scorers as fields of a form and back: every kind's, and whatever a draft may hold instead."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.scorer_rows import posted_scorers, scorer_sheet
from evals_app.scorer_texts import same_scorers, typed, written
from evals_app.scorers import SCORERS, ScorerSpec, parse_scorers
from registry.core.canonical import JSON, is_storable
from registry.core.errors import FieldError, Invalid

texts = st.text(max_size=8).filter(is_storable)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
MEMBERS = sorted({option.name for scorer in SCORERS.values() for option in scorer.options})
scorers = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(SCORERS))},
    optional=dict.fromkeys(("name", "weight", "threshold", "negate", "group", "value", *MEMBERS, "odd"), values),
)


@pytest.mark.parametrize("kind", sorted(SCORERS))
def test_scorer__of_every_kind__is_a_form_that_says_the_same(kind: str) -> None:
    example = dict(SCORERS[kind].example.spec)

    fields = typed(example)

    assert not isinstance(fields, str)
    assert parse_scorers([written(fields)]) == parse_scorers([example])
    row = (scorer_sheet(json.dumps([example])).rows or ())[0]
    assert row.kind == kind and {one.id for one in (*row.fields, *row.more)} >= {"scorer-0-weight", "scorer-0-name"}


@given(scorers)
def test_scorer__acceptable_or_not__is_not_changed_by_being_shown(scorer: dict[str, JSON]) -> None:
    shown = written(typed(scorer))

    assert written(typed(shown)) == shown
    assert same_scorers(json.dumps([scorer]), json.dumps([shown], indent=2))
    try:
        meant = parse_scorers([scorer])
    except Invalid:
        return
    # What is left at its default is not written: options are compared by what they come to.
    assert [meaning(one) for one in parse_scorers([shown])] == [meaning(one) for one in meant]


def meaning(spec: ScorerSpec) -> tuple[object, ...]:
    options = {option.name: option.of(spec) or None for option in SCORERS[spec.kind].options}
    return (
        spec.kind,
        spec.name,
        spec.weight,
        spec.threshold,
        spec.negate,
        spec.group,
        spec.has_value,
        spec.value,
        options,
    )


def test_scorers__a_browser_that_sent_no_forms__are_not_touched() -> None:
    assert posted_scorers({"scorers": ["[]"]}) is None
    assert posted_scorers({"scorer": [""]}) == ""
    assert (
        posted_scorers({"scorer": ["", "x", "0"], "scorer-0-kind": ["vibes"]}) == '[\n  {\n    "kind": "vibes"\n  }\n]'
    )


def test_mistakes__stand_at_their_fields_and_what_is_of_none_above_them() -> None:
    text = json.dumps([{"kind": "jsonpath", "path": "$["}, {"kind": "contains", "odd": 1}])
    told = [
        FieldError("scorers[0].path", "format", "is no JSONPath"),
        FieldError("scorers[0].value.items[2]", "type", "must be a string"),
        FieldError("scorers[1].odd", "unknown", "is not known"),
        FieldError("scorers", "required", "must have one"),
    ]

    sheet = scorer_sheet(text, told)

    first, second = sheet.rows or ()
    marked = {one.id: one.mistakes for one in first.fields if one.mistakes}
    assert marked == {
        "scorer-0-o-path": ("Is no JSONPath",),
        "scorer-0-value": ("Value.items[2] must be a string",),
    }
    assert second.text is not None and second.mistakes == ("odd: Is not known",)
    assert sheet.left_over == (told[3],) and sheet.has_mistakes
