import pytest

from registry.core.errors import FieldError, Invalid
from registry.core.fields import Fields, refuse_mistakes


def test_reading__every_kind_of_mistake__all_are_gathered_with_their_paths():
    errors: list[FieldError] = []
    given = Fields(
        {"a": 1, "b": True, "c": "", "d": "x", "e": {}, "f": None, "g": float("inf"), "spare": 1}, errors, path="s[1]"
    )
    assert given.boolean("a", False) is False
    assert given.integer("b", 3, least=0, most=9) == 3
    assert given.text("c", "z", least=1, most=5) == "z"
    assert given.choice("d", "one", ("one", "two")) == "one"
    assert given.items("e", most=3) == []
    assert given.integer("f", 7, least=0, most=9) == 7
    assert given.number("g", 0.5, least=0, most=1) == 0.5
    assert given.require("missing") is False
    given.close()
    assert [(error.field, error.code) for error in errors] == [
        ("s[1].a", "type"), ("s[1].b", "type"), ("s[1].c", "required"), ("s[1].d", "choice"), ("s[1].e", "type"),
        ("s[1].f", "type"), ("s[1].g", "range"), ("s[1].missing", "required"), ("s[1].spare", "unknown"),
    ]  # fmt: skip


def test_reading__null_where_nothing_is_the_default__counts_as_left_out():
    errors: list[FieldError] = []
    given = Fields({"a": None, "b": None, "c": None}, errors)
    assert (given.text("a", None, most=5), given.integer("b", None, least=0, most=1)) == (None, None)
    assert given.number("c", None, least=0, most=1) is None
    assert errors == []


def test_reading__not_an_object__one_mistake_only():
    errors: list[FieldError] = []
    given = Fields([1], errors, path="policy")
    given.require("a")
    given.close()
    assert [(error.field, error.code) for error in errors] == [("policy", "type")]


def test_refuse_mistakes__more_than_a_hundred__the_rest_is_counted():
    errors = [FieldError(f"rows[{n}]", "type", "must be an object") for n in range(250)]
    with pytest.raises(Invalid) as refused:
        refuse_mistakes("suite.invalid", "Correct these.", errors)
    assert len(refused.value.errors) == 100
    assert "100 of 250" in refused.value.detail
