"""Servers and workers that are told to end while they are used: F35, a rolling restart. What was begun is finished."""

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from evals_app.models import Result
from prompts_app.models import PromptVersion
from tests.builders import Key, make_cast, prompt
from tests.faults import table
from tests.faults.ledger import Account, Client, Ledger, Told
from tests.faults.stage import Stage, wait
from tests.faults.test_workers import MOST_IN_VAIN, begin, working_below
from tests.invariants.checker import violations
from tests.servers import Web, run_delivery, run_web

PLACE = "/api/v1/environments/development/prompts/support/triage"
RENDER = json.dumps({"variables": {"name": "Ada"}}).encode()
STREAM = "/api/v1/environments/development/stream"
USERS, DRAIN_S, UNDER_WAY_S = 6, 20, 4.0
UNLIMITED = {"API_REQUESTS_PER_MINUTE": "1000000", "DELIVERY_REQUESTS_PER_MINUTE": "1000000"}


class User(threading.Thread):
    """Somebody behind a balancer: a refused connection goes to another server, and so does what a kept connection that had
    been closed meanwhile took along. Anything else that is no answer is a failure."""

    def __init__(self, servers: list[Web], key: Key, ci: Key, number: int) -> None:
        super().__init__(daemon=True)
        self.servers, self.key, self.ci, self.number = servers, key, ci, number
        self.done = threading.Event()
        self.answers = 0
        self.failures: list[str] = []

    def run(self) -> None:
        wire: http.client.HTTPConnection | None = None
        while not self.done.is_set():
            is_kept = wire is not None
            try:
                wire = wire or self._connect()
                self._ask(wire)
                self.answers += 1
            except (http.client.HTTPException, OSError) as error:
                if not is_kept or not isinstance(error, ConnectionError | http.client.RemoteDisconnected):
                    self.failures.append(repr(error))
                wire = None
            time.sleep(0.01)

    def _connect(self) -> http.client.HTTPConnection:
        for _ in range(200):
            for web in list(self.servers):
                wire = _wire(web)
                try:
                    wire.connect()
                    return wire
                except ConnectionRefusedError:
                    continue
            time.sleep(0.05)
        raise TimeoutError("nobody takes connections")

    def _ask(self, wire: http.client.HTTPConnection) -> None:
        match self.number % 3:
            case 0:
                wire.request("GET", PLACE, headers=self.key.headers)
            case 1:
                told = {**self.key.headers, "Content-Type": "application/json"}
                wire.request("POST", f"{PLACE}/render", RENDER, told)
            case _:
                wire.request("GET", "/api/v1/prompts", headers=self.ci.headers)
        answer = wire.getresponse()
        body = answer.read()
        if answer.status != 200:
            self.failures.append(f"{answer.status} {body[:200]!r}")


class Writer(threading.Thread):
    """A pipeline that saves one version after the other; where no answer comes it sends the same request to another server."""

    def __init__(self, servers: list[Web], client: Client) -> None:
        super().__init__(daemon=True)
        self.servers, self.client = servers, client
        self.done = threading.Event()
        self.told: dict[str, Told] = {}

    def run(self) -> None:
        number = 0
        while not self.done.is_set():
            number += 1
            body, one = {"text": f"Hello {{{{ name }}}}, {number}"}, f"version-{number}"
            for _ in range(20):
                self.client.url = self.servers[-1].url
                told = self.client.post("prompts/support/triage/versions", body, id=one)
                if told.status:
                    break
            self.told[one] = told
            time.sleep(0.05)

    def settle(self, account: Account) -> None:
        """What was acknowledged against what is there."""
        numbers = [told.body.get("version") for told in self.told.values()]
        account.lost += [f"{one}: {told.status} {told.body}" for one, told in self.told.items() if told.status != 201]
        there = Counter(PromptVersion.objects.filter(prompt__name="support/triage").values_list("digest", flat=True))
        account.double += [f"{digest} is there {count} times" for digest, count in there.items() if count > 1]
        if sorted(numbers) != list(range(2, len(there) + 1)):
            account.wrong.append(f"numbers told: {numbers}; {len(there)} versions are there")


class Slow:
    """A render whose body takes its time, and a stream, both open on a server that is told to end."""

    def __init__(self, web: Web, key: Key) -> None:
        self.wire, self.listening = (_wire(web) for _ in range(2))
        self.wire.putrequest("POST", f"{PLACE}/render")
        told = {**key.headers, "Content-Type": "application/json", "Content-Length": str(len(RENDER))}
        for name, value in told.items():
            self.wire.putheader(name, value)
        self.wire.endheaders(RENDER[:5])
        self.listening.request("GET", STREAM, headers=key.headers)
        self.stream = self.listening.getresponse()
        assert self.stream.readline() == b"retry: 2000\n"

    def ends(self) -> str:
        """The stream is closed in order; the body's rest comes after longer than is left to what hangs. A failure, or nothing."""
        try:
            self.stream.read()
            time.sleep(UNDER_WAY_S)
            self.wire.send(RENDER[5:])
            answer = self.wire.getresponse()
            return "" if answer.status == 200 and answer.read() else f"slow: {answer.status}"
        except (http.client.HTTPException, OSError) as error:
            return f"slow: {error!r}"
        finally:
            self.wire.close()
            self.listening.close()


def end(web: Web, key: Key) -> tuple[float, str]:
    """Tell a server to end, as a supervisor would, with a slow request under way; how long it took, and what failed."""
    slow = Slow(web, key)
    began = time.monotonic()
    os.kill(web.process.pid, signal.SIGTERM)
    failure = slow.ends()
    assert web.process.wait(DRAIN_S) == 0, "it was killed or fell"
    return time.monotonic() - began, failure


def wait_for_answers(users: list[User]) -> None:
    """Until everybody got five more."""
    wanted = [user.answers + 5 for user in users]
    wait("they do not go on", lambda: all(user.answers >= n for user, n in zip(users, wanted, strict=True)))


@pytest.mark.parametrize("times", [1, pytest.param(4, marks=pytest.mark.faults)])
def test_web__restarted_one_after_the_other_under_load__fails_no_request(
    transactional_db: None, tmp_path: Path, times: int
) -> None:
    """Four are two rolling restarts of two processes."""
    cast = make_cast(f"w{time.monotonic_ns()}")
    prompt(cast.ada)
    key, ci = cast.key("service", environment="development"), cast.key()
    ended, failures = [], []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(run_web(tmp_path, drain_s=DRAIN_S, **UNLIMITED)) for _ in range(2)]
        users = [User(servers, key, ci, number) for number in range(USERS)]
        writer = Writer(servers, Client(servers[-1].url, ci, Ledger(tmp_path / "ledger.jsonl")))
        for thread in (*users, writer):
            thread.start()
        for _ in range(times):
            wait_for_answers(users)
            old = servers[0]
            servers.append(stack.enter_context(run_web(tmp_path, drain_s=DRAIN_S, **UNLIMITED)))
            took, failure = end(old, key)
            ended.append(took)
            failures += [failure] if failure else []
            servers.remove(old)
        wait_for_answers(users)
        for thread in (*users, writer):
            thread.done.set()
        for thread in (*users, writer):
            thread.join(30)
    account = Account(lost=failures, wrong=violations(cast.workspace.pk))
    account.lost += [failure for user in users for failure in user.failures[:3]]
    writer.settle(account)
    answers = sum(user.answers for user in users)
    longest = max(ended) - UNDER_WAY_S
    table.note(
        "F35 web restarted in turn",
        account,
        recovery=f"{answers:,} answers, {len(writer.told):,} versions; ended {longest:.1f} s after the last request",
        schedules=times,
    )


@pytest.mark.faults
def test_delivery__restarted_one_after_the_other_under_load__fails_no_request(
    transactional_db: None, tmp_path: Path
) -> None:
    """Two rolling restarts of two processes that serve only what services read."""
    cast = make_cast(f"d{time.monotonic_ns()}")
    prompt(cast.ada)
    key = cast.key("service", environment="development")
    ended, failures = [], []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(run_delivery(tmp_path, drain_s=DRAIN_S, **UNLIMITED)) for _ in range(2)]
        users = [User(servers, key, key, number % 2) for number in range(USERS)]
        for user in users:
            user.start()
        for _ in range(4):
            wait_for_answers(users)
            old = servers[0]
            servers.append(stack.enter_context(run_delivery(tmp_path, drain_s=DRAIN_S, **UNLIMITED)))
            took, failure = end(old, key)
            ended.append(took)
            failures += [failure] if failure else []
            servers.remove(old)
        wait_for_answers(users)
        for user in users:
            user.done.set()
        for user in users:
            user.join(30)
    account = Account(lost=failures, wrong=violations(cast.workspace.pk))
    account.lost += [failure for user in users for failure in user.failures[:3]]
    answers, longest = sum(user.answers for user in users), max(ended) - UNDER_WAY_S
    recovery = f"{answers:,} answers; ended {longest:.1f} s after the last request"
    table.note("F35 delivery restarted in turn", account, recovery=recovery, schedules=4)


def _wire(web: Web) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(web.url.rpartition(":")[2]), timeout=20)


@pytest.mark.faults
def test_worker__told_to_end_in_the_middle_of_a_run__hands_over_and_the_run_ends(stage: Stage) -> None:
    with stage.worker(), stage.worker(with_beat=False, concurrency=1) as leaving:
        begin(stage)
        working_below(leaving)
        began = time.monotonic()
        os.kill(leaving.process.pid, signal.SIGTERM)
        wait("it does not end", lambda: leaving.process.poll() is not None)
        took = time.monotonic() - began
        stage.all_ended()
    assert 0 <= stage.asked_in_vain() <= MOST_IN_VAIN
    assert Result.objects.exists()
    stage.close("F35 worker told to end", recovery=f"ended within {took:.1f} s")
