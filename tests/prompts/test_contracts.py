import pytest

from prompts_app.contracts import ContractChange, contract_changes, is_breaking, response_changes, variable_changes

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def schema(*required: str, **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def answer(properties, required=(), *, closed=True, strict=True):
    inner = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": not closed}
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": inner}}


def found(changes):
    return [(change.variable, change.change, change.level) for change in changes]


@pytest.mark.parametrize(
    ("old", "new", "change", "level"),
    [
        (schema(), schema("city", city=STRING), "added_required", "breaking"),
        (schema(), schema("city"), "added_required", "breaking"),
        (schema(), schema(city=STRING), "added_optional", "compatible"),
        (schema("city", city=STRING), schema(), "removed", "notice"),
        (schema(city=STRING), schema("city", city=STRING), "made_required", "breaking"),
        (schema("city", city=STRING), schema(city=STRING), "made_optional", "compatible"),
        (schema("city", city=STRING), schema("city", city=INTEGER), "retyped", "breaking"),
        (schema("city", city={}), schema("city", city=STRING), "retyped", "breaking"),
        (schema("city", city=STRING), schema("city", city={}), "widened", "compatible"),
        (schema("city", city=INTEGER), schema("city", city={"type": "number"}), "widened", "compatible"),
        (schema("city", city={"enum": ["a", "b"]}), schema("city", city={"enum": ["a"]}), "retyped", "breaking"),
        (schema("city", city={"enum": ["a"]}), schema("city", city={"enum": ["a", "b"]}), "widened", "compatible"),
        (schema("city", city=STRING), schema("city", city={"type": "string", "maxLength": 9}), "retyped", "breaking"),
        (None, schema("city", city=STRING), "added_required", "breaking"),
    ],
)
def test_variables__one_change__is_named_with_its_level(old, new, change, level):
    assert found(variable_changes(old, new)) == [("city", change, level)]


def test_variables__title_default_and_order__are_no_change():
    old = schema("a", "b", a=STRING, b=INTEGER)
    new = schema("b", "a", b={"type": "integer", "default": 3}, a={"title": "A", "type": "string"})
    assert variable_changes(old, new) == ()


def test_variables__retyped_and_made_required__both_are_named():
    changes = variable_changes(schema(n=STRING), schema("n", n=INTEGER))
    assert found(changes) == [("n", "retyped", "breaking"), ("n", "made_required", "breaking")]


def test_variables__a_definition_they_refer_to_changes__is_retyped():
    old = schema("at", at={"$ref": "#/$defs/place"}) | {"$defs": {"place": {"type": "object", "required": ["x"]}}}
    new = old | {"$defs": {"place": {"type": "object", "required": ["x", "y"]}}}
    assert found(variable_changes(old, new)) == [("at", "retyped", "breaking")]
    assert found(variable_changes(new, old)) == [("at", "widened", "compatible")]


def test_variables__a_rule_over_all_of_them__is_breaking():
    changes = variable_changes(schema(a=STRING), schema(a=STRING) | {"anyOf": [{"required": ["a"]}]})
    assert found(changes) == [("*", "rules_changed", "breaking")]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, None, []),
        (None, {"type": "text"}, []),
        (None, {"type": "json_object"}, [("$", "schema_added", "notice")]),
        ({"type": "json_object"}, None, [("$", "schema_removed", "breaking")]),
        ({"type": "json_object"}, answer({}), [("$", "narrowed", "compatible")]),
        (
            answer({}),
            {"type": "json_object"},
            [("$", "object_opened", "notice"), ("$", "no_longer_strict", "breaking")],
        ),
        (answer({"a": STRING}), answer({}), [("$.a", "property_removed", "breaking")]),
        (answer({"a": STRING}, ["a"]), answer({}), [("$.a", "property_removed", "breaking")]),
        (answer({"a": STRING}, ["a"]), answer({"a": STRING}), [("$.a", "property_made_optional", "breaking")]),
        (answer({"a": STRING}), answer({"a": STRING}, ["a"]), [("$", "narrowed", "compatible")]),
        (answer({"a": STRING}), answer({"a": {"type": ["string", "null"]}}), [("$.a", "type_changed", "breaking")]),
        (answer({"a": {"type": "number"}}), answer({"a": INTEGER}), [("$", "narrowed", "compatible")]),
        (
            answer({"a": {"enum": ["x"]}}),
            answer({"a": {"enum": ["x", "y"]}}),
            [("$.a", "enum_value_added", "breaking")],
        ),
        (answer({"a": {"enum": ["x", "y"]}}), answer({"a": {"enum": ["x"]}}), [("$", "narrowed", "compatible")]),
        (answer({"a": {"enum": ["x"]}}), answer({"a": STRING}), [("$.a", "enum_removed", "breaking")]),
        (answer({}), answer({"b": STRING}, ["b"]), [("$.b", "property_added", "notice")]),
        (answer({}, closed=False), answer({"b": STRING}, closed=False), [("$.b", "property_added", "compatible")]),
        (answer({}), answer({}, closed=False), [("$", "object_opened", "notice")]),
        (answer({}), answer({}, strict=False), [("$", "no_longer_strict", "breaking")]),
        (answer({}, strict=False), answer({}), []),
        (
            answer({"a": {"type": "array", "items": STRING}}),
            answer({"a": {"type": "array", "items": INTEGER}}),
            [("$.a[*]", "type_changed", "breaking")],
        ),
        (
            answer({"a": {"type": "string", "maxLength": 3}}),
            answer({"a": {"type": "string", "maxLength": 4}}),
            [("$.a", "limit_loosened", "breaking")],
        ),
        (answer({"a": {"not": STRING}}), answer({"a": {"not": INTEGER}}), [("$.a", "not_understood", "breaking")]),
        ({"type": "grammar", "of": 1}, {"type": "grammar", "of": 2}, [("$", "not_understood", "breaking")]),
        ({"type": "grammar", "of": 1}, {"type": "grammar", "of": 1}, []),
        ({"type": "object", "required": ["a"]}, {"type": "object"}, [("$.a", "property_made_optional", "breaking")]),
    ],
)
def test_response__one_change__is_named_with_its_level(old, new, expected):
    assert found(response_changes(old, new)) == expected


def test_contract__both_sides__breaking_first_within_each_and_as_the_api_says():
    old, new = schema(a=STRING), schema("c", b=STRING, c=STRING)
    changes = contract_changes(old, new, answer({"x": STRING}), answer({"y": STRING}))
    assert found(changes) == [
        ("c", "added_required", "breaking"),
        ("b", "added_optional", "compatible"),
        ("a", "removed", "notice"),
        ("$.x", "property_removed", "breaking"),
        ("$.y", "property_added", "notice"),
    ]
    assert is_breaking(changes)
    assert changes[0].to_json() == {"variable": "c", "change": "added_required", "level": "breaking"}


def test_is_breaking__notices_only__is_false():
    assert not is_breaking([ContractChange("a", "removed", "notice"), ContractChange("b", "widened", "compatible")])
