"""The supervisor, with parts of a few lines."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from registry import processes

from devtools import supervisor as module  # isort: skip
from devtools.supervisor import Part, Supervisor, clean_up  # isort: skip
from devtools.words import Stop  # isort: skip

TERM = signal.SIGTERM
SLEEPER = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


class Bench:
    """A supervisor whose output is kept and which can be told to stop."""

    def __init__(self, folder: Path) -> None:
        self.record = folder / "parts.json"
        self.output = io.StringIO()
        self.supervisor = Supervisor(self.record, folder, output=self.output)
        self.supervisor.use({**os.environ, "PUBLIC_URL": "http://here"})

    def add(
        self,
        name: str,
        code: str,
        *,
        stop_with: tuple[tuple[signal.Signals, float], ...] = ((TERM, 5.0),),
        is_essential: bool = True,
        is_asked: bool = False,
    ) -> None:
        self.supervisor.add(Part(name, (sys.executable, "-c", code), stop_with, is_essential, is_asked))

    def wait_for(self, text: str) -> None:
        self.supervisor.wait_until(lambda: text in self.output.getvalue(), 20)

    def stop_when(self, text: str) -> threading.Thread:
        """Asks it to stop, as Ctrl-C does, once it has printed `text`."""

        def look() -> None:
            deadline = time.monotonic() + 60
            while text not in self.output.getvalue() and time.monotonic() < deadline:
                time.sleep(0.02)
            self.supervisor._stop_asked(signal.SIGINT, None)

        thread = threading.Thread(target=look)
        thread.start()
        return thread


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def _nothing() -> tuple[str, ...]:
    return ()


def test_supervisor__two_parts__prefixes_lines_and_leaves_nothing(bench: Bench) -> None:
    bench.add("web", "import time; print('one\\ntwo', flush=True); time.sleep(60)")
    bench.add("worker", SLEEPER)
    bench.wait_for("two")
    bench.wait_for("up")
    recorded = json.loads(bench.record.read_text())
    identities = [processes.Identity(**part) for part in recorded["parts"].values()]
    assert all(map(processes.is_alive, identities))
    bench.stop_when("up").join()
    assert bench.supervisor.loop(_nothing) == 0
    bench.supervisor.stop()
    assert {"web       | one", "web       | two", "worker    | up"} <= set(bench.output.getvalue().splitlines())
    assert not any(map(processes.is_alive, identities))
    assert not bench.record.exists()


def test_supervisor__part_ends_before_all_is_ready__stops_with_one_line(bench: Bench) -> None:
    bench.add("web", "import sys; sys.exit('port taken')")
    bench.supervisor.wait_until(lambda: False, 20)
    assert bench.supervisor.loop(_nothing) == 1
    bench.supervisor.stop()
    assert bench.output.getvalue().splitlines() == [
        "web       | port taken",
        "greenroom | web ended with exit code 1 before Greenroom was ready: stopping everything. Its last lines are above.",
    ]


def test_supervisor__part_crashes_later__is_started_again(bench: Bench, tmp_path: Path) -> None:
    once = "import os, sys, time; first = not os.path.exists('again'); open('again', 'a').close(); print('up' if first else 'once more', flush=True)"
    bench.add("worker", f"{once}\nif first: time.sleep(0.3); os.kill(os.getpid(), 9)\ntime.sleep(60)")
    bench.wait_for("up")
    stopper = bench.stop_when("once more")
    assert bench.supervisor.loop(_nothing) == 0
    bench.supervisor.stop()
    stopper.join()
    assert "worker ended with signal 9 (SIGKILL); starting it again in 1 s." in bench.output.getvalue()


def test_supervisor__part_keeps_crashing__essential_stops_everything_and_another_is_left_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_WAIT_S", 0.05)
    bench.supervisor.wait_until(lambda: True, 1)
    bench.add("model", "raise SystemExit(3)", is_essential=False)
    bench.add("web", "import time; time.sleep(0.3); raise SystemExit(4)")
    assert bench.supervisor.loop(_nothing) == 1
    bench.supervisor.stop()
    text = bench.output.getvalue()
    assert "model ended with exit code 3 once more and is left off; everything else goes on." in text
    assert "web ended with exit code 4 for the 5th time in two minutes: stopping everything." in text


def test_supervisor__engine_died__says_that_it_was_revived(bench: Bench) -> None:
    bench.add("web", SLEEPER)
    bench.wait_for("up")
    stopper = bench.stop_when("valkey had died and was started again.")
    assert bench.supervisor.loop(lambda: ("valkey",)) == 0
    bench.supervisor.stop()
    stopper.join()


def test_stop__part_ignores_the_first_signal__gets_the_next_and_then_none_is_left(bench: Bench) -> None:
    quits = STUBBORN.replace(
        "print(", "signal.signal(signal.SIGQUIT, lambda *_: (print('quit', flush=True), exit(0))); print("
    )
    bench.add("worker", quits, stop_with=((TERM, 0.3), (signal.SIGQUIT, 60.0)))
    bench.add("deaf", STUBBORN.replace("up", "deaf up"), stop_with=((TERM, 0.3),))
    bench.wait_for("worker    | up")
    bench.wait_for("deaf up")
    bench.stop_when("up").join()
    bench.supervisor.stop()
    assert "worker    | quit" in bench.output.getvalue()
    assert not bench.record.exists()


def test_stop__one_part_asks_another__is_answered_until_it_has_ended(bench: Bench) -> None:
    ends = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep({}), print('ended', flush=True), exit(0))); print('up', flush=True); time.sleep(60)"
    bench.add("model", ends.format(0), is_asked=True)
    bench.add("worker", ends.format(0.5), stop_with=((TERM, 60.0),))
    bench.wait_for("model     | up")
    bench.wait_for("worker    | up")
    bench.stop_when("up").join()
    bench.supervisor.stop()
    said = [line.partition(" ")[0] for line in bench.output.getvalue().splitlines() if line.endswith("| ended")]
    assert said == ["worker", "model"]


def test_stop__a_child_outlives_the_part__is_ended_with_its_group(bench: Bench) -> None:
    bench.add(
        "web",
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); print('child', p.pid, flush=True); p.wait()",
    )
    bench.wait_for("web       | up")
    child = int(bench.output.getvalue().split("child ")[1].split()[0])
    identity = processes.identify(child)
    bench.stop_when("up").join()
    bench.supervisor.stop()
    assert processes.wait_gone(identity, 60) if identity else True


def test_run_once__fails__is_told_apart_from_its_lines(bench: Bench) -> None:
    bench.supervisor.run_once("migrate", (sys.executable, "-c", "print('fine')"))
    with pytest.raises(Stop, match="seed failed with exit code 7: see its lines above"):
        bench.supervisor.run_once("seed", (sys.executable, "-c", "raise SystemExit(7)"))
    assert "migrate   | fine" in bench.output.getvalue()


def test_output__reader_went_away__is_a_wish_to_stop(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        supervisor = Supervisor(tmp_path / "parts.json", tmp_path, output=output)
        supervisor.say("hello")
        assert supervisor.is_stopping
        with pytest.MonkeyPatch.context() as patch:  # the text that could not be written goes when it is closed
            patch.setattr(output, "flush", lambda: None)
            os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def _sleeper(mark: str) -> subprocess.Popen[bytes]:
    """A process that runs its program already: before that its environment cannot be read."""
    command = [sys.executable, "-c", SLEEPER]
    process = subprocess.Popen(command, env={**os.environ, module.MARK: mark}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_clean_up__supervisor_was_killed__ends_its_processes_and_no_others(tmp_path: Path) -> None:
    named, marked, stranger = _sleeper(""), _sleeper("mark-1"), _sleeper("mark-2")
    try:
        alive, reused = processes.identify(named.pid), processes.identify(stranger.pid)
        assert alive is not None
        assert reused is not None
        parts = {
            "web": {"pid": alive.pid, "started": alive.started},
            "beat": {"pid": reused.pid, "started": "long ago"},
        }
        record = tmp_path / "parts.json"
        record.write_text(json.dumps({"mark": "mark-1", "parts": parts}))
        assert clean_up(record) == "Ended 2 processes that a killed run had left."
        assert named.wait(60) == -TERM
        assert marked.wait(60) == -TERM
        assert stranger.poll() is None
        assert not record.exists()
        assert clean_up(record) == ""
    finally:
        for process in (named, marked, stranger):
            process.kill()
            process.communicate()


def test_identify__zombie_or_nobody__is_none() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 60
    while processes.identify(process.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes.identify(process.pid) is None
    process.wait()
    assert processes.identify(2**22 + 1) is None
    assert processes.is_alive(processes.identify(os.getpid()))
