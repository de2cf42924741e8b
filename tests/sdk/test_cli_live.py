"""The command `greenroom`, as CI calls it, against a real server with a real worker; the documented lines are what runs."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from evals_app.models import Run
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import Promotion, VersionCheck
from registry.core.models import Member
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals import building
from tests.scenes import go_live, policy
from tests.sdk.proxy import Proxy
from tests.sdk.workflow import Runner
from tests.servers import ROOT, Web, run_web, run_worker

PAGE = (ROOT / "docs" / "ci.md").read_text()
WORKFLOW = ROOT / "docs" / "ci" / "github-workflow.yml"
ENDS_WITHIN_S = 90
WRONG = [Rule(anywhere=f"Half {n}.", answer="no") for n in (1, 2, 3, 4, 5)]
RULES = [Rule(anywhere="Bad", answer="no"), Rule(anywhere="Broken", status=400), *WRONG]


def blocks(kind: str) -> list[str]:
    """The fenced blocks of the page about CI."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def documented() -> list[str]:
    """Every documented call of the command once: from plain blocks, and from the steps of both pipelines."""
    github, gitlab = (yaml.safe_load(text) for text in blocks("yaml"))
    steps = [step["run"] for step in github["jobs"]["triage"]["steps"] if "run" in step]
    lines = [line for text in blocks("") for line in text.splitlines()]
    said = [*lines, *steps, *gitlab["prompt gate"]["script"]]
    return list(dict.fromkeys(line for line in said if line.startswith("greenroom ")))


class Pipeline:
    """A shell in a folder of its own, with the two variables of a pipeline and `greenroom` on its path."""

    def __init__(self, folder: Path, url: str, key: str) -> None:
        self.folder = folder
        binary = folder / "bin" / "greenroom"
        binary.parent.mkdir()
        binary.write_text(f'#!/bin/sh\nexec {sys.executable} -m greenroom "$@"\n')
        binary.chmod(0o755)
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        path = f"{binary.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        own = {"PATH": path, "PYTHONPATH": str(ROOT / "sdk/python/src"), "NO_PROXY": "127.0.0.1"}
        self.environ = {**kept, **own, "GREENROOM_URL": url, "GREENROOM_KEY": key}

    def start(self, line: str, **more: str) -> "subprocess.Popen[str]":
        """The line, running as a terminal would: a test run that was started in the background ignores Ctrl-C."""
        return subprocess.Popen(
            ["sh", "-c", line],
            cwd=self.folder,
            env={**self.environ, **more},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def run(self, line: str, **more: str) -> tuple[int, str, str]:
        """Exit code, output, error output."""
        process = self.start(line, **more)
        out, err = process.communicate(timeout=ENDS_WITHIN_S)
        assert self.environ["GREENROOM_KEY"] not in out + err
        return process.returncode, out, err

    def cases(self, report: str = "report.xml") -> dict[str, ET.Element]:
        """The test cases of a report."""
        return {case.attrib["name"]: case for case in ET.parse(self.folder / report).getroot().iter("testcase")}


@pytest.fixture
def provider(transactional_db: None) -> Iterator[ScriptedProvider]:
    with building.scripted(*RULES) as scripted:
        yield scripted


@pytest.fixture
def web(provider: ScriptedProvider, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


@pytest.fixture
def cast(web: Web, provider: ScriptedProvider) -> Cast:
    """Version 1 is live in production; 2 and 6 answer as well, 3 is bad, 4 broken, 5 hard to tell."""
    made = make_cast(is_open=True)
    building.add_provider(made, provider, concurrency=4, timeout_s=30)
    prompt = builders.prompt(made.ada, text="{{ q }}")
    go_live(made, prompt.versions.select_related("prompt").get())
    building.suite(made.ada, "triage", of=building.cases(30), scorers=[{"kind": "contains"}])
    for text in ("Now {{ q }}.", "Bad {{ q }}.", "Broken {{ q }}.", "Half {{ q }}.", "Again {{ q }}."):
        builders.version(made.ada, prompt, text)
    return made


def test_yaml__of_the_examples__is_read_and_runs_what_is_documented() -> None:
    github, gitlab = (yaml.safe_load(text) for text in blocks("yaml"))
    assert github["jobs"]["triage"]["env"]["GREENROOM_KEY"] == "${{ secrets.GREENROOM_KEY }}"
    assert gitlab["prompt gate"]["artifacts"]["reports"]["junit"] == "report.xml"
    run = "greenroom run-suite support/triage triage --environment production --wait --junit report.xml"
    assert [step.get("run") for step in github["jobs"]["triage"]["steps"]].count(run) == 1
    assert gitlab["prompt gate"]["script"] == [run]
    assert len(documented()) == 5


def test_commands__of_the_documentation__do_what_it_says(
    web: Web, cast: Cast, provider: ScriptedProvider, tmp_path: Path
) -> None:
    pipeline = Pipeline(tmp_path, web.url, cast.key().token)
    with run_worker(tmp_path, OUTBOUND_ALLOW=f"127.0.0.1:{provider.port}"):
        for line in documented():
            code, out, err = pipeline.run(line)
            assert code == 0, f"{line}: {out}{err}"
            assert "get support" not in line or '"version":1' in out
        assert [run.candidate.number for run in Run.objects.select_related("candidate")] == [6]
        assert VersionCheck.objects.get(name="external/legal").url == "https://example.com/tickets/7"
        assert len(pipeline.cases()) == 30
        _verdicts(pipeline)
        _refusals(pipeline, cast)
        _workflow(pipeline)
        _outage(pipeline, web, provider, tmp_path)


def _verdicts(pipeline: Pipeline) -> None:
    """Each verdict has its exit code, and the report says which cases are to blame."""
    line = "greenroom run-suite support/triage triage --baseline 1 --wait --junit report.xml --version"
    code, out, _ = pipeline.run(f"{line} 3")
    assert code == 1 and out.startswith("failed: triage v1 on support/triage v3, against v1\n  passes: Worse than")
    assert {case[0].tag for case in pipeline.cases().values()} == {"failure"}

    code, out, _ = pipeline.run(f"{line} 4")
    assert code == 3 and "\ntrouble: " in out
    cases = pipeline.cases()
    assert cases.pop("run")[0].tag == "error" and {case[0].tag for case in cases.values()} == {"error"}

    code, out, err = pipeline.run(f"{line} 5")
    assert code == 2 and "Cannot tell yet" in out and "finished: 60 of 60 answers" in err
    failing = {name: case[0] for name, case in pipeline.cases().items() if len(case)}
    assert set(failing) == {f"case-{n}" for n in (1, 2, 3, 4, 5)}
    assert failing["case-1"].attrib["message"].startswith("1 of 1 failed (baseline: 1 of 1 passed): contains")


def _outage(pipeline: Pipeline, web: Web, provider: ScriptedProvider, folder: Path) -> None:
    """Ctrl-C leaves the run alone; following it again through a server that is killed and replaced ends well, once."""
    provider.latency_s = 1.5  # long enough to be interrupted, on a busy machine too
    line = "greenroom run-suite support/triage triage --baseline 1 --version 2 --wait --timeout 80"
    with Proxy(urlsplit(web.url).port or 0) as proxy:
        first = pipeline.start(line, GREENROOM_URL=proxy.url)
        _until(lambda: Run.objects.filter(state="running").exists())
        os.killpg(first.pid, signal.SIGINT)
        _, err = first.communicate(timeout=ENDS_WITHIN_S)
        provider.latency_s = 0.2
        assert first.returncode in {130, -signal.SIGINT} and "goes on" in err

        again = pipeline.start(line, GREENROOM_URL=proxy.url)
        before = proxy.connections
        _until(lambda: proxy.connections > before)
        web.stop(signal.SIGKILL)
        proxy.cut()
        with run_web(folder) as replacement:
            proxy.come_back(urlsplit(replacement.url).port or 0)
            out, err = again.communicate(timeout=ENDS_WITHIN_S)
            assert again.returncode == 0 and "trying again" in err, out + err
            assert Run.objects.filter(candidate__number=2).count() == 1
            assert out.startswith("passed: ")


def _refusals(pipeline: Pipeline, cast: Cast) -> None:
    """What the server refuses is said in its words."""
    post = "greenroom check post support/triage --state failed"
    digest = VersionCheck.objects.get(name="external/legal").digest
    code, out, _ = pipeline.run(f"{post} --digest {digest} --name external/legal")
    assert (code, out) == (0, "external/legal of support/triage v2: failed\n")
    code, _, err = pipeline.run(f"{post} --version 1 --name suite/triage")
    assert code == 3 and "name: Outside checks are named external/" in err
    code, out, _ = pipeline.run("greenroom status")
    assert out == "support/triage: newest v6, production v1\n"
    _promote(pipeline, cast)
    service = cast.key("service", environment="production").token
    code, _, err = pipeline.run("greenroom run-suite support/triage triage --version 1", GREENROOM_KEY=service)
    assert code == 3 and err.startswith("greenroom: ") and service not in err


def _workflow(pipeline: Pipeline) -> None:
    """The longer workflow: a prompt of the repository that passes, the same again, and one that fails."""
    for name in ("python", "python3"):
        shim = pipeline.folder / "bin" / name
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        shim.chmod(0o755)
    prompt = pipeline.folder / "prompts" / "triage.json"
    prompt.parent.mkdir()
    outcomes = []
    for sha, text in (("a1", "From the repository: {{ q }}"), ("a1", ""), ("b2", "Bad, from the repository: {{ q }}")):
        folder = pipeline.folder / f"checkout-{len(outcomes)}"
        if text:
            prompt.write_text(json.dumps({"text": text}))
        folder.mkdir()
        (folder / "prompts").symlink_to(prompt.parent)
        runner = Runner(WORKFLOW, folder, pipeline.environ, sha=sha)
        said = runner.play()
        assert pipeline.environ["GREENROOM_KEY"] not in said
        version = runner.outputs["steps.save.outputs.version"]
        check = VersionCheck.objects.filter(name="external/pipeline").latest("pk")
        assert (folder / "report.xml").exists() and check.url == "https://github.com/acme/prompts/actions/runs/7"
        outcomes.append((version, runner.has_failed, check.state))
    assert outcomes == [("7", False, "passed"), ("7", False, "passed"), ("8", True, "failed")]


def _promote(pipeline: Pipeline, cast: Cast) -> None:
    """Going on with the same promotion, applied by a key that may; blocked where a gate says so; done again, the same."""
    line = "greenroom promote support/triage --version 2 --environment staging"
    assert [row.state for row in Promotion.objects.filter(environment__name="staging")] == ["open"]
    code, out, _ = pipeline.run(f"{line} --apply")
    assert code == 1 and "in the way: This key lacks the scope `promote`" in out
    ada = Member.objects.get(pk=cast.ada.member_id)
    may = {"GREENROOM_KEY": cast.key(scopes=["read", "write", "promote"], responsible=ada).token}
    for said in (
        "live: v2 of support/triage in staging, revision 1\n",
        "live already: v2 of support/triage in staging\n",
    ):
        assert pipeline.run(f"{line} --apply", **may)[:2] == (0, said)
    policy(cast, "development", approvals=1)
    code, out, _ = pipeline.run(f"{line.replace('staging', 'development')} --apply", **may)
    assert code == 1 and "  in the way: " in out and "approvals.insufficient" in out


def _until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + ENDS_WITHIN_S
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
