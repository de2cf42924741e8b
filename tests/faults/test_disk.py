"""A database whose disk is full: F18. Nothing can be saved, what is live is served, and once there is room all goes on."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from greenroom import Client
from tests.faults import table
from tests.faults.own_database import Shop, own_database
from tests.faults.stage import wait
from tests.faults.test_writers import UNLIMITED, Writers, client_of

FAULT = "F18 the database's disk full"
DISK_MB, TEXT_BYTES, FULL_FOR_S = 220, 60_000, 15.0
LIVE = "live before the disk was full"


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system in memory that holds little."""
    folder = tempfile.mkdtemp(prefix="greenroom-test-")
    options = f"size={DISK_MB}m,mode=0700"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        Path(folder).rmdir()
        table.skipped(FAULT, "file systems cannot be mounted here")
        pytest.skip("not run: file systems cannot be mounted here")
    try:
        yield Path(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        Path(folder).rmdir()


def fill(ballast: Path) -> None:
    """Take whatever room is left, also what is given back meanwhile."""
    with ballast.open("ab", buffering=0) as file:
        for piece in (1_000_000, 4_096):
            try:
                while True:
                    file.write(b"\0" * piece)
            except OSError:
                continue


@pytest.mark.faults
def test_disk__full_for_a_while__costs_saving_and_nothing_else(tmp_path: Path) -> None:
    with (
        small_disk() as disk,
        own_database(disk=disk) as database,
        Shop.opened(database, tmp_path, **UNLIMITED) as shop,
        Client(
            url=shop.web.url,
            key=shop.keys["service"]["development"],
            environment="development",
            cache_dir=tmp_path / "copies",
        ) as client,
    ):
        shop.release("support/triage", LIVE)
        assert (shop.fetch("support/triage").json()["text"], client.get("support/triage").render()) == (LIVE, LIVE)
        writers = Writers(client_of(shop, tmp_path), "disk", size=TEXT_BYTES)
        readings, wrong = 0, []
        with writers.at_work():
            writers.wait_for(10)
            began = time.monotonic()
            while time.monotonic() - began < FULL_FOR_S:
                fill(disk / "ballast")
                answer = shop.fetch("support/triage")
                said = answer.json().get("text") if answer.status_code == 200 else f"{answer.status_code} {answer.text}"
                wrong += [text for text in (said, client.get("support/triage").render()) if text != LIVE]
                readings += 1
                time.sleep(0.2)
            refused = {line["answered"] for line in writers.client.ledger.lines() if line.get("answered", 0) >= 500}
            (disk / "ballast").unlink()
            # Where it could not write its log it ended, as it must; whoever looks after it starts it again.
            database.start()
            back = wait("nothing is saved any more", lambda: shop.ci.get("prompts").status_code == 200)
            back += writers.wait_for(1)
            writers.wait_for(10)
        account = writers.settle(database.texts())
        account.wrong += wrong
        assert refused == {503}, f"what could not be saved was answered with {refused}"
        assert readings > 10
        assert "shop: " in database.manage("verify_audit")
        assert "every version is what its digest says" in database.manage("verify_contents")
        told = shop.release("support/triage", "after there was room")
        assert told["propagated"] and shop.fetch("support/triage").json()["text"] == "after there was room"
    table.note(FAULT, account, recovery=f"{readings} fetches meanwhile; saved again {back:.1f} s after there was room")
