"""The client library against the real server: promotions, rollbacks, kills, restarts and cut connections, with a ledger."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from greenroom import Client, NotLive, Unavailable
from greenroom.cli.main import main
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.models import Prompt, PromptVersion
from tests import builders
from tests.builders import Cast, make_cast
from tests.scenes import go_live
from tests.sdk.proxy import Proxy
from tests.sdk.registry_stub import NAME, until
from tests.servers import Web, run_web

READERS = 4


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


@dataclass
class Ledger:
    """Every answer of one client, in order: revision, version and digest; and what went wrong."""

    answers: list[tuple[int, int, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def read(self, client: Client, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                found = client.get(NAME)
                self.answers.append((found.revision or 0, found.version, found.digest))
            except Exception as error:
                self.troubles.append(repr(error))
            time.sleep(0.002)

    def hold(self, truth: dict[int, tuple[int, str]]) -> None:
        """Nothing failed, nothing was wrong, and nothing ever went back."""
        assert self.troubles == []
        revisions = [revision for revision, _, _ in self.answers]
        assert revisions == sorted(revisions) and len(revisions) > 20
        wrong = [one for one in self.answers if truth[one[0]] != one[1:]]
        assert wrong == []


class Story:
    """A prompt with versions, one of them live, and what was live at which revision."""

    def __init__(self) -> None:
        self.cast: Cast = make_cast(is_open=True)
        self.prompt: Prompt = builders.prompt(self.cast.ada, text="Hello {{ name }}.\n")
        self.truth: dict[int, tuple[int, str]] = {}
        self.promote(self.prompt.versions.select_related("prompt").get())

    def promote(self, version: PromptVersion | None = None, text: str = "") -> PromptVersion:
        version = version or builders.version(
            self.cast.ada, self.prompt, text or f"Hello {{{{ name }}}}, {time.time_ns()}"
        )
        self.truth[go_live(self.cast, version).revision] = (version.number, version.digest)
        return version

    def go_back(self) -> None:
        place = self.cast.environment("production")
        moved = roll_back(self.cast.rosa, self.prompt, place, reason="worse", quarantine=False)
        version = moved.deployment.version
        assert version is not None
        self.truth[moved.deployment.revision] = (version.number, version.digest)

    @property
    def now(self) -> int:
        return self.truth[max(self.truth)][0]


def test_client__through_promotions_kills_and_cuts__is_never_wrong_and_never_fails(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # The server says ten seconds: nothing here waits for that.
    monkeypatch.setattr("greenroom.wire.LONGEST_FRESH_S", 0.05)
    monkeypatch.setattr("greenroom.entries.LONGEST_BACK_OFF_S", 0.3)
    story = Story()
    key = story.cast.key("service", environment="production")
    with Proxy(urlsplit(web.url).port or 0) as proxy:
        monkeypatch.setenv("GREENROOM_URL", proxy.url)
        monkeypatch.setenv("GREENROOM_KEY", key.token)

        def client(**options: object) -> Client:
            chosen = {"environment": "production", "cache_dir": tmp_path / "copies", "poll_s": 0.5, **options}
            return Client(**chosen)  # type: ignore[arg-type]

        _agrees_with_the_server(web, client, key.headers)
        assert main(["pull", "--environment", "production"]) == 0
        (tmp_path / "lock.json").write_bytes(capsysbinary.readouterr().out)
        first = client()
        _cuts(story, proxy, [first, *(client() for _ in range(READERS - 1))])
        _kill(story, web, proxy, client, first, tmp_path)


def _agrees_with_the_server(web: Web, client: Callable[..., Client], headers: dict[str, str]) -> None:
    """The same bytes as the render endpoint, a 304 for what did not change, and pins of the same content."""
    with client(cache_dir=None) as reader:
        found = reader.get(NAME)
        answer = httpx.post(
            f"{web.url}/api/v1/environments/production/prompts/{NAME}/render",
            json={"variables": {"name": "Ada"}}, headers=headers, timeout=30, trust_env=False,
        )  # fmt: skip
        assert (found.source, found.render(name="Ada")) == ("network", answer.json()["text"])
        until(lambda: reader.get(NAME) and reader.counts()["unchanged"] >= 1)
        assert reader.get(NAME, version=1).digest == reader.get(NAME, digest=found.digest).digest == found.digest
        with pytest.raises(NotLive):
            reader.get("not/there")
        reader.warm()


def _cuts(story: Story, proxy: Proxy, clients: list[Client]) -> None:
    """Connections are cut at random while versions go live and back: every answer fits, every client arrives.

    Each has had its first answer before: a client that never had one knows nothing that it could serve.
    """
    stop, ledgers = threading.Event(), [Ledger() for _ in clients]
    readers = [
        threading.Thread(target=ledger.read, args=(client, stop))
        for client, ledger in zip(clients, ledgers, strict=True)
    ]
    for one in readers:
        one.start()
    until(lambda: all(ledger.answers for ledger in ledgers))
    chance = random.Random(7)
    for number in range(8):
        proxy.go_down(chance.choice(["refuse", "hang"])) if number % 2 else proxy.cut()
        story.go_back() if number in {3, 6} else story.promote()
        time.sleep(0.1)
        proxy.come_back()
    until(lambda: all(client.get(NAME).version == story.now for client in clients))
    stop.set()
    for one in readers:
        one.join()
    for ledger in ledgers:
        ledger.hold(story.truth)
    assert sum(client.counts()["failed"] for client in clients) > 0
    for client in clients[1:]:
        client.close()


def _kill(story: Story, web: Web, proxy: Proxy, client: Callable[..., Client], warm: Client, folder: Path) -> None:
    """With the server killed, who was warm goes on, who starts has the copy or the lock file; after that all arrive."""
    web.stop(signal.SIGKILL)
    proxy.cut()
    served = {(warm.get(NAME).version, warm.get(NAME).source) for _ in range(500)}
    assert {version for version, _ in served} == {story.now}
    cold, packaged = client(), client(cache_dir=None, lock_file=folder / "lock.json")
    assert (cold.get(NAME).version, cold.get(NAME).source) == (story.now, "disk")
    assert (packaged.get(NAME).version, packaged.get(NAME).source) == (1, "file")
    with client(cache_dir=None) as lost, pytest.raises(Unavailable):
        lost.get(NAME)
    story.promote()
    with run_web(folder) as replacement:
        proxy.come_back(urlsplit(replacement.url).port or 0)
        for one in (warm, cold, packaged):
            until(lambda one=one: one.get(NAME).version == story.now)
        withdraw(story.cast.rosa, story.prompt, story.cast.environment("production"), reason="over")
        until(lambda: _is_gone(warm))
        for one in (warm, cold, packaged):
            one.close()


def _is_gone(client: Client) -> bool:
    try:
        client.get(NAME, default="no answer to that")
    except NotLive:
        return True
    return False


def test_client__that_follows_the_feed__has_each_promotion_rollback_and_withdrawal_without_asking(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # Nothing else could bring a change: answers are fresh, and polls are due, long after the test.
    monkeypatch.setattr("greenroom.wire._max_age", lambda key, headers: 3600.0)
    story = Story()
    key = story.cast.key("service", environment="production")
    with Client(environment="production", url=web.url, key=key.token, cache_dir=None, poll_s=3600.0) as client:
        client.get(NAME)
        times = []
        for number in range(12):
            story.go_back() if number == 5 else story.promote()
            started = time.monotonic()
            until(lambda: client.get(NAME).version == story.now)
            times.append(time.monotonic() - started)
            assert client.get(NAME).source == "memory"
        print(f"after a commit: median {sorted(times)[6] * 1000:.0f} ms, longest {max(times) * 1000:.0f} ms")
        withdraw(story.cast.rosa, story.prompt, story.cast.environment("production"), reason="over")
        until(lambda: _is_gone(client))
