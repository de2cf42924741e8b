"""A migration killed in the middle: F23. It happened whole or not at all, and the next try ends where a fresh one does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db.migrations.loader import MigrationLoader

from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.own_database import Database, own_database
from tests.servers import ROOT

# Of the statements of a migration each so manieth is one to die before; before and after its commit each dies anyway.
STEP = int(os.environ.get("MIGRATION_STEP", "8"))


@contextmanager
def mortal(database: Database) -> Iterator["subprocess.Popen[str]"]:
    """The program that migrates and dies; it ends with its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed_migrating"],
        cwd=ROOT,
        env={**os.environ, **database.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(30)


def dies(process: "subprocess.Popen[str]", target: tuple[str, str], when: str, at: int = 0) -> int:
    """How many statements of the way to the target it saw before it died, as it must."""
    assert process.stdin and process.stdout
    print(json.dumps({"target": target, "when": when, "at": at}), file=process.stdin, flush=True)
    answer = json.loads(process.stdout.readline())
    assert answer["signal"] == (0 if when == "never" else 9), (target, when, at)
    return int(answer["statements"])


@pytest.mark.faults
def test_migrations__killed_everywhere__end_where_fresh_ones_do() -> None:
    loader, deaths = MigrationLoader(None), 0
    plan = list(dict.fromkeys(one for leaf in loader.graph.leaf_nodes() for one in loader.graph.forwards_plan(leaf)))
    with own_database(is_migrated=False, is_durable=False) as database, mortal(database) as process:
        for target in plan:
            count = dies(process, target, "record")
            for at in range(1, count, STEP):
                dies(process, target, "statement", at)
            dies(process, target, "commit")
            dies(process, target, "committed")
            deaths += 3 + len(range(1, count, STEP))
            assert dies(process, target, "never") == 0, "it was made once more"
        database.manage("migrate", "--verbosity", "0")
        found = database.schema()
        database.manage("migrate", "--check")
    with own_database(is_durable=False) as fresh:
        expected = fresh.schema()
    account = Account(wrong=[str(one) for one in set(found) ^ set(expected)])
    assert deaths > len(plan)
    table.note("F23 migrations killed half way", account, recovery="the next try", schedules=deaths)
