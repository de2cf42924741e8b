"""Many who ask at once, in a process of their own that comes last.

In the process that measures they would share its interpreter, and at its priority the processors: what was slow then was the
measuring. As a program: reads what to ask, and prints how often each status was answered, and what was lost.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.servers import ROOT

PATH = "/api/v1/preview"
LOWEST, PATIENCE_S = 19, 120


@dataclass(frozen=True)
class Crowd:
    """Callers at their work."""

    process: "subprocess.Popen[str]"

    @property
    def is_at_work(self) -> bool:
        """Whether somebody still asks or waits for an answer."""
        return self.process.poll() is None

    def found(self) -> tuple[Counter[int], list[str]]:
        """How often each status was answered, and the requests that were not."""
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        statuses, lost = json.loads(output)
        return Counter(dict(statuses)), lost


@contextmanager
def crowd(
    port: int, headers: Mapping[str, str], bodies: Sequence[object], *, at_once: int, rounds: int
) -> Iterator[Crowd]:
    """So many callers, each of whom asks for one preview after the other, `rounds` of them; all have begun when this yields."""
    command = [sys.executable, "-m", "tests.faults.crowd"]
    task = json.dumps([port, dict(headers), list(bodies), at_once, rounds])
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{task}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "begun\n"
        try:
            yield Crowd(process)
        finally:
            process.kill()


def _ask(port: int, headers: Mapping[str, str], body: object) -> int:
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        wire.request("POST", PATH, json.dumps(body), {**headers, "Content-Type": "application/json"})
        answer = wire.getresponse()
        answer.read()
        return answer.status
    finally:
        wire.close()


def main() -> None:
    """What the process does."""
    os.nice(LOWEST)
    port, headers, bodies, at_once, rounds = json.loads(sys.stdin.readline())
    statuses: list[int] = []
    lost: list[str] = []

    def work(number: int) -> None:
        for turn in range(number * rounds, (number + 1) * rounds):
            try:
                statuses.append(_ask(port, headers, bodies[turn % len(bodies)]))
            except (OSError, http.client.HTTPException) as error:
                lost.append(f"{turn}: {error!r}")

    callers = [threading.Thread(target=work, args=(number,)) for number in range(at_once)]
    for one in callers:
        one.start()
    print("begun", flush=True)
    for one in callers:
        one.join()
    print(json.dumps([list(Counter(statuses).items()), lost]), flush=True)


if __name__ == "__main__":
    main()
