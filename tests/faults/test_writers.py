"""Processes that die by kill -9 while versions are saved: F29. What was acknowledged is there, once, with its number and text."""

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.builders import Key
from tests.faults import table
from tests.faults.ledger import Account, Client, Ledger
from tests.faults.own_database import Database, Shop, own_database
from tests.faults.stage import wait
from tests.servers import run_web

WRITERS, KILLS, MOST_PAUSE_S = 4, 5, 1.5
UNLIMITED = {"API_REQUESTS_PER_MINUTE": "1000000"}


class Writers:
    """Pipelines that save one version after the other, each of its own prompt, and write down what they were told."""

    def __init__(self, client: Client, folder: str, *, size: int = 0) -> None:
        self.client, self.folder, self.size = client, folder, size
        self.told: dict[str, str] = {}
        self.failures: list[str] = []
        self._done = Event()
        self._threads = [Thread(target=self._run, args=(f"{folder}/{n}",), daemon=True) for n in range(WRITERS)]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Until the block ends; each finishes what it has begun."""
        for one in self._threads:
            one.start()
        try:
            yield
        finally:
            self._done.set()
            for one in self._threads:
                one.join(120)
        assert not any(one.is_alive() for one in self._threads)

    def wait_for(self, more: int) -> float:
        """Until so many more were acknowledged; seconds it took."""
        wanted = len(self.told) + more
        return wait("nothing is saved any more", lambda: len(self.told) >= wanted or self.failures)

    def settle(self, found: dict[str, str]) -> Account:
        """What was acknowledged against the texts that are there, by name and number."""
        account = Account(wrong=list(self.failures))
        account.lost += [key for key in self.told if key not in found]
        account.wrong += [key for key, text in self.told.items() if found.get(key, text) != text]
        theirs = {key: text for key, text in found.items() if key.startswith(f"{self.folder}/")}
        account.double += [text[:60] for text, count in Counter(theirs.values()).items() if count > 1]
        for name in {key.split()[0] for key in theirs}:
            numbers = sorted(int(key.split()[1]) for key in theirs if key.split()[0] == name)
            account.wrong += [f"{name}: {numbers}"] if numbers != list(range(1, len(numbers) + 1)) else []
        return account

    def _run(self, name: str) -> None:
        try:
            self.client.insist("prompts", {"name": name, "kind": "text"})
            number = 0
            while not self._done.is_set():
                number += 1
                text = f"{name} says {number} \té\r\n" + random.Random(number).randbytes(self.size // 2).hex()
                told = self.client.insist(f"prompts/{name}/versions", {"text": text}, within_s=120)
                if told.status == 201:
                    self.told[f"{name} {told.body['version']}"] = text
                else:
                    self.failures.append(f"{name} {number}: {told.status} {told.body}")
        except Exception as error:
            self.failures.append(repr(error))


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with own_database() as database:
        yield database


@pytest.fixture(scope="module")
def shop(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop.opened(database, tmp_path_factory.mktemp("shop"), **UNLIMITED) as shop:
        yield shop


def client_of(shop: Shop, folder: Path) -> Client:
    """A client that keeps a ledger."""
    return Client(shop.web.url, Key(shop.keys["ci"], 0), Ledger(folder / "ledger.jsonl"))


@pytest.mark.faults
def test_web__killed_again_and_again_while_versions_are_saved__has_all_it_acknowledged(
    database: Database, shop: Shop, tmp_path: Path
) -> None:
    dice, client, longest = random.Random(29), client_of(shop, tmp_path), 0.0
    writers = Writers(client, "web")
    with ExitStack() as parts, writers.at_work():
        for _ in range(KILLS):
            web = parts.enter_context(run_web(tmp_path, **database.environment, **UNLIMITED))
            client.url = web.url
            writers.wait_for(5)
            time.sleep(dice.uniform(0, MOST_PAUSE_S))
            began = time.monotonic()
            web.stop(signal.SIGKILL)
            client.url = shop.web.url
            writers.wait_for(1)
            longest = max(longest, time.monotonic() - began)
    account = writers.settle(database.texts())
    assert "shop: " in database.manage("verify_audit")
    told = f"next answer after {longest:.1f} s at most; {len(writers.told)} versions"
    table.note("F29 web killed while versions are saved", account, recovery=told, schedules=KILLS)


@pytest.mark.faults
def test_database__killed_again_and_again_while_versions_are_saved__has_all_it_acknowledged(
    database: Database, shop: Shop, tmp_path: Path
) -> None:
    dice, longest = random.Random(29), 0.0
    writers = Writers(client_of(shop, tmp_path), "database")
    with writers.at_work():
        for _ in range(KILLS):
            writers.wait_for(5)
            time.sleep(dice.uniform(0, MOST_PAUSE_S))
            began = time.monotonic()
            database.kill_all()
            database.start()
            writers.wait_for(1)
            longest = max(longest, time.monotonic() - began)
    account = writers.settle(database.texts())
    assert "shop: " in database.manage("verify_audit")
    told = f"next answer after {longest:.1f} s at most; {len(writers.told)} versions"
    table.note("F29 database killed while versions are saved", account, recovery=told, schedules=KILLS)
