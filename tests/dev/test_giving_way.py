"""Who comes first on shared processors, as Linux tells it of a process that asked for its place."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import registry
from registry.precedence import SHORT_TURN_NS

ROOT = Path(registry.__file__).resolve().parent.parent
NOBODY = 65534
TELL = """
import ctypes, os, pathlib, platform
from registry.precedence import SCHED_ATTR, come_first, give_way
{before}
given = {call}
group = pathlib.Path("/proc/self/autogroup")
print(given, os.nice(0), group.read_text().split()[-1] if group.exists() else "none")
attributes = ctypes.create_string_buffer(SCHED_ATTR.size)
number = {{"x86_64": 315, "aarch64": 275}}.get(platform.machine())
if number and platform.system() == "Linux":
    ctypes.CDLL(None).syscall(number, 0, attributes, SCHED_ATTR.size, 0)
print(SCHED_ATTR.unpack(attributes)[5])
"""


@dataclass(frozen=True)
class Place:
    """What a process was told, its niceness, that of its session (None where sessions have none), and its turn."""

    given: str
    niceness: int
    session: int | None
    turn_ns: int


def place(call: str, *, before: str = "") -> Place:
    """Of a process that leads a session of its own, after it did that."""
    command = [sys.executable, "-c", TELL.format(call=call, before=before)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True)
    given, niceness, session, turn = done.stdout.split()
    return Place(given, int(niceness), None if session == "none" else int(session), int(turn))


@pytest.mark.skipif(os.nice(0) > 10, reason="the tests themselves have given way too far to tell")
def test_give_way__by_some__the_process_and_its_session_come_after_others() -> None:
    before = os.nice(0)
    assert place("give_way(0)").niceness == before
    after = place("give_way(7)")
    assert after.niceness == before + 7
    assert after.session in {None, after.niceness}


@pytest.mark.skipif(os.nice(0) < -10, reason="the tests themselves have come too far forward to tell")
def test_come_first__where_the_system_lets_it__the_process_and_its_session_come_before_others() -> None:
    before = os.nice(0)
    assert place("come_first(0)").niceness == before
    is_let = subprocess.run([sys.executable, "-c", "import os; os.nice(-1)"], capture_output=True, check=False)
    by = 7 if is_let.returncode == 0 else 0
    after = place("come_first(7)")
    assert (after.given, after.niceness) == (str(by > 0), before - by)
    assert after.session in {None, after.niceness}


def test_come_first__where_the_system_does_not__says_so_and_takes_short_turns_all_the_same() -> None:
    usual = place("come_first(0)")
    after = place("come_first(7)", before=f"os.setuid({NOBODY})" if os.geteuid() == 0 else "")
    assert (after.given, after.niceness) == ("False", usual.niceness)
    if usual.turn_ns:  # 0 where the system tells of no turns
        assert after.turn_ns == SHORT_TURN_NS != usual.turn_ns
