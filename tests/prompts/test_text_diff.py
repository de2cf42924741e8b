import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts_app.line_view import line_view
from prompts_app.text_diff import LARGE, Run, text_runs

HISTORIES = Path(__file__).parent.parent / "data" / "prompt_histories.jsonl"
pieces = st.sampled_from(
    ["\n", "\n", " ", "\t", "\r\n", "the", "cat", "sat", "on", "mat", "{{ city }}", ".", ",", "é", "e\u0301", "你好", "\u202e",
     "\u2028", "👩\u200d👧", "x" * 50]
)  # fmt: skip
texts = st.lists(pieces, max_size=60).map("".join) | st.text(max_size=80)


@st.composite
def edits(draw):
    """A text, and the same with a few pieces taken out, put in or moved."""
    words = draw(st.lists(pieces, max_size=60))
    changed = list(words)
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(changed)))
        changed[place : place + draw(st.integers(0, 3))] = draw(st.lists(pieces, max_size=3))
    return "".join(words), "".join(changed)


pairs = edits() | st.tuples(texts, texts)


def side(runs, other):
    return "".join(run.text for run in runs if run.op != other)


def histories():
    for line in HISTORIES.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        prompts = [version["prompt"] for version in entry["versions"]]
        yield from (pytest.param(a, b, id=entry["act"]) for a, b in pairwise(prompts))


def assert_exact(old, new):
    runs = text_runs(old, new)
    assert side(runs, "insert") == old
    assert side(runs, "delete") == new
    assert all(run.text for run in runs)
    assert all((a.op, b.op) in {("same", "delete"), ("same", "insert"), ("delete", "insert"), ("delete", "same"),
               ("insert", "same")} for a, b in pairwise(runs))  # fmt: skip
    return runs


@settings(max_examples=300)
@given(pairs)
def test_runs__any_two_texts__give_both_back_exactly(pair):
    assert_exact(*pair)


@settings(max_examples=60)
@given(st.lists(pieces, max_size=40), edits(), st.booleans())
def test_runs__beyond_every_cap__give_both_back_exactly(filler, pair, is_lines):
    block = ("lorem ipsum " * 800 + ("\n" if is_lines else "")) * (LARGE // 9600 + 1)
    assert_exact(pair[0] + block + "".join(filler) + block, pair[1] + block.replace("lorem", "dolor") + block)


@given(texts)
def test_runs__the_same_text__is_one_run_or_none(text):
    assert text_runs(text, text) == ((Run("same", text),) if text else ())


@pytest.mark.parametrize(("old", "new"), histories())
def test_runs__real_histories__keep_what_the_two_share(old, new):
    runs = assert_exact(old, new)
    assert len(runs) < 2 * (old.count("\n") + new.count("\n")) + 40 or sum(
        len(r.text) for r in runs if r.op == "same"
    ) > 0.2 * min(len(old), len(new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b c", "a x c", [("same", "a "), ("delete", "b"), ("insert", "x"), ("same", " c")]),
        ("a b c d", "a x y d", [("same", "a "), ("delete", "b c"), ("insert", "x y"), ("same", " d")]),
        ("one\ntwo\n", "one\n", [("same", "one\n"), ("delete", "two\n")]),
        ("", "new", [("insert", "new")]),
        ("trailing ", "trailing", [("same", "trailing"), ("delete", " ")]),
        ("a\r\nb", "a\nb", [("same", "a"), ("delete", "\r"), ("same", "\nb")]),
        ("你好世界", "你好朋友", [("same", "你好"), ("delete", "世界"), ("insert", "朋友")]),
        ("cat sat on mat", "dogs ran by us", [("delete", "cat sat on mat"), ("insert", "dogs ran by us")]),
    ],
)
def test_runs__small_edits__read_as_a_person_would_mark_them(old, new, expected):
    assert [tuple(run) for run in text_runs(old, new)] == expected


def test_runs__one_word_replaced_on_every_one_of_many_lines__only_the_words_are_marked():
    old = "".join(f"row {n} says yes to all of it and more words here\n" for n in range(4000))
    runs = text_runs(old, old.replace("yes", "no"))
    assert {run.text for run in runs if run.op != "same"} == {"yes", "no"}


def test_runs__one_word_in_a_single_line_of_a_megabyte__only_the_word_is_marked():
    old = "alpha beta gamma " * 60_000
    new = old[:500_004] + old[500_004:].replace("beta", "delta", 1)
    changed = [(run.op, run.text.strip()) for run in text_runs(old, new) if run.op != "same"]
    assert changed == [("delete", "beta"), ("insert", "delta")]


def test_runs__two_texts_of_half_a_million_short_lines__end():
    assert_exact("ab\nc\n" * 250_000, "c\nba\n" * 250_000)


@settings(max_examples=300)
@given(pairs, st.integers(0, 3))
def test_line_view__any_two_texts__rows_and_skipped_rows_are_all_lines_in_order(pair, context):
    old, new = pair
    view = line_view(text_runs(old, new), context=context)
    for text, name in ((old, "old"), (new, "new")):
        lines = text.split("\n")
        number = 0
        for hunk in view.hunks:
            number += hunk.skipped
            for line in [getattr(row, name) for row in hunk.rows]:
                if line is None:
                    continue
                number += 1
                assert line.number == number
                assert "".join(run.text for run in line.runs).removesuffix("\n") == lines[number - 1]
    assert bool(view.hunks) == (old != new)
    for hunk in view.hunks:
        assert any(not row.is_same for row in hunk.rows)
        assert all((row.old and row.old.runs) == (row.new and row.new.runs) for row in hunk.rows if row.is_same)


def test_line_view__a_line_added_above_a_changed_one__the_changed_ones_stand_side_by_side():
    old, new = "head\nthe cat sat\ntail\n", "head\nbrand new\nthe dog sat\ntail\n"
    (hunk,) = line_view(text_runs(old, new)).hunks
    numbers = [(row.old and row.old.number, row.new and row.new.number, row.is_same) for row in hunk.rows]
    assert numbers == [(1, 1, True), (None, 2, False), (2, 3, False), (3, 4, True)]


def test_line_view__far_apart_changes__are_two_hunks_with_context_between_skipped_rows():
    lines = [f"line {n}\n" for n in range(100)]
    changed = list(lines)
    changed[10], changed[80] = "other\n", "another\n"
    first, second = line_view(text_runs("".join(lines), "".join(changed))).hunks
    assert (first.skipped, len(first.rows), second.skipped, len(second.rows)) == (7, 7, 63, 7)
    assert second.rows[3].old.number == 81


def test_line_view__more_changes_than_the_limit__is_cut_and_says_so():
    view = line_view(text_runs("", "x\n" * 50_000), limit=100)
    assert view.is_cut
    assert sum(len(hunk.rows) for hunk in view.hunks) == 100
