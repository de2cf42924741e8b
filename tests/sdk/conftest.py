"""What the tests of the client library share: a registry in a few lines, and clients of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from greenroom import Client
from tests.sdk.registry_stub import Registry, body
from tests.sdk.stub import Stub


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key, no proxies, short back-offs."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GREENROOM_KEY", "gr_AbCdEfGhIjKl" + "x" * 38)
    monkeypatch.setenv("GREENROOM_ENVIRONMENT", "production")
    monkeypatch.setattr("greenroom.entries.FIRST_BACK_OFF_S", 0.02)
    monkeypatch.setattr("greenroom.entries.LONGEST_BACK_OFF_S", 0.05)


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.put(body())
    return made


@pytest.fixture
def stub(registry: Registry, settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with registry.serve() as running:
        monkeypatch.setenv("GREENROOM_URL", running.url)
        yield running


@pytest.fixture
def make(stub: Stub, tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Clients that are closed afterwards; copies go into the test's folder unless told otherwise."""
    made: list[Client] = []

    def client(**options: Any) -> Client:
        made.append(Client(**{"cache_dir": tmp_path / "copies", "poll_s": 60.0, **options}))
        return made[-1]

    yield client
    for one in made:
        one.close()
