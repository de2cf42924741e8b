"""A backup of the registry of the tests, restored into another database of the same server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command

from prompts_app.models import PromptVersion
from registry.core.actions.sessions import create_sign_in_link
from registry.core.backups.form import check_files, read_manifest
from registry.core.backups.taking import take_backup
from registry.core.models import AuditHead, Member, Workspace
from registry.core.signatures import sign
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


def restore(empty: str, folder: Path, **extra: str) -> "subprocess.CompletedProcess[str]":
    """The command, on the backup in that folder."""
    told = {**os.environ, "DATABASE_URL": empty, "AUDIT_CHECKPOINT_DIR": str(folder / "checkpoints"), **extra}
    command = [sys.executable, "manage.py", "restore", str(folder / "backup")]
    return subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_rows__backed_up_and_restored__are_the_same_under_a_higher_epoch(empty: str, tmp_path: Path) -> None:
    cast = make_cast(is_open=True)
    one = prompt(cast.ada, text="tab\t backslash \\ \\N é\u202e\r\n trailing ")
    version(cast.ada, one, "\\.\n")
    create_sign_in_link(Member.objects.get(pk=cast.ada.member_id).user)
    made = take_backup(tmp_path / "backup")
    assert read_manifest(tmp_path / "backup") == made
    check_files(tmp_path / "backup", made)
    assert {end.slug: end.sequence for end in made.chains} == {
        workspace.slug: AuditHead.objects.get(workspace=workspace).sequence for workspace in Workspace.objects.all()
    }
    done = restore(empty, tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    sql = "SELECT v.id, v.content, v.digest, w.epoch FROM prompts_app_promptversion v JOIN prompts_app_prompt p ON p.id = v.prompt_id JOIN core_workspace w ON w.id = p.workspace_id ORDER BY v.id"
    with psycopg.connect(empty) as connection:
        back = connection.execute(sql).fetchall()
        links = connection.execute("SELECT count(*) FROM core_signinlink").fetchone()
    assert [row[:3] for row in back] == list(
        PromptVersion.objects.order_by("pk").values_list("pk", "content", "digest")
    )
    assert all(row[3] > cast.workspace.epoch for row in back)
    assert links == (0,), "one that was used since would sign in again"


def _of_a_newer_release(manifest: dict[str, Any]) -> None:
    manifest["migrations"].append(["core", "9999_later"])


def _with_a_part_of_a_newer_release(manifest: dict[str, Any]) -> None:
    manifest["migrations"].append(["translations_app", "0001_initial"])
    manifest["tables"].append({**manifest["tables"][0], "table": "translations_app_text"})


def _of_before_the_newest_migration(manifest: dict[str, Any]) -> None:
    """As if the tables had been made by this release already, and the backup were of the one before."""
    manifest["migrations"].remove(["core", "0001_the_core_tables"])


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_restore__of_what_this_release_cannot_bring_back__says_so_in_a_line_and_brings_nothing(
    empty: str, tmp_path: Path
) -> None:
    make_cast(is_open=True)
    take_backup(tmp_path / "backup")
    path = tmp_path / "backup" / "manifest.json"
    as_it_was = path.read_text()
    no_folder = tmp_path / "no-folder"
    no_folder.write_text("")
    for change, extra, said in (
        (_of_a_newer_release, {}, "of a newer release (core.9999_later): restore it with that release"),
        (_with_a_part_of_a_newer_release, {}, "does not make (translations_app_text)"),
        (lambda manifest: None, {"AUDIT_CHECKPOINT_DIR": str(no_folder)}, "did not come to its end: [Errno 17]"),
        (_of_before_the_newest_migration, {}, "has tables that the backup does not know"),
    ):
        manifest = json.loads(as_it_was)["signed"]
        change(manifest)
        path.write_text(sign(manifest))
        done = restore(empty, tmp_path, **extra)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done.stderr[-2000:]
    path.write_text(as_it_was)
    assert restore(empty, tmp_path).returncode == 0, "nothing stands in the way of the right one"


def test_backup__into_a_place_that_cannot_be_written__says_so_in_a_line(db: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=r"No backup was made: .*Not a directory"):
        call_command("backup", str(tmp_path / "file" / "backup"))
