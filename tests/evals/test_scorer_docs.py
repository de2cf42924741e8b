"""Every example of docs/scorers.md says what the scorer says, and every kind has one that passes and one that does not."""

import json
import re
from pathlib import Path

import pytest

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import SCORERS, Asked, Output, combined, parse_scorers
from evals_app.scorers.protocol import Scorer
from evals_app.suite_content import parse_suite

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scorers.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL))
BLOCKS = {kind: re.findall(r"^```jsonl\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for kind, text in SECTIONS.items()}
EXAMPLES = [(kind, line) for kind, blocks in BLOCKS.items() for block in blocks for line in block.splitlines()]
DETERMINISTIC = [kind for kind, scorer in SCORERS.items() if scorer.is_run and not scorer.is_graded]


@pytest.mark.parametrize(("kind", "line"), EXAMPLES, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(EXAMPLES)])
def test_example__as_documented__is_what_the_scorer_says(kind, line):
    given = json.loads(line)
    assert given["scorer"]["kind"] == kind
    output = Output(
        given["output"],
        tuple(given.get("tool_calls", ())),
        output_tokens=given.get("output_tokens"),
        cost=given.get("cost"),
        latency_ms=given.get("latency_ms"),
        finish_reason=given.get("finish_reason", ""),
        perplexity=given.get("perplexity"),
    )
    asked = Asked(
        given.get("variables", {}),
        given.get("expected"),
        tuple(given.get("messages", ())),
        tuple(given.get("tools", ())),
    )
    (one,) = try_scorers(parse_scorers([given["scorer"]]), output, asked)
    said = one.to_json()
    assert said["passed"] is given["passes"], said
    if "score" in given:
        assert said["score"] == pytest.approx(given["score"], abs=1e-6)


@pytest.mark.parametrize("kind", DETERMINISTIC)
def test_kind__every_one__is_documented_with_what_passes_and_what_does_not(kind):
    answers = {json.loads(line)["passes"] for name, line in EXAMPLES if name == kind}
    assert answers == {True, False}
    scorer = SCORERS[kind]
    row = re.search(rf"^\| \[`{kind}`\].*$", PAGE, re.MULTILINE)
    assert row and f"| {scorer.about} | {scorer.version} |" in row[0]
    if scorer.default_threshold is not None:
        assert row[0].endswith(f"| {scorer.default_threshold:g} |")
    for option in scorer.options:
        assert f"`{option.name}`" in SECTIONS[kind] or f'"{option.name}"' in SECTIONS[kind], option.name


def test_rules__of_the_page__combine_as_it_says():
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    content = parse_suite({"cases": [{"key": "a", "expected": "card"}], **json.loads(block)})
    case = content.cases[0]

    def passes(output):
        scored = try_scorers(content.scorers_of(case), Output(output), Asked(expected=case.expected))
        return combined(scored, content.combination_of(case)).passed

    assert passes('{"intent": "card", "text": "Sorry!"}')
    assert not passes('{"intent": "card", "text": "Well."}')


def test_one_more_kind__as_the_page_shows_it__is_a_scorer(monkeypatch):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    namespace: dict[str, object] = {"__name__": "palindrome"}
    exec(compile(source, "docs/scorers.md", "exec"), namespace)
    made = namespace["Palindrome"]()
    assert isinstance(made, Scorer)
    monkeypatch.setitem(SCORERS, made.kind, made)
    specs = parse_scorers([made.example.spec])
    good, bad = (try_scorers(specs, output, Asked())[0].score for output in (made.example.passes, made.example.fails))
    assert (good.passed, bad.passed) == (True, False)
