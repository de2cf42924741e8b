"""F32 and F33: a backup taken while others write, restored on an empty machine, and gone on with."""

import gzip
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import psycopg
import pytest

from registry.core.backups.form import BackupError, check_files, read_manifest
from registry.core.checkpoints import read_checkpoint
from tests.faults.own_database import Database, Shop, own_database
from tests.servers import ROOT, run_web

pytestmark = pytest.mark.faults
SEAL = """
from evals_app.models import Provider
from registry.core.models import Workspace
from registry.core.secrets import seal
row = Provider.objects.create(workspace=Workspace.objects.get(slug="shop"), name="sealed", base_url="http://x.example/v1", model_names=["m"])
row.sealed_key = seal("sk-very-secret", context=row.key_context)
row.save()
"""
UNSEAL = """
from evals_app.models import Provider
from registry.core.secrets import unseal
row = Provider.objects.get(name="sealed")
print(unseal(row.sealed_key, context=row.key_context))
"""


@dataclass(frozen=True)
class Scene:
    """A registry in use, its backup, and what writers were told: `before` until the backup began, `all` until it ended."""

    first: Database
    shop: Shop
    folder: Path
    before: dict[str, str]
    everything: dict[str, str]
    seconds: float


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("backups")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_CHECKPOINT_DIR", str(folder / "checkpoints"))
        yield from _in_use(folder)


def _in_use(folder: Path) -> Iterator[Scene]:
    with own_database() as first, Shop.opened(first, folder) as shop:
        shop.release("support/triage", "live at the backup")
        first.manage("shell", "-c", SEAL)
        told: dict[str, str] = {}
        ended = threading.Event()

        def write(writer: int) -> None:
            name, number = f"load/writer-{writer}", 0
            headers = dict(shop.ci.headers)
            with httpx.Client(base_url=shop.ci.base_url, headers=headers, timeout=30, trust_env=False) as client:
                client.post("prompts", json={"name": name, "kind": "text"})
                while not ended.is_set():
                    number += 1
                    text = f"{writer} says {number} \t\\ \u00e9\r\n"
                    answer = client.post(f"prompts/{name}/versions", json={"text": text})
                    if answer.status_code == 201:
                        told[f"{name} {answer.json()['version']}"] = text

        writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
        for one in writers:
            one.start()
        while len(told) < 20:
            time.sleep(0.05)
        before, began = dict(told), time.monotonic()
        first.manage("backup", str(folder / "backup"))
        seconds = time.monotonic() - began
        ended.set()
        for one in writers:
            one.join()
        yield Scene(first, shop, folder / "backup", before, told, seconds)


@pytest.fixture(scope="module")
def second(scene: Scene) -> Iterator[Database]:
    """Another machine: a server without a table, on which the backup is restored."""
    with own_database(is_migrated=False) as database:
        began = time.monotonic()
        told = database.manage("restore", str(scene.folder))
        manifest = json.loads((scene.folder / "manifest.json").read_text())["signed"]
        size = sum(table["bytes"] for table in manifest["tables"])
        print(
            f"\n{size} bytes, backup {scene.seconds:.1f} s, restore {time.monotonic() - began:.1f} s, starts included"
        )
        assert "checksums, triggers and audit chains hold" in told
        yield database


@pytest.mark.injects("F32 backup while others write, restored elsewhere")
def test_backup__while_others_write__has_all_that_was_acknowledged_before_it_began(
    scene: Scene, second: Database
) -> None:
    found = second.texts()
    lost = {key for key, text in scene.before.items() if found.get(key) != text}
    wrong = {key for key, text in found.items() if key in scene.everything and scene.everything[key] != text}
    assert (lost, wrong) == (set(), set())
    assert len(scene.everything) > len(scene.before), "nothing was written meanwhile"
    by_writer: dict[str, list[int]] = {}
    for key in found:
        name, number = key.split()
        by_writer.setdefault(name, []).append(int(number))
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in by_writer.values())


def test_restore__on_an_empty_machine__chain_schema_and_keys_are_as_they_were(scene: Scene, second: Database) -> None:
    assert "shop: " in second.manage("verify_audit")
    assert second.manage("shell", "-v", "0", "-c", UNSEAL).strip() == "sk-very-secret"
    second.manage("migrate", "--check")
    assert second.schema() == scene.first.schema()


@pytest.mark.injects("F33 an older backup restored, and gone on with")
def test_restore__older_than_what_was_given_out__takes_numbers_up_under_a_higher_epoch(
    scene: Scene, second: Database, tmp_path: Path
) -> None:
    scene.shop.release("support/triage", "given out after the backup")
    lost = scene.shop.fetch("support/triage").json()
    with run_web(tmp_path, **second.environment) as web:
        other = Shop(
            web,
            httpx.Client(base_url=f"{web.url}/api/v1/", headers=scene.shop.ci.headers, timeout=30, trust_env=False),
            scene.shop.keys,
            scene.shop.person,
        )
        assert other.fetch("support/triage").json()["text"] == "live at the backup"
        other.release("support/triage", "another content under the same number")
        now = other.fetch("support/triage").json()
        other.ci.close()
    assert (now["version"], now["revision"]) == (lost["version"], lost["revision"])
    assert now["text"] != lost["text"] and now["epoch"] > lost["epoch"]


def test_restore__over_a_registry__is_refused(scene: Scene, second: Database) -> None:
    assert "holds a registry already" in refusal(second, scene.folder)


def test_backup__that_was_made__is_a_checkpoint_beside_those_of_the_night(scene: Scene) -> None:
    [path] = (scene.folder.parent / "checkpoints").glob("audit-*Z-backup.json")
    ends = read_manifest(scene.folder).chains
    assert read_checkpoint(path).ends == ends and len(ends) > 0
    told = scene.first.manage("verify_audit", AUDIT_CHECKPOINT_DIR=str(path.parent))
    assert "held against" in told and told.endswith("rows, ok\n")


def test_backup__onto_an_existing_folder__is_refused(scene: Scene) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        scene.first.manage("backup", str(scene.folder))
    assert "exists already" in refused.value.stderr


def test_backup__keys__are_in_no_file_and_no_file_is_open_to_others(scene: Scene) -> None:
    for path in scene.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        data = path.read_bytes() if path.suffix == ".json" else gzip.decompress(path.read_bytes())
        for name in ("SECRET_KEY", "ENCRYPTION_KEYS"):
            assert os.environ[name].encode() not in data
        assert b"sk-very-secret" not in data


@pytest.mark.parametrize("how", ["cut", "changed", "missing", "manifest", "unsigned"])
def test_restore__of_a_damaged_backup__is_refused_before_anything_is_written(
    scene: Scene, tmp_path: Path, how: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(scene.folder, folder)
    path = folder / "core_auditevent.copy.gz"
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "changed":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(bytes(data))
    elif how == "missing":
        path.unlink()
    elif how == "manifest":
        manifest = folder / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"epoch": 1', '"epoch": 9'))
    else:
        (folder / "manifest.json").write_text("{}")
    with pytest.raises(BackupError):
        check_files(folder, read_manifest(folder))


def test_runbook__of_triggers_that_are_missing__brings_them_back(scene: Scene, second: Database) -> None:
    """With two roles, as in production: the one that serves may not."""
    with psycopg.connect(second.lease.engines.superuser_url) as connection:
        connection.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
    with pytest.raises(subprocess.CalledProcessError):
        second.manage("verify_contents")
    page = (ROOT / "docs" / "operations.md").read_text().partition("### TriggersMissing")[2]
    for line in re.findall(r"^python manage.py (.*)$", page.partition("\n### ")[0], re.MULTILINE):
        told = second.manage(*line.split())
    assert "every trigger is in force" in told


def refusal(database: Database, folder: Path) -> str:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        database.manage("restore", str(folder))
    return str(refused.value.stderr)
