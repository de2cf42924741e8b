"""Backup and restore of a registry of a million results: how long each takes, and how large the backup is.

The commands are the operator's own, as processes; what is restored into is another PostgreSQL, started for it, whose writes
reach the disk. Answers are written straight into the table; everything else by the actions.

python bench/backups.py [--quick]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _scene
from django.db import connection
from run_pages import fill

from evals_app.models import Result
from registry import embedded

CASES = 10_000  # two versions, three answers to each case: 60,000 results a run
RUNS = 1 if _scene.QUICK else 17
WORDS = 8  # of 32 hexadecimal digits, by chance: what people's answers come to, and nothing that packs well


def command(name: str, *arguments: str, **variables: str) -> tuple[float, str]:
    """Wall time of a management command, the start of its process included, and the first line that it printed."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "manage.py", name, *arguments],
        cwd=_scene.ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun, done.stdout.splitlines()[0]


def main() -> None:
    """Fill, back up, restore elsewhere, and print what each took."""
    begun = time.perf_counter()
    fill(RUNS, CASES, words=WORDS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        size = int(cursor.fetchone()[0])
    print(
        f"{Result.objects.count():,} results, {size / 1e6:,.0f} MB in PostgreSQL, made in {time.perf_counter() - begun:.0f} s"
    )
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        kept, told = Path(folder, "backup"), {"AUDIT_CHECKPOINT_DIR": str(Path(folder, "checkpoints"))}
        seconds, said = command("backup", str(kept), **told)
        packed = sum(file.stat().st_size for file in kept.iterdir())
        print(
            f"backup  {seconds:7.1f} s   {packed / 1e6:,.0f} MB   {size / 1e6 / seconds:,.0f} MB of the database a second"
        )
        print(f"        {said}")
        with embedded.hold(Path(folder, "other"), names=("postgres",), durable=True) as lease:
            engines = lease.engines
            other = {"DATABASE_URL": engines.database_url, "DATABASE_OWNER_URL": engines.owner_url, **told}
            seconds, said = command("restore", str(kept), **other)
            print(f"restore {seconds:7.1f} s")
            print(f"        {said}")


if __name__ == "__main__":
    main()
