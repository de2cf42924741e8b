"""The scorers that promptfoo's suites brought: what they refuse, how long they take at most, what they are told."""

from contextlib import suppress

import pytest

from evals_app.engine.trying_scorers import try_scorers
from evals_app.providers.choices import finish_reason_of, perplexity_of
from evals_app.scorers import SCORERS, Asked, Output, parse_scorers
from evals_app.scorers.kinds.sql_text import DIALECTS
from evals_app.scorers.meteor.stems import stem
from evals_app.scorers.sql import grammar
from evals_app.scorers.sql.machine import MOST_STEPS, TooMuchError, run
from evals_app.scorers.sql.reading import read_sql
from evals_app.scorers.tool_names import TooTangledError, tool_names


def said(spec, text, **more):
    (one,) = try_scorers(parse_scorers([spec]), Output(text, **more), Asked(expected="x"))
    return one.score


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        ({"kind": "is_html"}, 50_000),
        ({"kind": "is_sql"}, 20_000),
        ({"kind": "contains_sql"}, 20_000),
        ({"kind": "promptfoo_meteor", "value": "a"}, 20_000),
        ({"kind": "tool_call_f1", "value": "a"}, 200_000),
    ],
)
@pytest.mark.parametrize("negate", [False, True])
def test_scorer__an_output_that_is_too_long__never_passes(spec, most, negate):
    score = said({**spec, "negate": negate}, "a" * (most + 1))
    assert not score.passed
    assert "00 characters" in score.detail


def test_dialects__of_the_option__are_those_of_the_grammars():
    assert sorted(DIALECTS) == grammar.dialects()


@pytest.mark.parametrize("dialect", ["mysql", "postgresql", "snowflake"])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 9000,
        "SELECT " + "NOT " * 4000,
        "SELECT (" * 2000,
        "SELECT a FROM t WHERE a IN (" * 600,
        "'" * 19_999,
    ],
)
def test_sql__hostile__ends_within_the_steps(dialect, text):
    with suppress(TooMuchError):
        assert read_sql(text, dialect) is None


def test_machine__fewer_steps_than_it_takes__says_so():
    program = grammar.program("mysql")
    assert program is not None
    assert run(program, "SELECT 1", most_steps=MOST_STEPS) is not None
    with pytest.raises(TooMuchError):
        run(program, "SELECT 1", most_steps=50)


def test_sql__an_alias__leads_to_its_table():
    named = read_sql("SELECT u.name, COUNT(*) FROM shop.users AS u JOIN orders o ON o.uid = u.id", "mysql")
    assert named is not None
    assert named.tables == {"select::shop::users", "select::null::orders"}
    assert named.column_texts() == {"select::users::name", "select::orders::uid", "select::users::id"}


def test_sql__tables_by_a_pattern_that_is_none__never_passes():
    spec = {"kind": "is_sql", "tables": ["select::(null"]}
    assert not said(spec, "SELECT a FROM t").passed
    assert not said({**spec, "negate": True}, "SELECT a FROM t").passed


@pytest.mark.parametrize(
    "text",
    [
        "<b>" * 10_000,
        "<p><b>" * 8000,
        "<table>" + "x<b>" * 10_000,
        "<!--" + "<body>" * 8000,
        "<body " * 8000,
        "&" * 50_000,
    ],
)
def test_html__hostile__is_read_all_the_same(text):
    assert SCORERS["is_html"].kind == "is_html"
    assert said({"kind": "is_html"}, text).detail


def test_tool_names__brackets_without_an_end__are_refused():
    with pytest.raises(TooTangledError):
        tool_names("[" * 70_000)
    assert tool_names("[" * 60_000) == set()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("sitting", "sit"),
        ("relational", "relat"),
        ("hopefulness", "hope"),
        ("as", "as"),
    ],
)
def test_stem__of_a_word__is_natural_s(word, expected):
    assert stem(word) == expected


def test_choice__what_it_says__is_taken_where_it_is_sound():
    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]
    assert perplexity_of({"logprobs": {"content": tokens}}) == pytest.approx(2.718281828)
    for wrong in (None, {}, {"logprobs": {"content": []}}, {"logprobs": {"content": [*tokens, {"logprob": None}]}}):
        assert perplexity_of(wrong) is None
    assert finish_reason_of({"finish_reason": "length"}) == "length"
    assert finish_reason_of({"finish_reason": 3}) == finish_reason_of({"finish_reason": "x" * 41}) == ""


def test_finish_reason__not_told__passes_only_negated():
    spec = {"kind": "finish_reason", "value": "stop"}
    assert not said(spec, "a").passed
    assert said({**spec, "negate": True}, "a").passed
    assert said(spec, "a", finish_reason="STOP").passed
