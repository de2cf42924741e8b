"""A program that migrates and dies by its own hand, with -9, where it is told to.

Started once; each request forks a child that opens its own connection. Requests on standard input, one a line of JSON:
`{"target": ["core", "0001_…"], "when": "statement" | "record" | "commit" | "committed" | "never", "at": n}`; answers, one a line:
`{"signal": 9 or 0, "statements": n}`, the statements before the end. Those that only read are not counted.
"""

# ruff: noqa: E402
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import django

django.setup()

from django.db import connections

from registry.core.migrating import WholeExecutor
from tests.dying import ending

RECORD = 'INSERT INTO "django_migrations"'


def child(request: Mapping[str, Any], tell: int) -> None:
    """Migrate to the target, and die on time; how many statements it were goes to the file `tell`."""
    connection, seen, when = connections["owner"], 0, request["when"]

    def die() -> None:
        os.write(tell, str(seen).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    def is_due(sql: str) -> bool:
        nonlocal seen
        seen += not sql.lstrip().upper().startswith("SELECT")
        return (when == "statement" and seen == request["at"]) or (when == "record" and sql.startswith(RECORD))

    executor = WholeExecutor(connection)
    executor.recorder.ensure_schema()
    with ending(connection, when, is_due=is_due, end=die):
        executor.migrate([tuple(request["target"])])
    os.write(tell, str(seen).encode())


def main() -> None:
    """Answer requests until standard input ends."""
    assert connections["owner"].connection is None, "nothing is connected before the fork"
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                child(json.loads(line), writing)
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        _, status = os.waitpid(pid, 0)
        seen = int(os.read(reading, 100) or b"0")
        os.close(reading)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a migration failed: its traceback is above"
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        print(json.dumps({"signal": number, "statements": seen}), flush=True)


if __name__ == "__main__":
    main()
