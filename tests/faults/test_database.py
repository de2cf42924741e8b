"""The database restarted, frozen, away for a while, or its news unheard: F5, F6, F31 and F40. What was live goes on being served."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from greenroom import Client
from prompts_app.delivery.listener import APPLICATION_NAME
from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.own_database import Database, Shop, own_database
from tests.faults.stage import wait

AWAY_S = float(os.environ.get("DATABASE_AWAY_S", "60"))
RESTARTED_WITHIN_S = 60
NAMES = ("support/triage", "billing/refund")


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with own_database() as database:
        yield database


@pytest.fixture(scope="module")
def shop(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop.opened(database, tmp_path_factory.mktemp("shop")) as shop:
        for name in NAMES:
            shop.release(name, f"first of {name}")
        shop.release("never/fetched", "x")
        yield shop


@pytest.fixture
def client(shop: Shop, tmp_path: Path) -> Iterator[Client]:
    """A service that uses the client library."""
    key = shop.keys["service"]["development"]
    with Client(url=shop.web.url, key=key, environment="development", cache_dir=tmp_path) as client:
        yield client


def read_all(shop: Shop, client: Client, texts: dict[str, str], account: Account) -> bool:
    """Fetch every prompt both ways; whether the answers were marked."""
    marks = []
    for name, text in texts.items():
        answer = shop.fetch(name)
        if answer.status_code != 200:
            account.lost.append(f"{name}: {answer.status_code} {answer.text[:100]}")
        elif answer.json()["text"] != text:
            account.wrong.append(f"{name}: {answer.json()['text']}")
        marks.append("X-Registry-Stale" in answer.headers)
        if client.get(name).render() != text:
            account.wrong.append(f"{name}, client: {client.get(name).render()}")
    return all(marks)


def texts_of(shop: Shop) -> dict[str, str]:
    return {name: shop.fetch(name).json()["text"] for name in NAMES}


def test_database__away__what_was_live_is_served_and_all_converges_without_a_restart(
    database: Database, shop: Shop, client: Client
) -> None:
    texts, account = texts_of(shop), Account()
    for name in NAMES:
        client.get(name)
    pid = shop.web.process.pid
    database.stop("immediate")
    began, readings, are_marked = time.monotonic(), 0, []
    while time.monotonic() - began < AWAY_S:
        are_marked.append(read_all(shop, client, texts, account))
        readings += 1
        time.sleep(0.1)
    cold = shop.fetch("never/fetched")
    assert (cold.status_code, cold.json()["code"]) == (503, "database.unavailable") and "Retry-After" in cold.headers
    assert shop.ci.get("prompts").status_code == 503
    page = shop.person.get("/w/shop/")
    assert page.status_code == 503 and "Retry-After" in page.headers and "database.unavailable" in page.text
    assert are_marked[-1] and readings > 10
    database.start()
    back = wait("the registry did not come back", lambda: shop.ci.get("prompts").status_code == 200)
    wait("answers are marked for ever", lambda: "X-Registry-Stale" not in shop.fetch(NAMES[0]).headers)
    assert shop.fetch("never/fetched").status_code == 200
    told = shop.release(NAMES[0], "after its return")
    assert told["propagated"], "by now its listener is back"
    assert shop.fetch(NAMES[0]).json()["text"] == "after its return"
    wait("the client did not converge", lambda: client.get(NAMES[0]).render() == "after its return")
    assert shop.person.get("/w/shop/").status_code == 200
    assert b"request.failed" not in shop.web.log.read_bytes(), "what is no bug was logged as one"
    assert shop.web.process.pid == pid and shop.web.process.poll() is None
    table.note(f"F5, F40 database away for {AWAY_S:.0f} s", account, recovery=f"{back:.1f} s")


@pytest.mark.faults
@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_database__restarted_under_load__heals_without_a_trace(
    database: Database, shop: Shop, client: Client, how: str
) -> None:
    texts, account = texts_of(shop), Account()
    for _ in range(5):
        database.stop(how)
        read_all(shop, client, texts, account)
        broken = shop.ci.get("prompts")
        assert broken.status_code == 503 and "Retry-After" in broken.headers, broken.text
        database.start()
        back = wait("it did not heal", lambda: shop.ci.get("prompts").status_code == 200, within_s=RESTARTED_WITHIN_S)
        read_all(shop, client, texts, account)
    told = shop.release(NAMES[1], f"after {how}")
    answer = shop.fetch(NAMES[1])
    if told["propagated"] and "X-Registry-Stale" not in answer.headers:
        assert answer.json()["text"] == f"after {how}"
    wait("it did not converge", lambda: shop.fetch(NAMES[1]).json()["text"] == f"after {how}")
    table.note(f"F5 database restarted ({how})", account, recovery=f"{back:.1f} s", schedules=5)


@pytest.mark.faults
def test_database__frozen__requests_end_and_fetches_go_on(database: Database, shop: Shop, client: Client) -> None:
    texts, account = texts_of(shop), Account()
    database.signal_all(signal.SIGSTOP)
    try:
        slowest = 0.0
        for _ in range(20):
            began = time.monotonic()
            read_all(shop, client, texts, account)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.4)
        began = time.monotonic()
        assert shop.fetch("never/fetched/either", timeout=30).status_code == 503
        cold = time.monotonic() - began
    finally:
        database.signal_all(signal.SIGCONT)
    back = wait("it did not thaw", lambda: shop.ci.get("prompts").status_code == 200)
    assert "X-Registry-Stale" not in shop.fetch(NAMES[0]).headers or wait(
        "answers are marked for ever", lambda: "X-Registry-Stale" not in shop.fetch(NAMES[0]).headers
    )
    recovery = f"{back:.1f} s; slowest round of fetches {slowest:.2f} s, a cold one refused after {cold:.1f} s"
    table.note("F6 database frozen for 8 s", account, recovery=recovery)


def test_listener__that_hears_nothing__is_waited_for_in_vain_and_marks_its_answers(
    database: Database, shop: Shop, client: Client
) -> None:
    """F31: the change is made and says that not all have seen it; what is older says so within five seconds."""
    name, account = NAMES[1], Account()
    before = shop.fetch(name).json()["text"]
    deaf = listening_backends(database)
    assert deaf
    for pid in deaf:
        os.kill(pid, signal.SIGSTOP)
    try:
        told = shop.release(name, "while nobody heard")
        began = time.monotonic()
        assert not told["propagated"]
        marked_after = wait("it is never marked", lambda: "X-Registry-Stale" in shop.fetch(name).headers, within_s=30)
        if marked_after > 5:
            account.wrong.append(f"marked only after {marked_after:.1f} s")
        if shop.fetch(name).json()["text"] not in {before, "while nobody heard"}:
            account.wrong.append("an answer that was never live")
    finally:
        for pid in deaf:
            os.kill(pid, signal.SIGCONT)
    wait("it did not converge", lambda: shop.fetch(name).json()["text"] == "while nobody heard")
    wait("it is marked for ever", lambda: "X-Registry-Stale" not in shop.fetch(name).headers)
    back = time.monotonic() - began
    again = shop.release(name, "heard again")
    assert again["propagated"] and shop.fetch(name).json()["text"] == "heard again"
    recovery = f"marked after {marked_after:.1f} s, all well {back:.1f} s after the change"
    table.note("F31 a change that a process does not hear of", account, recovery=recovery)


def listening_backends(database: Database) -> list[int]:
    """The server's processes through which delivery processes hear of changes."""
    with psycopg.connect(database.environment["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query ILIKE 'LISTEN%%'",
            [APPLICATION_NAME],
        )
        return [row[0] for row in rows]
