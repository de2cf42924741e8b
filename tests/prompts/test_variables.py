import pytest

from prompts_app.errors import VariablesInvalid
from prompts_app.sandbox.client import schema_mistakes, validate_variables
from prompts_app.variables import effective_schema, quick_mistakes
from registry.core.errors import Invalid

TICKET = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Name"},
        "age": {"type": "integer"},
        "score": {"type": "number"},
        "tags": {"type": "array"},
        "extra": {"type": ["object", "null"]},
        "vip": {"type": "boolean"},
        "anything": {},
    },
    "required": ["name", "age"],
}


def refused(schema, values):
    with pytest.raises(VariablesInvalid) as found:
        validate_variables(schema, values)
    assert found.value.code == "variables.invalid"
    return {(error.field, error.code) for error in found.value.errors}


def test_effective_schema__none_given__requires_each_name():
    schema = effective_schema(None, ["b", "a"])
    assert schema == {"type": "object", "properties": {"b": {}, "a": {}}, "required": ["b", "a"]}
    validate_variables(schema, {"a": None, "b": [], "c": 1})
    assert refused(schema, {"a": 1}) == {("variables.b", "missing")}


def test_effective_schema__given__is_kept_as_it_is():
    assert effective_schema(TICKET, ["age", "name"]) is TICKET
    assert effective_schema({}, []) == {}


def test_effective_schema__undeclared_name__is_refused_by_name():
    with pytest.raises(Invalid) as found:
        effective_schema(TICKET, ["name", "city", "street"])
    assert found.value.code == "variables.undeclared"
    assert [error.field for error in found.value.errors] == ["variables.properties.city", "variables.properties.street"]


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "array"}, "variables.type"),
        ({"type": "objekt"}, "variables.type"),
        ({"properties": []}, "variables.properties"),
        ({"properties": {"a": {"type": 3}}}, "variables.properties.a.type"),
        ({"properties": {"a": {"pattern": "("}}}, "variables.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "(" * 50_000}}}, "variables.properties.a.pattern"),
        ({"properties": {"a": {"pattern": "(" * 9_000}}}, "variables.properties.a.pattern"),
        ({"properties": {"a": {"$ref": "https://example.com/x"}}}, "variables.properties.a.$ref"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "variables.properties.a.$ref"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "variables.properties.a.$ref"),
        ({"$id": "https://example.com/x"}, "variables.$id"),
        ({"description": "x" * 200_001}, "variables"),
    ],
)
def test_effective_schema__not_a_schema_of_ours__is_refused_where(schema, field):
    with pytest.raises(Invalid) as found:
        effective_schema(schema, [])
    assert found.value.errors[0].field == field


def test_effective_schema__local_reference__is_taken():
    schema = {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}}
    assert effective_schema(schema, ["a"]) is schema
    assert refused(schema, {"a": 3}) == {("variables.a", "type")}


@pytest.mark.parametrize(
    ("values", "mistakes"),
    [
        ({"name": "Ada", "age": 36}, set()),
        ({"name": "Ada", "age": 36.0, "score": 1, "extra": None, "tags": [], "vip": False}, set()),
        ({"name": "Ada", "age": 36, "unknown": object}, set()),
        ({}, {("variables.name", "missing"), ("variables.age", "missing")}),
        ({"name": None, "age": 36}, {("variables.name", "type")}),
        ({"name": "Ada", "age": "36"}, {("variables.age", "type")}),
        ({"name": "Ada", "age": True}, {("variables.age", "type")}),
        ({"name": "Ada", "age": 36.5}, {("variables.age", "type")}),
        ({"name": "Ada", "age": 1, "score": True, "vip": 0}, {("variables.score", "type"), ("variables.vip", "type")}),
    ],
)
def test_validate_variables__plain_schema__agrees_with_the_full_validator(values, mistakes):
    quick = {(error.field, error.code) for error in quick_mistakes(TICKET, values)}
    known = {name: value for name, value in values.items() if name in TICKET["properties"]}
    full = {(error.field, error.code) for error in schema_mistakes(TICKET, known, path="variables")}
    assert quick == full == mistakes
    if mistakes:
        assert refused(TICKET, values) == mistakes


def test_validate_variables__rich_schema__names_the_place_and_never_the_value():
    schema = {
        "type": "object",
        "properties": {
            "mail": {"type": "string", "pattern": "^.+@.+$"},
            "plan": {"enum": ["free", "team"]},
            "items": {"type": "array", "items": {"type": "object", "required": ["q"]}, "maxItems": 2},
        },
        "required": ["mail"],
        "additionalProperties": False,
    }
    validate_variables(schema, {"mail": "a@b", "surplus": 1})
    with pytest.raises(VariablesInvalid) as found:
        validate_variables(schema, {"mail": "SECRET", "plan": "SECRET", "items": [{"q": 1}, {"SECRET": 1}]})
    told = {error.field: error.message for error in found.value.errors}
    assert told.keys() == {"variables.mail", "variables.plan", "variables.items[1].q"}
    assert told["variables.plan"] == 'must be one of "free", "team"'
    assert "SECRET" not in str(found.value) + str(told)


def test_schema_mistakes__hostile_schema__is_stopped():
    with pytest.raises(Invalid) as found:
        schema_mistakes({"properties": {"a": {"pattern": "^(a+)+$"}}}, {"a": "a" * 40 + "b"})
    assert found.value.code == "schema.limit"
    with pytest.raises(Invalid) as found:
        schema_mistakes({"$ref": "#"}, {})
    assert found.value.code == "schema.limit"
    assert schema_mistakes({"type": "object"}, {}) == ()


def test_schema_mistakes__of_a_far_range_that_goes_backwards__says_what_is_wrong_with_the_schema():
    """The worker is the first that reads it where a schema comes with a case."""
    with pytest.raises(Invalid, match="no regular expression") as found:
        schema_mistakes({"pattern": "[龥-一]"}, "x")
    assert found.value.code == "pattern.invalid"


def test_schema_mistakes__many__are_cut_at_a_hundred():
    assert len(schema_mistakes({"items": {"type": "string"}}, list(range(1000)))) == 100
