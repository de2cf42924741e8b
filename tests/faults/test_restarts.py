"""Servers and workers that are told to end while they are used: F35, a rolling restart. What was begun is finished."""

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from evals_app.models import Result
from tests.builders import Key, make_cast, prompt
from tests.faults import table
from tests.faults.ledger import Account
from tests.faults.stage import Stage, wait
from tests.faults.test_workers import begin, working_below
from tests.servers import Web, run_web

PLACE = "/api/v1/environments/development/prompts/support/triage"
RENDER = json.dumps({"variables": {"name": "Ada"}}).encode()
USERS, DRAIN_S = 6, 20
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
                wire = http.client.HTTPConnection("127.0.0.1", int(web.url.rpartition(":")[2]), timeout=20)
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


def end(web: Web) -> float:
    """Tell a server to end, as a supervisor would; how long it took."""
    began = time.monotonic()
    os.kill(web.process.pid, signal.SIGTERM)
    assert web.process.wait(DRAIN_S) == 0, "it was killed or fell"
    return time.monotonic() - began


def wait_for_answers(users: list[User]) -> None:
    """Until everybody got five more."""
    wanted = [user.answers + 5 for user in users]
    wait("they do not go on", lambda: all(user.answers >= n for user, n in zip(users, wanted, strict=True)))


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.faults)])
def test_web__restarted_one_after_the_other_under_load__fails_no_request(
    transactional_db: None, tmp_path: Path, times: int
) -> None:
    cast = make_cast(f"w{time.monotonic_ns()}")
    prompt(cast.ada)
    key, ci = cast.key("service", environment="development"), cast.key()
    ended = []
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(run_web(tmp_path, **UNLIMITED)) for _ in range(2)]
        users = [User(servers, key, ci, number) for number in range(USERS)]
        for user in users:
            user.start()
        for _ in range(times):
            wait_for_answers(users)
            old = servers[0]
            servers.append(stack.enter_context(run_web(tmp_path, **UNLIMITED)))
            ended.append(end(old))
            servers.remove(old)
        wait_for_answers(users)
        for user in users:
            user.done.set()
        for user in users:
            user.join(30)
    account = Account()
    account.lost += [failure for user in users for failure in user.failures[:3]]
    slowest = max(ended)
    answers = sum(user.answers for user in users)
    table.note(
        "F35 web restarted in turn",
        account,
        recovery=f"{answers:,} answers; ended within {slowest:.1f} s",
        schedules=times,
    )


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
    assert 0 <= stage.asked_in_vain() <= 8
    assert Result.objects.exists()
    stage.close("F35 worker told to end", recovery=f"ended within {took:.1f} s")
