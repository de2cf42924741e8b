"""Langfuse's own clients against a real web process: a team changes the address and the two keys, and nothing else."""

import os
import subprocess
from pathlib import Path

import pytest

from prompts_app.models import Observation, PromptVersion
from registry.core.permissions import CI_SCOPES
from tests.builders import Cast, Key
from tests.compat.client import pair
from tests.compat.clients.install import PYTHON, node_with, python_with
from tests.scenes import policy
from tests.servers import run_web

pytestmark = pytest.mark.django_db(transaction=True)

HERE = Path(__file__).parent / "clients"
LONGEST_S = 120


def run_story(command: list[str | Path], cast: Cast, folder: Path) -> list[str]:
    """The steps that a client went through, in the order it printed them."""
    policy(cast, "development", auto_apply=False)
    ci, service = cast.key(scopes=CI_SCOPES), cast.key("service", environment="development")
    with run_web(folder, LOG_LEVEL="WARNING") as web:
        told = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "*",
            "STORY_URL": web.url,
            "STORY_CI": joined(ci),
            "STORY_SERVICE": joined(service),
        }
        answer = subprocess.run(
            command, env=told, cwd=folder, capture_output=True, text=True, timeout=LONGEST_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert answer.returncode == 0, f"{answer.stdout}\n{answer.stderr[-4000:]}\n{web.log.read_text()[-2000:]}"
    return answer.stdout.splitlines()


def run_javascript(client: str, story: str, cast: Cast, folder: Path) -> list[str]:
    """The steps of a story in JavaScript; modules are looked for beside the file."""
    node, modules = node_with(client)
    (modules / story).write_text((HERE / story).read_text())
    return run_story([node, modules / story], cast, folder)


def joined(key: Key) -> str:
    return ":".join(pair(key))


@pytest.mark.parametrize("version", PYTHON)
def test_python_client__of_each_version__goes_through_a_teams_day(cast: Cast, tmp_path: Path, version: str):
    steps = run_story([python_with(version), HERE / "story.py"], cast, tmp_path)
    assert steps == [
        "texts, folders, unicode, compile", "chats, placeholders", "labels, 403 with the page's address", "caches",
        "eight versions at once", "lists", "traces", "deletes", "services",
    ]  # fmt: skip
    assert not PromptVersion.objects.filter(content__contains="never").exists()
    seen = Observation.objects.get()
    assert (seen.version.number, seen.input_tokens, seen.output_tokens, seen.model) == (1, 11, 7, "small")
    assert seen.latency_ms is not None


def test_javascript_client__goes_through_a_teams_day(cast: Cast, tmp_path: Path):
    steps = run_javascript("langfuse-js", "story.mjs", cast, tmp_path)
    assert steps == [
        "texts, folders, unicode, compile", "chats, placeholders", "labels, 403 with the page's address", "caches",
        "eight versions at once", "lists", "deletes", "services",
    ]  # fmt: skip


def test_promptfoo__by_the_client_it_uses__finds_prompts_by_label_and_version(cast: Cast, tmp_path: Path):
    steps = run_javascript("langfuse-js-3", "promptfoo.mjs", cast, tmp_path)
    assert steps == ["texts by label, version and key", "chats", "what is not there"]
