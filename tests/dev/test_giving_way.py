import os
import subprocess
import sys
from pathlib import Path

import pytest

import registry

ROOT = Path(registry.__file__).resolve().parent.parent
CALL = "import os, pathlib; from registry.processes import give_way; give_way(%d); print(os.nice(0))"
CALL += "; group = pathlib.Path('/proc/self/autogroup'); print(group.read_text() if group.exists() else '')"


def _after_giving_way(by: int) -> tuple[int, str]:
    command = [sys.executable, "-c", CALL % by]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, start_new_session=True)
    niceness, _, group = done.stdout.strip().partition("\n")
    return int(niceness), group.strip()


@pytest.mark.skipif(os.nice(0) > 10, reason="the tests themselves have given way too far to tell")
def test_give_way__by_some__the_process_and_its_session_come_after_others():
    before = os.nice(0)
    assert _after_giving_way(0)[0] == before
    niceness, group = _after_giving_way(7)
    assert niceness == before + 7
    assert not group or group.endswith(f"nice {niceness}")
