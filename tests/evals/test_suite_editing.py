"""Cells and rules as they are typed: what is written reads back as the same value, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.suite_cells import MOST_COLUMNS, case_of, cell_of, cells_of, columns_of, tags_cell, tags_of, value_of
from evals_app.suite_content import SuiteContent
from evals_app.suite_editing import OTHERS, read_page, read_rules, typed_rules
from registry.core.canonical import is_storable
from registry.core.errors import Invalid

texts = st.text().filter(is_storable)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
cases = st.fixed_dictionaries(
    {"key": st.text("abc-+=", min_size=1, max_size=5), "variables": st.dictionaries(texts, values, max_size=8)},
    optional={
        "expected": values.filter(lambda value: value is not None),
        "tags": st.lists(texts.filter(bool), min_size=1, max_size=3),
        "critical": st.just(True),
        "cluster": texts.filter(bool),
        "messages": st.just([{"role": "user", "content": "Hello"}]),
    },
)


@given(values)
def test_value__written_into_a_cell_and_read__is_the_same(value: object) -> None:
    read = value_of(cell_of(value))  # type: ignore[arg-type]
    assert (type(read), read) == (type(value), value)


@given(cases)
def test_case__as_a_row_and_back__is_the_same(case: dict[str, object]) -> None:
    names = columns_of([case])  # type: ignore[list-item]
    assert len(names) <= MOST_COLUMNS
    assert case_of(cells_of(case, names), names) == case  # type: ignore[arg-type]


@given(st.lists(texts.filter(bool), max_size=4))
def test_tags__as_a_cell_and_back__are_the_same(tags: list[str]) -> None:
    assert tags_of(tags_cell(tags)) == tags


@pytest.mark.parametrize(
    "text", ["007", "1.10", "1e5", "9" * 30, "NaN", "-", "tru", "{broken", '"open', "[1,", "null "]
)
def test_text__that_only_looks_like_json__stays_text(text: str) -> None:
    assert value_of(text) == text and cell_of(text) == text


def test_row__with_more_that_is_no_json__keeps_it_as_typed() -> None:
    cells = cells_of({"key": "a", "variables": {}, "more": '{"messages": ['}, ())
    assert cells.more == '{"messages": [' and case_of(cells, ())["more"] == '{"messages": ['


def test_rules__typed_and_read__are_the_same_and_others_are_kept() -> None:
    rules = {**SuiteContent((), ()).rules_to_json(), "scorers": [{"kind": "equals", "name": "e"}], "margin": 0.07}
    typed = typed_rules({**rules, "slices": ["a"]})
    assert read_rules(typed) == {**rules, "slices": ["a"]} and "slices" in typed[OTHERS]
    assert typed_rules(rules)[OTHERS] == ""


def test_rules__that_a_suite_need_not_have__have_fields_of_their_own_and_are_left_out_when_empty() -> None:
    more = {"floor": 0.8, "least_gain": 0.02, "metrics": [{"name": "cost", "margin": 0.1}], "superior_on": "any"}
    rules = {**SuiteContent((), ()).rules_to_json(), "scorers": [{"kind": "equals", "name": "e"}], **more}
    typed = typed_rules(rules)
    assert read_rules(typed) == rules and typed[OTHERS] == "" and typed["floor"] == "0.8"
    with pytest.raises(Invalid) as refused:
        read_rules({**typed, "metrics": "[", "floor": "high"})
    assert [error.field for error in refused.value.errors] == ["floor", "metrics"]


def test_rules__that_cannot_be_read__are_named_field_by_field() -> None:
    with pytest.raises(Invalid) as refused:
        read_rules({"margin": "much", "repeats": "2.5", "scorers": "[", "config": "{", OTHERS: "[1]"})
    assert [error.field for error in refused.value.errors] == ["margin", "repeats", "scorers", "config", OTHERS]


def test_page__with_lists_that_do_not_fit__is_refused_as_a_whole() -> None:
    with pytest.raises(Invalid, match="incomplete"):
        read_page({"row": ["1", "2"], "key": ["a"]})
    assert read_page({}).rows == ()
