"""The editor's forms over JSON: what nobody touched comes out as it went in, and what was typed says what it means."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.panels import (
    Model,
    Row,
    config_from,
    model_of,
    read_value,
    rows_of,
    sample_from,
    schema_from,
    shown,
    with_names,
)
from registry.core.canonical import MAX_INT, MIN_INT

TEXT = st.characters(codec="utf-8", exclude_characters="\0")
NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
ABOUT = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["string", "integer", "array", ["string", "null"]]),
        "description": st.text(TEXT, min_size=1, max_size=20),
        "enum": st.just(["a", "b"]),
        "default": st.integers(MIN_INT, MAX_INT),
    },
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(MIN_INT, MAX_INT) | st.text(TEXT, max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=5), inner, max_size=3),
)


@given(st.dictionaries(NAMES, ABOUT, min_size=1, max_size=5), st.data())
def test_schema__shown_as_rows_and_read_again__says_the_same(properties: dict[str, Any], data: st.DataObject) -> None:
    required = data.draw(st.lists(st.sampled_from([*properties, "elsewhere"]), unique=True))
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    rows = rows_of(json.dumps(schema), "", list(properties), [])

    assert rows is not None and json.loads(schema_from(rows, json.dumps(schema))) == schema


@given(VALUES.filter(lambda value: value is not None), st.sampled_from(["", "string", "array"]))
def test_value__shown_and_read_again__is_the_same(value: Any, kind: str) -> None:
    text = shown(value, kind)

    assert read_value(text, kind) == value or (kind == "string" and not isinstance(value, str))


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("Ada", "", "Ada"),
        ("12", "", 12),
        ('"12"', "", "12"),
        ("12", "string", "12"),
        ('"quoted"', "string", '"quoted"'),
        ('""', "string", ""),
        ("[1, 2", "array", "[1, 2"),
        ('{"a": 1}', "object", {"a": 1}),
    ],
)
def test_value__as_a_person_types_it__is_what_they_mean(text: str, kind: str, value: Any) -> None:
    assert read_value(text, kind) == value


def test_rows__of_a_text_without_a_schema__follow_it_until_one_says_more() -> None:
    rows = rows_of("", '{"city": "Bern"}', ["city", "day"], ["history"])
    assert rows is not None

    assert [(row.name, row.sample, row.is_declared) for row in rows if not row.is_placeholder] == [
        ("city", "Bern", False),
        ("day", "", False),
    ]
    assert schema_from(rows, "") == "" and sample_from(rows) == '{\n  "city": "Bern"\n}'
    assert [row.name for row in with_names(rows, ["day", "hour"], [])] == ["day", "hour"]
    said = [replace(rows[0], kind="string"), *rows[1:]]
    assert json.loads(schema_from(said, "")) == {
        "type": "object",
        "properties": {"city": {"type": "string"}, "day": {}},
        "required": ["city", "day"],
    }


def test_rows__renamed_dropped_and_added__keep_what_the_table_does_not_show() -> None:
    schema = {"properties": {"a": {"type": "string", "enum": ["x"]}, "b": {}}, "required": ["a", "b"], "title": "T"}
    rows = rows_of(json.dumps(schema), "", ["a", "b"], [])
    assert rows is not None

    made = [replace(rows[0], name="c", required=False), Row("d", "integer", description="How many")]

    assert json.loads(schema_from(made, json.dumps(schema))) == {
        "properties": {"c": {"type": "string", "enum": ["x"]}, "d": {"type": "integer", "description": "How many"}},
        "required": ["d"],
        "title": "T",
    }


@pytest.mark.parametrize(
    "schema", ["{", "[]", '{"properties": []}', '{"properties": {"a": true}}', '{"required": "a"}']
)
def test_schema__that_rows_cannot_say__stays_json(schema: str) -> None:
    assert rows_of(schema, "", [], []) is None


@given(
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.fixed_dictionaries(
        {},
        optional={
            "provider": st.just("local"),
            "model": st.text(TEXT, min_size=1, max_size=8),
            "temperature": st.floats(0, 2),
            "max_tokens": st.integers(1, 99),
        },
    ),
)
def test_config__shown_as_fields_and_read_again__says_the_same(more: dict[str, Any], known: dict[str, Any]) -> None:
    config = more | known
    text = json.dumps(config) if config else ""

    model = model_of(text)

    assert model is not None
    made, mistakes = config_from(model)
    assert mistakes == [] and json.loads(made or "{}") == config and list(json.loads(made or "{}")) == list(config)


def test_config__typed_wrong__names_the_field_and_keeps_what_was_typed() -> None:
    text, mistakes = config_from(Model(temperature="warm", max_tokens="1.5", more="[]"))

    assert json.loads(text) == {"temperature": "warm", "max_tokens": "1.5"}
    assert [error.message for error in mistakes] == [
        "the further settings must be a JSON object",
        "temperature must be a number",
        "max tokens must be a whole number",
    ]


@pytest.mark.parametrize("config", ["{", "[]", '{"temperature": "warm"}', '{"model": 3}', '{"max_tokens": true}'])
def test_config__that_fields_cannot_say__stays_json(config: str) -> None:
    assert model_of(config) is None
