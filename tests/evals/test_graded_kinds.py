"""Graded kinds without a model: what the judge is told, how its replies are read, and what none of them can say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.judge_seats import graded_kind
from evals_app.providers.embeddings import EmbeddingsError, cosine_of
from evals_app.scorers import SCORERS, Asked, Output, ScorerSpec, parse_scorers
from evals_app.scorers.graded.judging import Graded, JudgeError, Material, fenced, reply_of
from evals_app.scorers.graded.prompts import strict_properties
from evals_app.scorers.kinds.context_precision import average_precision
from evals_app.scorers.kinds.pairwise import for_baseline
from evals_app.scorers.protocol import Score, UnscorableError
from evals_app.scorers.scoring import settled, target_of
from prompts_app.content import parse_content
from registry.core.canonical import JSON
from registry.core.errors import Invalid

KINDS = [kind for kind in SCORERS.values() if isinstance(kind, Graded)]
JUDGED = [kind for kind in KINDS if kind.prompt]


def spec_of(kind: Graded, **more: JSON) -> ScorerSpec:
    return parse_scorers([{**kind.example.spec, **more}])[0]


def material(kind: Graded, output: Output, spec: ScorerSpec) -> Material:
    asked = kind.example.asked
    other = kind.example.fails if output is kind.example.passes else kind.example.passes
    target = target_of(spec, expected=asked.expected, rendered={})
    return Material(output, target, asked, other if kind.compares else None)


def judged(kind: Graded, output: Output, replies: tuple[JSON, ...]) -> Score:
    spec = spec_of(kind)
    given = material(kind, output, spec)
    assert len(kind.questions(given, spec)) == len(replies)
    return settled(spec, kind.combine([kind.read(reply, given, spec) for reply in replies]))


def test_kinds__every_graded_one_of_the_table__is_there() -> None:
    assert {kind.kind for kind in KINDS} == {
        "rubric", "factuality", "answer_relevance", "groundedness", "context_recall", "context_precision", "pairwise",
        "embedding_similarity", "toxicity",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_example__judged_as_its_replies_say__passes_and_fails(kind: Graded) -> None:
    good, bad = kind.example_replies
    passed, failed = judged(kind, kind.example.passes, good), judged(kind, kind.example.fails, bad)
    assert (passed.passed, failed.passed) == (True, False)
    for score in (passed, failed):
        assert kind.range[0] <= score.value <= kind.range[1] and score.detail


@pytest.mark.parametrize("kind", JUDGED, ids=lambda kind: kind.kind)
def test_judge__of_each_kind__is_a_prompt_with_a_strict_schema_and_gets_its_variables(kind: Graded) -> None:
    assert kind.prompt is not None
    content = parse_content("chat", kind.prompt.content())
    assert list(strict_properties(content.response_format)) == ["reason", *kind.prompt.members]
    spec = spec_of(kind)
    for variables in kind.questions(material(kind, kind.example.passes, spec), spec):
        assert set(variables) == set(kind.prompt.variables)
        assert all(isinstance(value, str) for value in variables.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
@pytest.mark.parametrize(
    "reply",
    [None, [], "passed", True, {}, {"passed": True}, {"verdict": "passed"}, {"reason": "ok", "verdict": "PASS"},
     {"reason": 3, "verdict": "met"}, {"reason": "ok", "claims": "none"}, {"reason": "ok", "statements": []},
     {"reason": "ok", "useful": [True]}, {"reason": "ok", "claims": [{"text": "x", "supported": "yes"}]}],
)  # fmt: skip
def test_reply__of_another_form__is_no_verdict(kind: Graded, reply: JSON) -> None:
    spec = spec_of(kind)
    with pytest.raises(JudgeError):
        kind.read(reply, material(kind, kind.example.passes, spec), spec)


@pytest.mark.parametrize("text", ["", "passed", "```json\n{}\n```", '{"verdict": "met"', "{} {}"])
def test_reply__that_is_no_json__is_no_verdict(text: str) -> None:
    with pytest.raises(JudgeError, match="not JSON"):
        reply_of(text)


def test_pairwise__in_both_orders__counts_only_what_the_order_does_not_change() -> None:
    kind = SCORERS["pairwise"]
    assert isinstance(kind, Graded)
    outcomes = {
        ("first", "second"): 1.0, ("second", "first"): 0.0, ("tie", "tie"): 0.5,
        ("first", "first"): 0.5, ("second", "second"): 0.5, ("first", "tie"): 0.5, ("tie", "second"): 0.5,
    }  # fmt: skip
    for verdicts, value in outcomes.items():
        replies = tuple({"reason": "r", "verdict": verdict} for verdict in verdicts)
        score = judged(kind, kind.example.passes, replies)
        assert (score.value, score.passed) == (value, value >= 0.5), verdicts
        assert for_baseline(score).value == 1 - value


def test_pairwise__shown__is_the_same_two_answers_in_both_orders() -> None:
    kind = SCORERS["pairwise"]
    assert isinstance(kind, Graded)
    spec = spec_of(kind)
    one, other = kind.questions(material(kind, kind.example.passes, spec), spec)
    assert (one["first"], one["second"]) == (other["second"], other["first"])
    assert one["first"] == kind.example.passes.text


@pytest.mark.parametrize(
    ("useful", "value"),
    [([True, True, False], 1.0), ([False, True], 0.5), ([False, False], 0.0), ([], 0.0),
     ([True, False, True], 5 / 6), ([False, True, True], (1 / 2 + 2 / 3) / 2)],
)  # fmt: skip
def test_average_precision__known_values(useful: list[bool], value: float) -> None:
    assert average_precision(useful) == pytest.approx(value)


def test_values__partial_verdicts__are_between_and_pass_only_by_threshold() -> None:
    reply: JSON = {"reason": "so so", "verdict": "partly met"}
    kind = SCORERS["rubric"]
    assert isinstance(kind, Graded)
    for more, passed in (({}, False), ({"threshold": 0.5}, True), ({"negate": True}, True)):
        spec = spec_of(kind, **more)
        score = settled(spec, kind.read(reply, material(kind, kind.example.passes, spec), spec))
        assert (score.value, score.passed) == (0.5, passed), more


def test_spec__without_what_its_kind_needs__is_refused() -> None:
    for spec, field in (
        ({"kind": "rubric"}, "scorers[0].value"),
        ({"kind": "rubric", "value": " "}, "scorers[0].value"),
        ({"kind": "embedding_similarity"}, "scorers[0].model"),
        ({"kind": "toxicity", "value": "x"}, "scorers[0].value"),
        ({"kind": "toxicity", "judge": 3}, "scorers[0].judge"),
    ):
        with pytest.raises(Invalid) as refused:
            parse_scorers([spec])
        assert [error.field for error in refused.value.errors] == [field]


def test_context__as_a_list_or_a_text__is_passages_and_without_one_nothing_is_judged() -> None:
    kind = SCORERS["context_precision"]
    assert isinstance(kind, Graded)
    spec = spec_of(kind, context="found")
    for found, count in ((["a", {"text": "b"}], 2), ("a\n\nb\n\n\n\nc", 3)):
        asked = Asked({"found": found}, expected="x")
        assert len(Material(Output("o"), "x", asked).passages(spec)) == count
    for variables in ({}, {"found": ""}, {"found": []}, {"context": ["a"]}):
        with pytest.raises(UnscorableError, match="found"):
            kind.questions(Material(Output("o"), "x", Asked(variables, expected="x")), spec)


@given(output=st.text(), question=st.text())
def test_fence__whatever_is_judged__cannot_hold_its_own_end(output: str, question: str) -> None:
    given_values = fenced(output=output, question=question)
    assert str(given_values["fence"]) not in output + question
    assert (given_values["output"], given_values["question"]) == (output, question)


def test_try__without_a_run__says_that_its_judge_is_asked_there() -> None:
    for kind in KINDS:
        with pytest.raises(UnscorableError, match="run"):
            kind.score(Output("x"), "x", spec_of(kind), Asked(), tools=None)  # type: ignore[arg-type]
        assert graded_kind(spec_of(kind)) is kind


def vectors(*rows: JSON) -> JSON:
    return {"data": [{"index": index, "embedding": row} for index, row in enumerate(rows)]}


def test_cosine__known_vectors__in_any_order_of_rows() -> None:
    assert cosine_of(vectors([1, 0], [1, 0])) == 1.0
    assert cosine_of(vectors([1, 0], [0, 2])) == 0.0
    assert cosine_of(vectors([1, 1], [-1, -1])) == -1.0
    assert cosine_of(vectors([3, 4], [4, 3])) == 0.96
    assert cosine_of({"data": [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [0, 1]}]}) == 1.0


@pytest.mark.parametrize(
    "reply",
    [None, {}, {"data": []}, vectors([1]), vectors([1], [1], [1]), vectors([1, 2], [1]), vectors([0], [1]),
     vectors(["1"], [1]), vectors([True], [1]), vectors([], []), vectors([1e308] * 9, [1e308] * 9), {"data": "xy"}],
)  # fmt: skip
def test_cosine__of_nonsense__is_refused(reply: JSON) -> None:
    with pytest.raises(EmbeddingsError):
        cosine_of(json.loads(json.dumps(reply)))
