"""What the README of the client library shows is what runs."""

import re
from pathlib import Path
from typing import Any

import pytest

from evals_app.scripted_provider import ScriptedProvider
from greenroom import Client
from greenroom.cli.arguments import make_parser
from tests.sdk.registry_stub import DOWN, NAME, Registry, body
from tests.sdk.stub import Stub
from tests.servers import ROOT

PAGE = (ROOT / "sdk/python/README.md").read_text()
LINES, LOCKED = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Any:
    with ScriptedProvider() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", running.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield running


@pytest.mark.parametrize("trouble", [None, DOWN])
def test_five_lines__with_and_without_the_registry__get_an_answer(
    registry: Registry, stub: Stub, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    trouble: Any,
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    variables = {"type": "object", "properties": {"message": {"type": "string"}}}
    registry.put(body(text="Which intent? {{ message }}", variables=variables, config={"model": "scripted"}))
    registry.trouble = trouble
    names: dict[str, Any] = {}
    exec(LINES, names)
    names["prompts"].close()
    said = "Sort this message: " if trouble else "Which intent? "
    assert names["answer"].choices[0].message.content == f"{said}My card was declined"
    assert provider.asked[0].model == ("gpt-5-mini" if trouble else "scripted")


def test_lock_file__as_shown__is_taken(registry: Registry, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenroom.client.read_lock_file", lambda path: None)
    names: dict[str, Any] = {"Client": Client}
    exec(LOCKED, names)
    assert names["client"].get(NAME).version == 1
    names["client"].close()


def test_commands__as_shown__can_be_said() -> None:
    lines = [line.partition(" >")[0] for line in PAGE.splitlines() if line.startswith("greenroom ")]
    assert len(lines) >= 6
    for line in lines:
        make_parser().parse_args([one.strip('"') for one in re.findall(r'"[^"]*"|\S+', line)][1:])
