"""`bin/dev.py run`, `manage` and the settings between them, for real: one server, stopped, killed and started again."""

import contextlib
import http.client
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from registry import embedded, processes
from tests.dev.conftest import ROOT

from devtools import answerer, application, checks, run  # isort: skip
from devtools.folders import Folders  # isort: skip
from devtools.words import Stop, plural  # isort: skip

READY_S = 240
TOOL = [sys.executable, str(ROOT / "bin" / "dev.py")]


@dataclass
class Place:
    """A data folder and a port for one `run`."""

    data: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "VAR": str(self.data), "PORT": str(self.port), "DEMO": "0"}

    @property
    def log(self) -> str:
        return (self.data.parent / "log").read_text()

    def start(self) -> subprocess.Popen[bytes]:
        """A `run` that is ready."""
        with (self.data.parent / "log").open("wb") as log:
            process = subprocess.Popen(
                [*TOOL, "run"], env=self.environment, stdout=log, stderr=log, cwd=self.data.parent
            )
        deadline = time.monotonic() + READY_S
        while "Greenroom is ready" not in self.log:
            assert process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.1)
        return process

    def call(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TOOL, *arguments], env={**self.environment, **more}, capture_output=True, text=True, check=False
        )

    def status(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status

    def parts(self) -> dict[str, processes.Identity]:
        recorded = json.loads((self.data / "run" / "parts.json").read_text())
        return {name: processes.Identity(**part) for name, part in recorded["parts"].items()}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = Place(tmp_path / "data", port)
    yield place
    with contextlib.suppress(OSError, ValueError):
        supervisor = json.loads((place.data / "run" / "parts.json").read_text())["supervisor"]
        processes.end(processes.Identity(**supervisor), grace_s=30)
    embedded.stop(place.data)


def test_run__a_day_of_it__serves_refuses_a_second_survives_kills_and_stops(place: Place) -> None:
    first = place.start()
    assert place.status() == 200
    assert {"web", "worker", "beat"} <= set(place.parts())
    assert f"http://127.0.0.1:{place.port}/setup/" in place.log, "nobody is here yet: a link for the first person"

    second = place.call("run")
    assert second.returncode == 1
    assert (
        f"Greenroom already runs on {place.data} (http://127.0.0.1:{place.port}, process {first.pid})" in second.stderr
    )
    busy = place.call("run", VAR=str(place.data.parent / "other"))
    assert busy.returncode == 1
    assert f"Port {place.port} is taken by another program" in busy.stderr

    beside = place.call(
        "manage", "shell", "--no-imports", "-c", "from django.conf import settings as s; print(s.PUBLIC_URL)", PORT=""
    )
    assert beside.stdout == f"http://127.0.0.1:{place.port}\n", beside.stderr

    left = place.parts()
    first.kill()
    first.wait()
    again = place.start()
    assert "that a killed run had left" in place.log
    assert not any(map(processes.is_alive, left.values()))
    assert place.status() == 200

    last = place.parts()
    again.send_signal(signal.SIGTERM)
    assert again.wait(timeout=40) == 0
    assert not any(map(processes.is_alive, last.values()))
    assert not embedded.is_running(place.data)


def test_manage__alone_on_a_new_folder__makes_tables_prints_only_its_answer_and_stops_the_engines(place: Place) -> None:
    answer = place.call(
        "manage",
        "shell",
        "--no-imports",
        "-c",
        "from registry.core.models import Workspace as w; print(w.objects.count())",
    )
    assert (answer.returncode, answer.stdout) == (0, "0\n"), answer.stderr
    assert not embedded.is_running(place.data)
    failing = place.call("manage", "no_such_command")
    assert failing.returncode == 1
    assert failing.stdout == ""


def test_manage__real_servers_are_named__no_engine_starts(place: Place, tmp_path: Path) -> None:
    with embedded.hold(tmp_path / "elsewhere") as lease:
        sockets = unquote(urlsplit(lease.engines.database_url).netloc.rpartition("@")[2].partition(":")[0])
        urls = {"DATABASE_URL": lease.engines.database_url, "BROKER_URL": lease.engines.broker_url}
        answer = place.call(
            "manage",
            "shell",
            "--no-imports",
            "-c",
            "from django.conf import settings as s; print(s.DATABASES['default']['HOST'])",
            **urls,
        )
    assert answer.stdout == f"{sockets}\n", answer.stderr
    assert not (place.data / "postgres").exists()


def test_secrets__made_once__kept_and_closed(tmp_path: Path) -> None:
    made = application.make_secrets(tmp_path)
    assert application.make_secrets(tmp_path) == made
    assert len(made["SECRET_KEY"]) >= 50
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    (tmp_path / "secrets.json").write_text("{}")
    with pytest.raises(Stop, match="restore it"):
        application.make_secrets(tmp_path)


def test_settings__what_a_run_was_told__is_there_for_manage(tmp_path: Path) -> None:
    folders = Folders(ROOT, tmp_path, tmp_path)
    assert application.remembered(folders) == {}
    application.remember(folders, {"PORT": "8123", "DATABASE_URL": "postgresql://a:secret@b/c"})
    assert application.remembered(folders)["PORT"] == "8123"
    assert stat.S_IMODE((tmp_path / "run" / "settings.json").stat().st_mode) == 0o600


def test_environment__embedded_server__variables_of_another_server_are_kept_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    lease = embedded.Lease(embedded.Engines("", "", "", "", ""), tmp_path, ("postgres",), durable=True)
    engines = application.Engines(lease, "postgresql://x", "postgresql://y", "redis://z")
    told = application.environment(Folders(ROOT, tmp_path, tmp_path), engines, {"PORT": "8123"})
    assert "PGHOST" not in told
    assert told["PUBLIC_URL"] == "http://127.0.0.1:8123"
    assert (told["GREENROOM_ENV"], told["DATA_DIR"]) == ("development", str(tmp_path))


def test_environment__of_a_run__says_how_commands_are_called_there(tmp_path: Path) -> None:
    engines = application.Engines(None, "postgresql://x", "postgresql://y", "redis://z")

    def called(data: Path) -> str:
        return application.environment(Folders(ROOT, data, data), engines, {})["MANAGE_COMMAND"]

    (tmp_path / "my data").mkdir()
    assert called(ROOT / "var") == "python3 bin/dev.py manage"
    assert called(tmp_path / "my data") == f"VAR='{tmp_path}/my data' python3 bin/dev.py manage"


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "8.0"])
def test_port__no_port__is_said_in_one_line(text: str) -> None:
    with pytest.raises(Stop, match="is no port: use a number from 1024 to 65535"):
        run._port({"PORT": text})


def test_answerer__its_usual_port_is_taken__listens_elsewhere_and_is_allowed_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answerer, "MODEL_PACKAGES", ())
    said = {"OUTBOUND_ALLOW": "10.0.0.1:80"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        usual = taken.getsockname()[1]
        monkeypatch.setattr(answerer, "MODEL", replace(answerer.MODEL, port=usual))
        chosen = answerer.choose(said, {})
    assert chosen.name == "model"
    port = said["LOCAL_MODEL_URL"].split(":")[2].split("/")[0]
    assert port != str(usual)
    assert said["OUTBOUND_ALLOW"] == f"10.0.0.1:80,127.0.0.1:{port}"
    again: dict[str, str] = {}
    answerer.choose(again, said)
    assert again["LOCAL_MODEL_URL"] == said["LOCAL_MODEL_URL"], "the port of the run before"


def test_answerer__model_does_not_install__a_script_answers_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answerer, "MODEL_PACKAGES", ("no_such_package",))
    said = {"LOCAL_MODEL_URL": "http://127.0.0.1:1/v1"}
    chosen = answerer.choose(said, {})
    assert "LOCAL_MODEL_URL" not in said
    part = chosen.part(Folders(ROOT, tmp_path, tmp_path), said["SCRIPTED_PROVIDER_URL"])
    assert "evals_app.scripted_provider" in part.command
    assert (ROOT / answerer.RULES).is_file()


def test_step__takes_too_long__is_ended_and_fails(tmp_path: Path) -> None:
    step = checks.Step("slow", (sys.executable, "-c", "import time; time.sleep(60)"), limit_s=1)
    outcome = checks._outcome(step, Folders(ROOT, tmp_path, tmp_path), dict(os.environ))
    assert outcome.is_failure
    assert outcome.text.startswith("stopped after 1 s")


def test_browser__there_is_none__the_tests_are_named_and_the_run_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = "print('tests/e2e/test_story.py::test_story__whole\\n\\n1 test collected')"
    monkeypatch.setattr(checks, "_pytest", lambda _: (sys.executable, "-c", listed))
    outcome = checks._left_out(Folders(ROOT, tmp_path, tmp_path), dict(os.environ))
    assert outcome.is_failure
    assert "apt-get install chromium" in outcome.text
    assert "tests/e2e/test_story.py::test_story__whole" in capsys.readouterr().err


def test_help__no_command__lists_what_there_is() -> None:
    answer = subprocess.run(TOOL, capture_output=True, text=True, check=True)
    assert "python3 bin/dev.py run" in answer.stdout
    wrong = subprocess.run([*TOOL, "fly"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_plural__one_and_more__read_well() -> None:
    assert [plural(1, "test"), plural(0, "test"), plural(2, "process")] == ["1 test", "0 tests", "2 processes"]


def test_checks__settings_that_make_exports_empty__count_as_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in checks.FAULT_SETTINGS:
        monkeypatch.setenv(name, "")
    given = checks._environment(Folders(ROOT, tmp_path, tmp_path))
    assert not set(checks.FAULT_SETTINGS) & set(given)
    monkeypatch.setenv("SCHEDULES", "7")
    assert checks._environment(Folders(ROOT, tmp_path, tmp_path))["SCHEDULES"] == "7"
