"""Oracle: canonical JSON, whose digest decides whether two versions are the same."""

import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts_app.structure_diff import structure_changes
from registry.core.canonical import canonical_json

keys = st.sampled_from(["a", "b", "name", "x y", 'q"u', "top-p"])
scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0]) | st.text("ab\n", max_size=2)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=3), max_leaves=10
)
TOKEN = re.compile(r'\.?([\w-]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]')


def look_up(value, path):
    for key, index, quoted in TOKEN.findall(path)[1:]:
        value = value[int(index)] if index else value[key or re.sub(r"\\(.)", r"\1", quoted)]
    return value


@settings(max_examples=300)
@given(values, values)
def test_changes__any_two_values__none_exactly_when_canonically_equal(old, new):
    assert (structure_changes(old, new, "config") == ()) == (canonical_json(old) == canonical_json(new))


@settings(max_examples=300)
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
        ({"a": []}, {"a": {}}, [("config.a", "changed")]),
    ],
)
def test_changes__one_edit__is_named_by_its_path(old, new, expected):
    assert [(change.path, change.op) for change in structure_changes(old, new, "config")] == expected
