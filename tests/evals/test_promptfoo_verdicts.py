"""A promptfoo suite with every deterministic assertion about an answer gives, case by case, the verdicts that promptfoo gives with `echo`.

The recorded table always holds. Where promptfoo is installed it is asked again, and the table is held to what it says: the
benchmark installs it, and so does `PROMPTFOO=1`. Elsewhere this prints "promptfoo: not run".
"""

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evals_app.engine.questions import scorer_values
from evals_app.engine.scoring import TOOLS
from evals_app.files.promptfoo import read_promptfoo
from evals_app.scorers import Asked, Output, score_output
from evals_app.scorers.combining import combined
from evals_app.suite_content import SuiteContent, parse_suite

DATA = Path(__file__).parents[1] / "data"
SUITE, TABLE = DATA / "promptfoo_suite.yaml", DATA / "promptfoo_verdicts.json"
BENCH = Path(__file__).parents[2] / "bench" / "_promptfoo.py"


def recorded() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(TABLE.read_text())["verdicts"]
    return found


def imported() -> SuiteContent:
    """The suite as importing it makes it."""
    found = read_promptfoo(SUITE.read_text())
    assert found.reading.mistakes == ()
    cases = [dict(one.case) for one in found.reading.cases]
    return parse_suite({**found.rules, "cases": cases, "mode": "all_pass", "repeats": 1})  # type: ignore[dict-item]


def verdict(content: SuiteContent, index: int) -> tuple[str, bool]:
    """What `echo` says on a case, and whether our scorers let it pass."""
    case = content.cases[index]
    specs = content.scorers_of(case)
    said = str(case.variables["text"])
    asked = Asked(case.variables, case.expected)
    [rendered] = scorer_values([case], [{key: text for spec in specs for key, text in spec.templates.items()}])
    assert isinstance(rendered, dict)
    output = Output(said, cost=0.0, latency_ms=3)
    scored = score_output(output, specs, asked=asked, rendered=rendered, tools=TOOLS)
    return said, combined(scored, content.combination_of(case)).passed


def test_verdicts__of_every_case__are_those_that_promptfoo_gave() -> None:
    content, table = imported(), recorded()
    assert len(content.cases) == len(table) >= 371

    ours = [(row["about"], *verdict(content, index)) for index, row in enumerate(table)]

    assert ours == [(row["about"], row["output"], row["passed"]) for row in table]
    assert {True, False} == {row["passed"] for row in table}


def test_suite__imported__has_nothing_that_is_not_run_but_the_provider() -> None:
    found = read_promptfoo(SUITE.read_text())

    assert [note.text.partition(":")[0] for note in found.notes] == ["providers"]
    assert [prompt.text for prompt in found.prompts] == ["{{ text }}"]
    assert "disabled" not in json.dumps([dict(one.case) for one in found.reading.cases])  # type: ignore[arg-type]


def test_table__asked_of_promptfoo_again__is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        said = _asked_again()
    except LookupError as missing:
        with capsys.disabled():
            print(f"\npromptfoo: not run ({missing})")
        pytest.skip(str(missing))
    assert said == recorded()


def _asked_again() -> list[dict[str, Any]]:
    """What promptfoo itself says; raises LookupError where it is not there."""
    tool = _bench()
    folder = Path(tempfile.gettempdir()) / f"greenroom-promptfoo-{os.geteuid()}"
    is_there = (folder / "node_modules" / "promptfoo" / "package.json").exists()
    if not is_there and os.environ.get("PROMPTFOO") != "1":
        raise LookupError("it is not installed: PROMPTFOO=1 lets npm install it")
    try:
        found = tool.find()
    except tool.Missing as missing:
        raise LookupError(str(missing)) from None
    with tempfile.TemporaryDirectory(prefix="greenroom-promptfoo-test-") as name:
        home = Path(name)
        shutil.copy(SUITE, home / "suite.yaml")
        options = ("-c", "suite.yaml", "-j", "1", "--no-cache", "--no-table", "--no-progress-bar", "-o", "out.json")
        answer = found._call(home, "eval", *options, limit_s=170)
        if not (home / "out.json").exists():
            raise LookupError(f"it did not run: {answer[-300:]}")
        results = json.loads((home / "out.json").read_text())["results"]["results"]
    return [
        {
            "about": one["testCase"]["description"],
            # An assertion that ends in an error leaves no response: what echo says is what it was asked.
            "output": one["response"]["output"] if "response" in one else one["vars"]["text"],
            "passed": one["success"],
        }
        for one in sorted(results, key=lambda one: one["testIdx"])
    ]


def _bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_promptfoo", BENCH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
