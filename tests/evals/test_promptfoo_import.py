"""What a promptfoo configuration may hold that is not taken over: reported by line, imported disabled, never run."""

import json
from typing import Any

import pytest

from evals_app.files.promptfoo import PromptfooSuite, read_promptfoo
from evals_app.files.promptfoo_makers import MAKERS, comma_separated, python_pattern
from evals_app.model_settings import Offer
from evals_app.scorers import SCORERS
from evals_app.suite_content import parse_suite
from registry.core.errors import Invalid
from registry.core.yaml_tree import MOST_CHARACTERS, Part, read_yaml

MIXED = """\
prompts: [file://prompt.txt, "Answer {{ q }}"]
providers: [exec:rm -rf /]
defaultTest:
  assert:
    - type: javascript
      value: process.exit()
    - {type: contains, value: a}
tests:
  - vars: {q: one}
    assert:
      - {type: python, value: "import os"}
      - {type: equals, value: file://secret.txt}
      - {type: equals, value: a, transform: output.trim()}
      - {type: teleport, value: a}
      - {type: regex, value: "("}
      - type: cost
  - vars: {q: two}
    provider: exec:true
    options: {transform: output.trim()}
    assert: [{type: equals, value: b}]
  - file://more.yaml
scenarios: file://s.yaml
frobnicate: 1
"""


def read(text: str) -> PromptfooSuite:
    return read_promptfoo(text)


def scorers_of(found: PromptfooSuite, index: int) -> list[dict[str, Any]]:
    return found.reading.cases[index].case["scorers"]  # type: ignore[return-value]


def test_what_is_not_supported__is_named_by_line_and_kept_disabled() -> None:
    found = read(MIXED)
    said = {(note.line, note.text) for note in found.notes}

    def line(text: str) -> int:
        return MIXED[: MIXED.index(text)].count("\n") + 1

    for text, words in (
        ("file://prompt.txt", "prompts: files and functions"),
        ("exec:rm", "providers: providers are set up here once"),
        ("type: javascript", "javascript is imported disabled: custom code is never run"),
        ("type: python", "python is imported disabled: custom code is never run"),
        ("file://secret", "equals is imported disabled: files are never read"),
        ("transform: output.trim()}\n      - {type: teleport", "equals is imported disabled: transform changes"),
        ("type: teleport", "there is no scorer for teleport"),
        ('type: regex, value: "("', "regex is imported disabled: value is not a regular expression"),
        ("type: cost", "cost is imported disabled: it has no threshold"),
        ("provider: exec:true", "provider: one provider for all cases"),
        ("assert: [{type: equals, value: b}]", "changes what is judged, and custom code is never run"),
        ("file://more", "tests: files are never read"),
        ("scenarios: file", "scenarios: files are never read"),
        ("frobnicate", "frobnicate: not known here"),
    ):
        assert any(at == line(text) and words in what for at, what in said), (line(text), words, sorted(said))
    assert [one["kind"] for one in scorers_of(found, 0)] == ["disabled"] * 6
    assert json.loads(scorers_of(found, 0)[0]["was"]) == {"type": "python", "value": "import os"}
    assert [one["kind"] for one in found.rules["scorers"]] == ["disabled", "contains"]  # type: ignore[union-attr, call-overload, index]
    assert [prompt.text for prompt in found.prompts] == ["Answer {{ q }}"]


def test_suite__with_disabled_scorers__saves_and_never_runs_them() -> None:
    found = read(MIXED)
    content = parse_suite({**found.rules, "cases": [dict(one.case) for one in found.reading.cases]})  # type: ignore[dict-item]

    assert {spec.kind for spec in content.scorers_of(content.cases[1]) if spec.counts} == {"contains"}
    with pytest.raises(Invalid) as refused:
        parse_suite(
            {"cases": [{"key": "a"}], "scorers": [{"kind": "disabled", "why": "code", "was": "{}"}], "mode": "all_pass"}
        )
    assert [error.field for error in refused.value.errors] == ["scorers[0].weight"]


def test_test__that_asserts_nothing__is_named() -> None:
    found = read("tests:\n  - vars: {q: a}\n  - vars: {q: b}\n    assert: [{type: python, value: x}]\n")

    assert [note.line for note in found.notes if "asserts nothing" in note.text] == [2, 3]


def test_values__in_lists__are_all_combined_and_too_many_are_refused() -> None:
    lists = "[" + ", ".join(f"'{n}'" for n in range(60)) + "]"
    found = read(f"tests:\n  - vars: {{a: [x, y], b: {lists}, c: [1, 2]}}\n    assert: [{{type: equals, value: x}}]\n")

    assert len(found.reading.cases) == 120
    assert found.reading.cases[0].case["variables"] == {"a": "x", "b": "0", "c": [1, 2]}
    with pytest.raises(Invalid, match="combine to 216,000 cases"):
        read(f"tests:\n  - vars: {{a: {lists}, b: {lists}, c: {lists}}}\n")


def test_names__of_scorers_and_sets__are_unique_within_a_case() -> None:
    text = """\
defaultTest: {assert: [{type: contains, value: a, metric: same}]}
tests:
  - assert:
      - {type: contains, value: b, metric: same}
      - {type: assert-set, metric: same, assert: [{type: equals, value: a}, {type: equals, value: b}]}
"""
    found = read(text)
    case = dict(found.reading.cases[0].case)

    assert [one["name"] for one in case["scorers"]] == ["same-2", "equals", "equals-2"]  # type: ignore[index, union-attr]
    assert case["groups"] == [{"name": "same-3"}]
    parse_suite({**found.rules, "cases": [case]})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [*a]", "an alias to itself"),
        ("tests: 1\ntests: 2", "Line 2: the key 'tests' is there twice"),
        ("tests: !!python/object/apply:os.system [ls]", "is not plain data"),
        ("tests: !!js/function 'x'", "is not plain data"),
        ("tests: [", "not YAML"),
        ("\tx", "not YAML"),
        ("a: *b", "not YAML"),
        ("[" * 3000, "depth"),
        ("a: " + "x" * MOST_CHARACTERS, "At most"),
        ("just words", "no promptfoo configuration"),
        ("", "nothing in it"),
        ("--- a\n--- b\n", "another document"),
        ("? [a]\n: b", "a key must be text"),
        ("a: \x01", "not YAML"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)),
            "200,000 parts",
        ),
    ],
)
def test_yaml__made_to_harm__is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert said in refused.value.detail


def test_yaml__of_plain_data__is_read_as_yaml_1_2_with_lines() -> None:
    part = read_yaml(
        "a: &x {b: 1}\nc:\n  <<: *x\n  d: [yes, 007, 0x1F, 1.50, 2020-01-01, 'q', ~, 1e999]\ne: |\n  two\n  lines\n"
    )

    assert part.plain() == {
        "a": {"b": 1},
        "c": {"b": 1, "d": ["yes", 7, 31, 1.5, "2020-01-01", "q", None, "1e999"]},
        "e": "two\nlines\n",
    }
    assert part.members()["c"].members()["d"].line == 4


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a, b", ["a", "b"]),
        ('"a, b", c', ["a, b", "c"]),
        ('"say ""hi""",,x', ['say "hi"', "x"]),
        ("", []),
        (" a ", ["a"]),
    ],
)
def test_entries__between_commas__keep_what_stands_in_quotes(text: str, entries: list[str]) -> None:
    assert comma_separated(text) == entries


@pytest.mark.parametrize(
    ("script", "ours"),
    [("^a$", r"^a\Z"), (r"\$5", r"\$5"), ("[$]", "[$]"), (r"(?<n>x)\k<n>", r"(?P<n>x)(?P=n)"), (r"a\\$", r"a\\\Z")],
)
def test_pattern__of_javascript__is_the_same_in_python(script: str, ours: str) -> None:
    assert python_pattern(script) == ours


GRADED = {
    "llm-rubric": "rubric",
    "model-graded-closedqa": "rubric",
    "factuality": "factuality",
    "answer-relevance": "answer_relevance",
    "context-faithfulness": "groundedness",
    "context-recall": "context_recall",
    "context-relevance": "context_precision",
    "similar": "embedding_similarity",
}
CALLING = {"is-refusal": "refusal", "not-is-refusal": "refusal", "is-valid-openai-tools-call": "valid_tool_call"}


def test_assertions__that_models_grade_or_that_look_at_calls__become_scorers_of_ours() -> None:
    asserts = [{"type": name, "value": "is polite", "threshold": 0.8} for name in GRADED]
    for one in asserts:
        one |= {"provider": "openai:embedding:text-embedding-3-small"} if one["type"] == "similar" else {}
    asserts += [{"type": name} for name in CALLING]
    found = read(json.dumps({"tests": [{"vars": {"q": "one"}, "assert": asserts}]}))
    scorers = scorers_of(found, 0)
    assert [one["kind"] for one in scorers] == [*GRADED.values(), *CALLING.values()], [
        note.text for note in found.notes
    ]
    assert (scorers[0]["value"], scorers[0]["threshold"]) == ("is polite", 0.8)
    assert scorers[7]["model"] == "text-embedding-3-small" and scorers[-2]["negate"] is True


def test_similar__without_an_embedding_model__is_kept_disabled_and_says_what_it_lacks() -> None:
    found = read("tests:\n  - vars: {q: one}\n    assert:\n      - {type: similar, value: a}\n")
    assert [note.line for note in found.notes if "names no embedding model" in note.text] == [4]
    assert scorers_of(found, 0)[0]["kind"] == "disabled"


def test_makers__of_every_assertion__name_kinds_that_there_are() -> None:
    members = {"type": Part(1, "x"), "threshold": Part(1, 0.5), "provider": Part(1, "openai:embedding:small")}
    values = {name: Part(1, {} if "sql" in name else "x") for name in MAKERS}
    assert {make(values[name], members)["kind"] for name, make in MAKERS.items()} <= set(SCORERS)


OFFERS = (Offer("main", ("large", "gpt-4o-mini"), is_default=True), Offer("openai", ("gpt-4o-mini", "gpt-4o")))


def judged(text: str) -> tuple[PromptfooSuite, list[dict[str, Any]]]:
    found = read_promptfoo(text, OFFERS)
    return found, scorers_of(found, 0)


@pytest.mark.parametrize(
    ("provider", "becomes"),
    [
        ("openai:gpt-4o", ("openai", "gpt-4o")),
        ("openai:chat:gpt-4o-mini", ("openai", "gpt-4o-mini")),
        ("azure:chat:gpt-4o-mini", ("main", "gpt-4o-mini")),
        ("{id: 'openai:responses:gpt-4o', config: {temperature: 0}}", ("openai", "gpt-4o")),
    ],
)
def test_provider__of_a_graded_assertion__becomes_the_judges_provider_and_model(
    provider: str, becomes: tuple[str, str]
) -> None:
    found, scorers = judged(
        f"tests:\n  - vars: {{q: one}}\n    assert:\n      - type: llm-rubric\n        value: polite\n        provider: {provider}\n"
    )
    assert (scorers[0]["kind"], scorers[0]["provider"], scorers[0]["model"]) == ("rubric", *becomes)
    assert [note.line for note in found.notes] == ([6] if "config" in provider else [])


@pytest.mark.parametrize("provider", ["openai:gpt-5", "exec:rm -rf /", "file://judge.py", "openai", "python:grade.py"])
def test_provider__that_the_workspace_does_not_have__is_told_by_its_line_and_disables_the_assertion(
    provider: str,
) -> None:
    found, scorers = judged(
        "tests:\n  - vars: {q: one}\n    assert:\n      - {type: factuality, value: a}\n"
        f"      - type: llm-rubric\n        value: polite\n        provider: '{provider}'\n"
    )
    assert [one["kind"] for one in scorers] == ["factuality", "disabled"]
    (note,) = [note for note in found.notes if "disabled" in note.text]
    assert note.line == 7 and ("offers" in note.text or "names no model" in note.text)


def test_provider__of_the_options_for_all_tests__judges_where_no_assertion_names_its_own() -> None:
    found = read_promptfoo(
        """
defaultTest:
  options:
    provider: {text: 'openai:gpt-4o', embedding: 'openai:embedding:small'}
  assert:
    - {type: llm-rubric, value: polite}
tests:
  - vars: {q: one}
    assert:
      - {type: similar, value: a}
      - {type: contains, value: a}
  - vars: {q: two}
    options: {provider: 'openai:gpt-4o-mini'}
    assert:
      - {type: factuality, value: a}
      - {type: llm-rubric, value: b, provider: 'main:large'}
""",
        OFFERS,
    )
    assert found.notes == ()
    (shared,) = found.rules["scorers"]  # type: ignore[misc, union-attr]
    assert (shared["provider"], shared["model"]) == ("openai", "gpt-4o")  # type: ignore[call-overload, index]
    first, second = scorers_of(found, 0), scorers_of(found, 1)
    assert first[0]["model"] == "small" and "provider" not in first[1]
    assert [(one["provider"], one["model"]) for one in second] == [("openai", "gpt-4o-mini"), ("main", "large")]
