"""A suite as typed: each mistake at the line it stands in, whatever blank lines and broken ones lie between."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.suite_content import parse_suite
from evals_app.suite_editing import as_lines, cases_of, placed, read_lines, with_mistakes
from registry.core.errors import Invalid

TEXT = '\n{"key": "a", "expected": 1}\n{oops\n\n{"key": 7, "tags": "x"}\r\n{"key": "a", "expected": 2}\n'


def refusal(text: str) -> Invalid:
    with pytest.raises(Invalid) as raised:
        parse_suite({"cases": cases_of(read_lines(text)), "scorers": [{"kind": "equals"}, {"kind": "vibes"}]})
    return raised.value


def test_mistakes__of_cases_and_scorers__stand_at_their_line_and_their_field() -> None:
    refused = refusal(TEXT)
    told = {(error.field, error.message.partition(" must")[0]) for error in placed(read_lines(TEXT), refused).errors}

    assert ("cases", "Line 5: key") in told and ("cases", "Line 5: tags") in told
    assert any(field == "scorers" and text.startswith("scorers[1].kind") for field, text in told)


def test_rows__with_mistakes__are_marked_and_the_others_are_not() -> None:
    rows = with_mistakes(read_lines(TEXT), refusal(TEXT))

    assert [(row.line, len(row.mistakes)) for row in rows] == [(2, 0), (3, 1), (5, 2), (6, 1)]
    assert rows[1].fields == {} and rows[0].fields["key"] == "a"


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers(-(2**31), 2**31), min_size=1), max_size=5))
def test_cases__written_and_read__are_the_same(cases: list[dict[str, object]]) -> None:
    storable = [
        case
        for case in cases
        if "\x00" not in json.dumps(case, ensure_ascii=False) and "\\u0000" not in json.dumps(case)
    ]
    rows = read_lines(as_lines(json.dumps(case, ensure_ascii=False) for case in storable))

    assert cases_of(rows) == storable
