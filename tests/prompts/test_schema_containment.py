"""Oracle: the jsonschema validator on random values. Found contained ⇒ no value is a counter-example."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

from prompts_app.schema_containment import LONGEST_PATH, escapes

NAMES = ["a", "b", "c"]
scalars = st.sampled_from([None, True, False, 0, 1, 2, 1.5, -1, "", "x", "xy", "wxyz"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "z"]), inner, max_size=3),
    max_leaves=6,
)
type_names = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])
bounds = {
    "minimum": st.integers(-1, 2), "exclusiveMaximum": st.integers(0, 2), "maximum": st.integers(0, 2),
    "exclusiveMinimum": st.integers(-1, 1), "minLength": st.integers(0, 3), "maxLength": st.integers(0, 3),
    "minItems": st.integers(0, 2), "maxItems": st.integers(0, 2), "minProperties": st.integers(0, 2),
    "maxProperties": st.integers(0, 2), "multipleOf": st.sampled_from([1, 2]), "uniqueItems": st.booleans(),
    "pattern": st.sampled_from(["^x", "y$"]), "title": st.sampled_from(["", "t"]), "enum": st.lists(scalars, max_size=3),
    "const": scalars, "contains": st.just({"type": "null"}), "not": st.just({"type": "null"}),
    "patternProperties": st.just({"^z": {"type": "null"}}), "type": type_names | st.lists(type_names, min_size=1, max_size=2, unique=True),
    "unevaluatedProperties": st.just(False), "required": st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
}  # fmt: skip


def plain(inner):
    nested = {
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
        "additionalProperties": inner,
        "items": inner,
        "anyOf": st.lists(inner, min_size=1, max_size=2),
        "oneOf": st.lists(inner, min_size=1, max_size=2),
        "allOf": st.lists(inner, min_size=1, max_size=1),
        "$ref": st.sampled_from(["#/$defs/one", "#"]),
    }
    keyword = st.sampled_from([*bounds, *nested, "type", "type", "properties", "properties"])
    pick = keyword.flatmap(lambda name: st.tuples(st.just(name), (bounds | nested)[name]))
    return st.lists(pick, max_size=3).map(dict)


schemas = st.recursive(st.booleans() | st.builds(lambda t: {"type": t}, type_names), plain, max_leaves=8)
roots = st.builds(
    lambda schema, one: {**schema, "$defs": {"one": one}} if isinstance(schema, dict) else schema, schemas, schemas
)


def mutate(schema, draw):
    """A schema near `schema`, so that containment is not rare."""
    if not isinstance(schema, dict) or not schema:
        return draw(schemas)
    name = draw(st.sampled_from(sorted(schema)))
    if draw(st.booleans()):
        return {key: value for key, value in schema.items() if key != name}
    value = schema[name]
    if name == "properties":
        changed = {key: mutate(inner, draw) for key, inner in value.items()} | draw(bounds_of_properties)
    elif isinstance(value, dict):
        changed = mutate(value, draw)
    elif name in bounds:
        changed = draw(bounds[name])
    else:
        changed = value
    return {**schema, name: changed}


bounds_of_properties = st.dictionaries(st.sampled_from(NAMES), st.builds(lambda t: {"type": t}, type_names), max_size=1)


@st.composite
def pairs(draw):
    first = draw(roots)
    second = mutate(first, draw) if draw(st.integers(0, 3)) else draw(roots)
    return (first, second) if draw(st.booleans()) else (second, first)


def opened(schema):
    if isinstance(schema, list):
        return [opened(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: opened(value) for key, value in schema.items() if key not in ("enum", "const", "required")}
    kept = {key: value for key, value in schema.items() if key in ("enum", "const", "required")}
    return {key: value for key, value in (inner | kept).items() if (key, value) != ("additionalProperties", False)}


def is_valid(schema, value):
    try:
        return Draft202012Validator(schema).is_valid(value)
    except (RecursionError, Unresolvable):
        return None


@settings(max_examples=600, deadline=None)
@given(pairs(), st.lists(values, min_size=4, max_size=12))
def test_escapes__none_found__every_value_of_the_inner_is_one_of_the_outer(pair, samples):
    inner, outer = pair
    if not escapes(inner, outer):
        for value in samples:
            assert not (is_valid(inner, value) is True and is_valid(outer, value) is False), value


@settings(max_examples=400, deadline=None)
@given(pairs(), st.lists(values, min_size=4, max_size=12))
def test_escapes__for_a_reader_none_breaking__every_value_is_one_of_the_opened_outer(pair, samples):
    inner, outer = pair
    if all(escape.level != "breaking" for escape in escapes(inner, outer, reader=True)):
        for value in samples:
            assert not (is_valid(inner, value) is True and is_valid(opened(outer), value) is False), value


@given(roots)
def test_escapes__the_same_schema__none(schema):
    assert escapes(schema, schema) == ()
    assert escapes(schema, schema, reader=True) == ()


def test_escapes__recursive_definitions_that_agree__are_contained():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert escapes(node, {**node, "required": []}) == ()
    assert [escape.path for escape in escapes({**node, "required": []}, node)] == ["$.next"]


def test_escapes__reference_in_a_circle__is_not_understood():
    circle = {"anyOf": [{"$ref": "#"}, {"type": "string"}]}
    assert escapes({"type": "integer"}, circle)


def test_escapes__definitions_that_double_at_every_step__are_given_up_within_bounds():
    def tower(end):
        steps = {
            f"d{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in "ab"}}
            for n in range(40)
        }
        return {"$ref": "#/$defs/d0", "$defs": {**steps, "d40": {"type": end}}}

    assert any(escape.change == "not_understood" for escape in escapes(tower("string"), tower("integer")))


@pytest.mark.parametrize("nullable", [{"type": ["string", "null"]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}])
def test_escapes__both_ways_of_writing_nullable__are_one(nullable):
    assert escapes(nullable, {"anyOf": [{"type": "null"}, {"type": "string"}]}) == ()
    assert escapes({"type": "string"}, nullable) == ()
    assert escapes(nullable, {"type": "string"}) != ()


def test_escapes__many_below_a_long_key__are_told_by_no_more_than_its_beginning():
    def below(kind):
        return {
            "properties": {"k" * 100_000: {"properties": {f"p{number}": {"type": kind} for number in range(1_000)}}}
        }

    [found] = escapes(below("string"), below("number"), reader=True)

    assert (found.change, len(found.path)) == ("not_understood", LONGEST_PATH + 1)
