"""A backup of the registry of the tests, restored into another database of the same server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from prompts_app.models import PromptVersion
from registry.core.backups.form import check_files, read_manifest
from registry.core.backups.taking import take_backup
from registry.core.models import AuditHead, Workspace
from tests.builders import make_cast, prompt, version
from tests.servers import ROOT

NAME = "restored_by_a_test"


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a database without a table."""
    address = os.environ["DATABASE_URL"]
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        server.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
        yield urlunsplit(urlsplit(address)._replace(path=f"/{NAME}"))
        server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_rows__backed_up_and_restored__are_the_same_under_a_higher_epoch(empty: str, tmp_path: Path) -> None:
    cast = make_cast(is_open=True)
    one = prompt(cast.ada, text="tab\t backslash \\ \\N é\u202e\r\n trailing ")
    version(cast.ada, one, "\\.\n")
    made = take_backup(tmp_path / "backup")
    assert read_manifest(tmp_path / "backup") == made
    check_files(tmp_path / "backup", made)
    assert {end.slug: end.sequence for end in made.chains} == {
        workspace.slug: AuditHead.objects.get(workspace=workspace).sequence for workspace in Workspace.objects.all()
    }
    told = {**os.environ, "DATABASE_URL": empty, "AUDIT_CHECKPOINT_DIR": str(tmp_path / "checkpoints")}
    command = [sys.executable, "manage.py", "restore", str(tmp_path / "backup")]
    done = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    sql = "SELECT v.id, v.content, v.digest, w.epoch FROM prompts_app_promptversion v JOIN prompts_app_prompt p ON p.id = v.prompt_id JOIN core_workspace w ON w.id = p.workspace_id ORDER BY v.id"
    with psycopg.connect(empty) as connection:
        back = connection.execute(sql).fetchall()
    assert [row[:3] for row in back] == list(
        PromptVersion.objects.order_by("pk").values_list("pk", "content", "digest")
    )
    assert all(row[3] > cast.workspace.epoch for row in back)
