"""Copies on disk and the lock file: what a service lives on when nobody answers."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import greenroom
from greenroom import Client, Unavailable
from greenroom.cli.main import main
from tests.sdk.registry_stub import DOWN, NAME, Registry, body, serves, until
from tests.sdk.stub import Stub


def test_disk__server_down_at_the_start__is_the_last_known_good_of_this_key_and_place_only(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path
) -> None:
    make().get(NAME)
    make().get(NAME, version=1)
    registry.trouble = DOWN
    client = make()
    found = client.get(NAME)
    assert (found.source, found.version, found.render(name="Ada")) == ("disk", 1, "Hello Ada")
    assert client.get(NAME, version=1).source == "disk"
    for other in ({"environment": "staging"}, {"key": "gr_MnOpQrStUvWx" + "x" * 38}, {"cache_dir": None}):
        with pytest.raises(Unavailable):
            make(**other).get(NAME)
    registry.trouble = None
    registry.max_age = 60
    until(lambda: client.get(NAME).source == "memory")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "copies").rglob("*"))
    assert "x" * 38 not in "".join(path.read_text() for path in (tmp_path / "copies").rglob("*.json"))


@pytest.mark.parametrize("damage", [b"", b"{}\n{}", b"\xff\xfe", "cut", "text"])
def test_disk__damaged_copies__are_left_out(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path, damage: bytes | str
) -> None:
    make().get(NAME)
    (copy,) = (tmp_path / "copies").rglob("*.json")
    whole = copy.read_bytes()
    copy.write_bytes(
        whole[:-9] if damage == "cut" else whole.replace(b"Hello", b"Hallo") if damage == "text" else damage
    )  # type: ignore[arg-type]
    registry.trouble = DOWN
    assert make().get(NAME, default="Good day {{ name }}").source == "default"
    assert not copy.exists()


def test_disk__that_cannot_be_written__costs_nothing_but_the_copy(make: Callable[..., Client], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert make(cache_dir=tmp_path / "file" / "copies").get(NAME).version == 1


def test_disk__a_newer_copy_of_another_process__stays(
    registry: Registry, stub: Stub, make: Callable[..., Client]
) -> None:
    late = make()
    registry.delay_s = 0.3
    slow = threading.Thread(target=lambda: late.get(NAME))
    slow.start()
    until(lambda: stub.calls)
    registry.delay_s = 0
    other = Registry()
    other.put(body(version=2, revision=2))
    stub.route = lambda call: other.answer(call)
    make().get(NAME)
    slow.join()
    registry.trouble, stub.route = DOWN, registry.answer
    assert make().get(NAME).version == 2


def test_disk__a_restore__empties_it(registry: Registry, stub: Stub, make: Callable[..., Client]) -> None:
    registry.put(body("other/one"))
    client = make()
    client.warm(NAME, "other/one")
    client.get("other/one", version=1)
    registry.put(body(version=1, revision=1, epoch=2))
    until(lambda: client.get(NAME) and client.counts()["epochs"] == 1)
    registry.trouble = DOWN
    fresh = make()
    assert fresh.get(NAME).source == "disk"
    for pin in (None, 1):
        with pytest.raises(Unavailable):
            fresh.get("other/one", version=pin)


def test_lock_file__pulled_by_the_command__serves_when_nobody_else_can(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:  # fmt: skip
    registry.put(body("chat/é", messages=[{"role": "user", "content": "{{ name }}"}], config={"t": 0.1, "n": 2**63}))
    assert main(["pull", "--env", "production"]) == 0
    lock = tmp_path / "prompts.lock.json"
    lock.write_bytes(capsysbinary.readouterr().out)
    registry.trouble = DOWN
    client = make(lock_file=lock, cache_dir=None)
    found = client.get("chat/é")
    assert (found.source, found.to_messages(name="A")) == ("file", [{"role": "user", "content": "A"}])
    assert client.get(NAME, version=1).source == "file"
    with pytest.raises(Unavailable):
        client.get(NAME, version=2)
    registry.trouble = None
    registry.put(body(version=2, revision=2))
    until(lambda: serves(client, 2))

    text = lock.read_text()
    for broken in (text.replace("Hello", "Hallo"), text[:-20], "[]", text.replace('"format": 1', '"format": 2')):
        lock.write_text(broken)
        with pytest.raises(greenroom.Corrupt):
            make(lock_file=lock)
    lock.write_text(text)
    with pytest.raises(greenroom.Misconfigured, match="not of staging"):
        make(lock_file=lock, environment="staging")
    with pytest.raises(greenroom.Misconfigured):
        make(lock_file=tmp_path / "none")


def test_lock_file__of_the_time_before_a_restore__is_not_used(
    registry: Registry, stub: Stub, make: Callable[..., Client], tmp_path: Path
) -> None:
    lock = tmp_path / "prompts.lock.json"
    old = {"format": 1, "environment": "production", "revision": 1, "epoch": 1, "prompts": {"old/one": body("old/one")}}
    lock.write_text(json.dumps(old))
    registry.put(body(epoch=2))
    client = make(lock_file=lock)
    client.get(NAME)
    registry.trouble = DOWN
    with pytest.raises(Unavailable):
        client.get("old/one")
