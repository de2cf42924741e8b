"""What clients asked for and were told, line by line in a file; and what must be true of it afterwards.

**Lost**: acknowledged and not there, or without its end. **Double**: done twice. **Wrong**: another answer, verdict or content
than what was asked for explains.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx

from evals_app.models import Result, Run
from evals_app.models.run import OPEN_STATES
from prompts_app.models import Deployment, VersionCheck
from registry.core.models import AuditEvent
from tests.builders import Key
from tests.invariants.checker import violations

REQUEST_WITHIN_S, ANSWERED_WITHIN_S = 30, 60.0


@dataclass(frozen=True)
class Told:
    """How a request ended: `status` 0 where no answer came."""

    id: str
    status: int
    body: dict[str, Any]
    seconds: float
    etag: str = ""


@dataclass
class Ledger:
    """A file of requests and answers, written before and after each."""

    path: Path

    def write(self, **line: Any) -> None:
        """One line, on its way to the disk before anything else happens."""
        with self.path.open("a") as file:
            file.write(json.dumps({"at": time.time(), **line}) + "\n")

    def lines(self) -> Iterator[dict[str, Any]]:
        """All lines, in the order in which they were written."""
        if self.path.exists():
            yield from map(json.loads, self.path.read_text().splitlines())

    def acknowledged(self, what: str) -> dict[str, dict[str, Any]]:
        """By request id, what was answered with a 2xx; `what` is method and the beginning of the path."""
        asked = {line["id"] for line in self.lines() if line.get("asked", "").startswith(what)}
        answers = {line["id"]: line["body"] for line in self.lines() if 200 <= line.get("answered", 0) < 300}
        return {one: answers[one] for one in asked if one in answers}

    def applied(self) -> set[int]:
        """The promotions of which a client was told that they are live."""
        asked = {line["id"]: line["asked"].split("/") for line in self.lines() if "asked" in line}
        told = [line["id"] for line in self.lines() if line.get("answered") == 200]
        return {int(asked[one][1]) for one in told if asked[one][-1] == "apply"}


@dataclass
class Client:
    """A pipeline that speaks to the API and writes everything down; a POST repeated with the same id is the same request."""

    url: str
    key: Key
    ledger: Ledger

    def post(self, path: str, body: dict[str, Any] | None = None, *, id: str = "", seen: str = "") -> Told:
        """Send once; no answer within half a minute is none. `seen` is the entity tag that it rests on."""
        return self._send("POST", path, body or {}, id or uuid4().hex, seen)

    def insist(self, path: str, body: dict[str, Any], *, seen: str = "", within_s: float = ANSWERED_WITHIN_S) -> Told:
        """What a careful client does: the same request by the same id until an answer is no failure of the server."""
        told, ends = self.post(path, body, seen=seen), time.monotonic() + within_s
        while not 200 <= told.status < 500:
            assert time.monotonic() < ends, f"POST {path} was never answered: {told}"
            time.sleep(0.2)
            told = self.post(path, body, id=told.id, seen=seen)
        return told

    def get(self, path: str) -> Told:
        """Read once."""
        return self._send("GET", path, None, uuid4().hex, "")

    def _send(self, method: str, path: str, body: dict[str, Any] | None, one: str, seen: str) -> Told:
        self.ledger.write(id=one, asked=f"{method} {path}", sent=body)
        headers = {**self.key.headers, **({"Idempotency-Key": one} if method == "POST" else {})}
        headers |= {"If-Match": seen} if seen else {}
        began = time.monotonic()
        try:
            answer = httpx.request(
                method,
                f"{self.url}/api/v1/{path}",
                json=body,
                headers=headers,
                timeout=REQUEST_WITHIN_S,
                trust_env=False,
            )
            took, given = time.monotonic() - began, answer.json() if answer.content else {}
            told = Told(one, answer.status_code, given, took, answer.headers.get("ETag", ""))
        except (httpx.TransportError, ValueError):
            told = Told(one, 0, {}, time.monotonic() - began)
        self.ledger.write(id=one, answered=told.status, body=told.body, seconds=told.seconds)
        return told


@dataclass
class Account:
    """What a ledger and the tables say of each other, in words; all empty is what every fault must leave behind."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing lost, double or wrong."""
        return not (self.lost or self.double or self.wrong)

    def __add__(self, other: "Account") -> "Account":
        return Account(self.lost + other.lost, self.double + other.double, self.wrong + other.wrong)


def settle(ledger: Ledger, workspace_id: int) -> Account:
    """Every acknowledged run against the tables, and the workspace's invariants, its audit chain among them."""
    account = Account(wrong=violations(workspace_id))
    told = ledger.acknowledged("POST runs")
    runs = {body["id"] for body in told.values() if "id" in body}
    there = Run.objects.in_workspace(workspace_id).in_bulk()
    account.lost += [f"run {pk} was acknowledged and is not there" for pk in runs - set(there)]
    for run in there.values():
        _look_at(run, account)
    for told_of in ledger.applied():
        deployments = Deployment.objects.filter(promotion=told_of).count()
        account.lost += [f"promotion {told_of} was acknowledged and is not live"] if not deployments else []
        account.double += [f"promotion {told_of} was applied {deployments} times"] if deployments > 1 else []
    started = Counter(_started(workspace_id))
    account.double += [f"run {pk} was started {count} times" for pk, count in started.items() if count > 1]
    account.lost += [f"run {pk} has no audit row" for pk in set(there) - set(started)]
    return account


def _look_at(run: Run, account: Account) -> None:
    """One run: ended, every answer once, each the echo of its question, one last check at most."""
    if run.state in OPEN_STATES:
        account.lost.append(f"run {run.pk} is {run.state}: {run.summary}")
    cases = run.suite_version.case_count
    slots = Counter(Result.objects.filter(run=run).values_list("arm", "case_id", "repeat"))
    expected = cases * len(run.arms) * run.repeats
    if run.state == "finished" and len(slots) != expected:
        account.lost.append(f"run {run.pk} has {len(slots)} of {expected} answers")
    account.double += [f"run {run.pk} has {count} answers in {slot}" for slot, count in slots.items() if count > 1]
    done = sum(run.chunks.values_list("done", flat=True))
    if done != sum(slots.values()):
        account.double.append(f"run {run.pk} counted {done} answers, there are {sum(slots.values())}")
    ends = VersionCheck.objects.filter(run_id=run.pk).exclude(state="pending").count()
    if ends > 1:
        account.double.append(f"run {run.pk} posted its end {ends} times")
    if run.posts_check and run.state not in OPEN_STATES and ends == 0:
        account.lost.append(f"run {run.pk} is {run.state} and posted nothing")
    if run.state == "finished" and not run.verdict:
        account.wrong.append(f"run {run.pk} is finished without a verdict")
    answers = Result.objects.filter(run=run, error="").values_list("case__key", "case__content", "output")
    for key, content, output in answers:
        if json.loads(content)["variables"]["q"] != output:
            account.wrong.append(f"run {run.pk}, {key}: {output[:80]!r}")


def _started(workspace_id: int) -> list[int]:
    events = AuditEvent.objects.filter(workspace=workspace_id, event="run.started")
    return [int(subject) for subject in events.values_list("subject_id", flat=True)]
