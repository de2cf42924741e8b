"""What a difference looks like in lines: read by a person, in one column and in two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.diff_rows import MOST_FOLDED, DrawnLine, DrawnPair, DrawnRow, Fold, drawn_text
from prompts_app.text_diff import text_runs
from prompts_app.word_grouping import Stretch, grouped

lines = st.lists(st.sampled_from(["the cat sat", "on the mat", "", "x", "a longer line of words here", "\t", "fin "]))
words = st.lists(st.sampled_from(["the", " ", "cat", ",", "\n", "sat", "mat", "of"]), max_size=12)


def unfolded(rows: tuple[DrawnRow, ...]) -> list[DrawnLine | DrawnPair]:
    found: list[DrawnLine | DrawnPair] = []
    for row in rows:
        found += row.rows if isinstance(row, Fold) else [row]
    return found


def one_column(old: str, new: str) -> list[DrawnRow]:
    return list(drawn_text(text_runs(old, new), side_by_side=False).rows)


@given(lines, lines)
def test_rows__of_any_two_texts__hold_every_line_of_both_once_and_in_order(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    for side_by_side in (False, True):
        drawn = drawn_text(text_runs(before, after), side_by_side=side_by_side)
        rows = unfolded(drawn.rows)
        for text, name, other in ((before, "old", "insert"), (after, "new", "delete")):
            sides = [(getattr(row, name), row) for row in rows if getattr(row, name) is not None]
            texts = text.split("\n")
            seen = {}
            for side, row in sides:
                number = side if isinstance(row, DrawnLine) else side.number
                runs = row.runs if isinstance(row, DrawnLine) else side.runs
                assert number not in seen
                seen[number] = "".join(run.text for run in runs if run.op != other).removesuffix("\n")
            assert list(seen) == sorted(seen)
            if before != after:
                assert [seen.get(n, "") for n in range(1, len(texts) + 1)] == texts
        assert bool(drawn.rows) == (before != after)


def test_rows__a_word_replaced_in_a_line__are_one_line_with_both_words() -> None:
    (row,) = one_column("Answer in one line.", "Answer in two lines.")

    assert isinstance(row, DrawnLine) and (row.op, row.old, row.new, row.is_first) == ("changed", 1, 1, True)
    assert [tuple(run) for run in row.runs] == [
        ("same", "Answer in "),
        ("delete", "one line"),
        ("insert", "two lines"),
        ("same", "."),
    ]


def test_rows__a_line_written_anew__are_what_is_gone_then_what_came() -> None:
    rows = one_column("head\nBe brief.\ntail\n", "head\nWrite at length and cite the source.\ntail\n")

    assert [getattr(row, "op", "") for row in rows] == ["same", "delete", "insert", "same"]
    assert [getattr(row, "is_first", None) for row in rows] == [False, True, False, False]


def test_rows__far_from_changes__are_folded_with_what_they_hide() -> None:
    old = [f"line {n}" for n in range(40)]
    rows = one_column("\n".join(old), "\n".join([*old[:20], "another one", *old[21:]]))

    first, last = rows[0], rows[-1]
    assert isinstance(first, Fold) and isinstance(last, Fold)
    assert (first.count, last.count) == (17, 16)
    assert [row.new for row in first.rows if isinstance(row, DrawnLine)] == list(range(1, 18))
    assert [row.new for row in last.rows if isinstance(row, DrawnLine)] == list(range(25, 41))


def test_rows__of_a_very_long_text__are_folded_without_sending_all_of_it() -> None:
    old = [f"line {n}" for n in range(MOST_FOLDED + 100)]
    (fold, *_rest) = one_column("\n".join(old), "\n".join([*old[:-1], "another end"]))

    assert isinstance(fold, Fold) and fold.count > MOST_FOLDED and fold.rows == ()


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        # A word that both happen to have does not hold two rewritten halves apart.
        (
            "Send the customer a refund",
            "Tell a client to wait",
            [("Send the customer a refund", "Tell a client to wait")],
        ),
        ("Be kind. Be brief. Cite.", "Be kind. Be honest. Be brief. Cite.", [("", "Be honest. ")]),
        ("one, two, three", "one, two, four, three", [("", "four, ")]),
    ],
)
def test_words__of_a_change__are_grouped_as_a_person_would_mark_them(
    old: str, new: str, changed: list[tuple[str, str]]
) -> None:
    runs = text_runs(old, new)
    first = next(n for n, run in enumerate(runs) if run.op != "same")
    pair = {run.op: run.text for run in runs[first : first + 2] if run.op != "same"}

    assert (pair.get("delete", ""), pair.get("insert", "")) == changed[0]


@given(st.lists(st.tuples(words, words, st.booleans()), max_size=8))
def test_grouping__of_any_stretches__keeps_both_texts(given_: list[tuple[list[str], list[str], bool]]) -> None:
    stretches = [Stretch(a, a if same else b, same) for a, b, same in given_]
    found = grouped(stretches)

    for side in ("old", "new"):
        texts = ["".join(token for one in some for token in getattr(one, side)) for some in (stretches, found)]
        assert texts[0] == texts[1]
    assert all(one.old == one.new for one in found if one.is_same)
