"""Oracle: canonical JSON, whose digest decides whether two versions are the same."""

import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts_app.structure_diff import MOST_CHARACTERS, MOST_STEPS, FieldChange, structure_changes
from registry.core.canonical import canonical_json

keys = st.sampled_from(["a", "b", "name", "x y", 'q"u', "top-p", "__x"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, 1.0, 0.0, -0.0])
    | st.text("ab\n", max_size=2)
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3), max_leaves=10
)
TOKEN = re.compile(r'\.?([\w-]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def look_up(value, path):
    for key, index, quoted in TOKEN.findall(path)[1:]:
        value = value[int(index)] if index else value[key or re.sub(r"\\(.)", r"\1", quoted)]
    return value


@settings(max_examples=300, deadline=None)
@given(values, values)
def test_changes__any_two_values__none_exactly_when_canonically_equal(old, new):
    assert (structure_changes(old, new, "config") == ()) == (canonical_json(old) == canonical_json(new))


@settings(max_examples=300, deadline=None)
@given(values, values)
def test_changes__any_two_values__each_path_leads_to_the_value_named(old, new):
    changes = structure_changes(old, new, "config")
    assert len({(change.op == "removed", change.path) for change in changes}) == len(changes)
    for change in changes:
        if change.op == "removed":
            assert look_up(old, change.path) == change.old
        else:
            assert look_up(new, change.path) == change.new


@given(values)
def test_changes__a_copy__none(value):
    assert structure_changes(value, copy.deepcopy(value), "config") == ()


def tool(name, description="d"):
    return {"type": "function", "function": {"name": name, "description": description}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"model": "a", "t": 1}, {"model": "b", "t": 1}, [("config.model", "changed")]),
        ({"t": 1}, {"t": 1.0}, [("config.t", "changed")]),
        ({"t": True}, {"t": 1}, [("config.t", "changed")]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
        ({"a": 1}, {"b": {"c": 1}}, [("config.b", "added"), ("config.a", "removed")]),
        ({"x y": 1}, {"x y": 2}, [('config["x y"]', "changed")]),
        ([1, 2, 3], [1, 3], [("config[1]", "removed")]),
        ([1, 2, 3], [0, 1, 2, 3], [("config[0]", "added")]),
        ([{"a": 1, "b": 2}], [{"a": 1, "b": 3}], [("config[0].b", "changed")]),
        (
            [tool("f"), tool("g")],
            [tool("g", "e")],
            [("config[0].function.description", "changed"), ("config[0]", "removed")],
        ),
        ([tool("f"), tool("g")], [tool("h"), tool("g")], [("config[0]", "added"), ("config[0]", "removed")]),
        (
            [tool("f"), tool("g"), tool("h")],
            [tool("h"), tool("f"), tool("g", "e")],
            [("config[0]", "added"), ("config[2].function.description", "changed"), ("config[2]", "removed")],
        ),
        (
            [tool("f"), tool("g")],
            [{"type": "function", "function": {"name": "g"}}],
            [("config[1].function.description", "removed"), ("config[0]", "removed")],
        ),
        ([False, None, [None]], [None, []], [("config[2][0]", "removed"), ("config[0]", "removed")]),
        ({"a": []}, {"a": {}}, [("config.a", "changed")]),
        ({"t": 0.0}, {"t": -0.0}, [("config.t", "changed")]),
        ({"__x": 1}, {"__x": 2}, [("config.__x", "changed")]),
        (
            {"a": {"b": 1, "c": 1, "d": 1, "e": 1}},
            {"a": {"b": 2}},
            [
                ("config.a.b", "changed"),
                ("config.a.c", "removed"),
                ("config.a.d", "removed"),
                ("config.a.e", "removed"),
            ],
        ),
        ([1, 1.0, True, 2], [1.0, True, 2], [("config[0]", "removed")]),
    ],
)
def test_changes__one_edit__is_named_by_its_path(old, new, expected):
    assert [(change.path, change.op) for change in structure_changes(old, new, "config")] == expected


def nested(value, levels):
    for _ in range(levels):
        value = [value, "beside"]
    return value


def test_changes__a_word_in_the_deepest_object_allowed__is_found_there():
    (change,) = structure_changes(nested({"a": "b"}, 58), nested({"a": "c"}, 58), "config")
    assert change == FieldChange("config" + "[0]" * 58 + ".a", "changed", "b", "c")


def test_changes__as_many_as_their_paths_may_have_steps__are_told_apart_and_one_more_is_a_change_as_a_whole():
    few, many = ([list(range(count)), list(range(-count, 0))] for count in (MOST_STEPS // 2 - 1, MOST_STEPS // 2))
    assert len(structure_changes({"a": few[0]}, {"a": few[1]}, "config")) == MOST_STEPS // 2 - 1
    old, new = {"a": many[0], "b": 1}, {"a": many[1], "b": 2}
    assert structure_changes(old, new, "config") == (
        FieldChange("config.a", "changed", *many),
        FieldChange("config.b", "changed", 1, 2),
    )


def test_changes__one_key_in_many__is_found_among_them():
    old = {f"key{number}": number for number in range(MOST_STEPS * 5)}
    changes = structure_changes(old, {**old, "key7": "seven"}, "config")
    assert changes == (FieldChange("config.key7", "changed", 7, "seven"),)


def test_changes__beyond_the_size_that_is_looked_into__all_is_one_change():
    old, new = ({"a": "x" * (MOST_CHARACTERS // 2), "b": number} for number in (1, 2))
    assert structure_changes(old, new, "config") == (FieldChange("config", "changed", old, new),)
    assert structure_changes(old, dict(old), "config") == ()


def test_changes__two_long_texts_of_repeated_lines__are_one_change_at_once():
    old, new = ("".join(f"line {number % divisor}\n" for number in range(100_000)) for divisor in (199, 200))
    assert [change.path for change in structure_changes({"a": old}, {"a": new}, "config")] == ["config.a"]


def test_changes__many_below_a_long_key__are_one_change_and_do_not_each_repeat_it():
    few, many = ({"k" * 100_000: list(range(count))} for count in (9, 3_000))
    shifted = [{key: [-1 - one for one in values] for key, values in value.items()} for value in (few, many)]
    assert len(structure_changes(few, shifted[0], "config")) == 9
    assert [change.op for change in structure_changes(many, shifted[1], "config")] == ["changed"]
