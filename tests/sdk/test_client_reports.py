"""Clients tell which versions they serve: in one piece, in the background, and without any harm when nobody listens."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from greenroom import Client
from greenroom.reports import Reports
from prompts_app.models import ServedVersion
from tests.builders import make_cast, prompt
from tests.sdk.registry_stub import DOWN, NAME, Registry, body, until
from tests.sdk.stub import Call, Reply, Stub
from tests.servers import run_web

ADDRESS = "/api/v1/usage/reports"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports every few milliseconds instead of every minute."""
    monkeypatch.setattr("greenroom.reports.EVERY_S", 0.02)
    monkeypatch.setattr("greenroom.reports.FIRST_AFTER_S", 0.02)


def reports(stub: Stub) -> list[Call]:
    return [call for call in stub.calls if call.path == ADDRESS]


def taken_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The stub takes reports too, once this is set."""
    answer, listens = registry.answer, threading.Event()

    def with_reports(call: Call) -> Reply:
        if call.path != ADDRESS:
            return answer(call)
        return Reply({"counted": 1}) if listens.is_set() else DOWN

    monkeypatch.setattr(registry, "answer", with_reports)
    return listens


def test_reports__of_a_real_server__are_added_up_there(
    transactional_db: None, tmp_path: Path, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    cast = make_cast()
    prompt(cast.ada, NAME)
    key = cast.key("service", environment="development")
    with (
        run_web(tmp_path) as web,
        Client(url=web.url, key=key.token, environment="development", cache_dir=None) as client,
    ):
        for _ in range(50):
            client.get(NAME)
        until(lambda: sum(ServedVersion.objects.values_list("count", flat=True)) == 50)
    [row] = ServedVersion.objects.select_related("version", "key")
    assert (row.version.number, row.key_id, row.client) == (1, key.pk, "greenroom-python 0.1.0")


def test_report__that_nobody_took__is_sent_again_as_it_was(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, settings: None, tmp_path: Path, soon: None
) -> None:
    listens = taken_once(registry, monkeypatch)
    with registry.serve() as stub, Client(url=stub.url, cache_dir=None, poll_s=60) as client:
        registry.max_age = 3600
        client.get(NAME)
        until(lambda: len(reports(stub)) > 2)
        client.get(NAME)
        listens.set()
        until(lambda: len(reports(stub)) > 4 and client.get(NAME).source == "memory" and counted(stub) >= 2)
    first = {(call.headers["Idempotency-Key"], call.body) for call in reports(stub)[:3]}
    assert len(first) == 1, "the same report under the same key"


def counted(stub: Stub) -> int:
    """What reports under different keys say together."""
    by_key = {call.headers["Idempotency-Key"]: json.loads(call.body) for call in reports(stub)}
    return sum(entry["count"] for told in by_key.values() for entry in told["prompts"])


def test_reports__that_the_server_does_not_know__end_for_good(
    stub: Stub, make: Callable[..., Client], soon: None
) -> None:
    client = make()
    client.get(NAME)
    until(lambda: reports(stub))
    before = len(reports(stub))
    for _ in range(5):
        client.get(NAME)
        threading.Event().wait(0.03)
    assert len(reports(stub)) == before == 1


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_reports__turned_off__are_not_sent(
    stub: Stub, make: Callable[..., Client], soon: None, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    if by == "environment":
        monkeypatch.setenv("GREENROOM_REPORTS", "0")
    client = make(**({"reports": False} if by == "argument" else {}))
    client.get(NAME)
    threading.Event().wait(0.1)
    assert reports(stub) == []


def test_report__of_what_was_given__says_each_version_once(registry: Registry, make: Callable[..., Client]) -> None:
    registry.put(body("other/one", version=7, revision=2))
    sent: list[Any] = []
    client = make(reports=False)
    told = Reports(lambda said, id: sent.append(said) or "taken")  # type: ignore[func-returns-value]
    client._engine._reports = told
    for _ in range(3):
        client.get("other/one", version=7)
    for _ in range(2):
        client.get(NAME)
    told.tell()
    told.tell()
    [report] = sent
    entries = {(one["name"], one["version"]): one["count"] for one in report["prompts"]}
    assert entries == {("other/one", 7): 3, (NAME, 1): 2}
    assert report["client"]["name"] == "greenroom-python" and report["client"]["host"]
