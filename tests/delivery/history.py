"""Readers and one writer over real processes, and the question whether any order of the changes explains what was read."""

import http.client
import itertools
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection, transaction

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.rollback import roll_back
from prompts_app.delivery.listener import APPLICATION_NAME
from prompts_app.delivery.propagation import wait_until_seen
from prompts_app.models import Prompt
from tests.builders import Cast, Key, version

PATH = "/api/v1/environments/development/prompts/support/triage"


@dataclass(frozen=True)
class Change:
    """A change of what is live; `seen_at` is when its maker was told that all have seen it, infinite where not all had."""

    revision: int
    version: int
    seen_at: float


@dataclass(frozen=True)
class Reading:
    """One answer to one reader."""

    reader: int
    began: float
    revision: int
    version: int
    is_marked: bool


@dataclass
class Record:
    """All that happened."""

    changes: list[Change] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def contradictions(self) -> list[str]:
        """Whatever no order of the changes explains."""
        versions = {change.revision: change.version for change in self.changes}
        found = [f"{one}: never live" for one in self.readings if versions.get(one.revision) != one.version]
        newest: dict[int, int] = {}
        for one in self.readings:
            if one.revision < newest.get(one.reader, 0):
                found.append(f"{one}: went back from {newest[one.reader]}")
            newest[one.reader] = one.revision
        seen = sorted((change.seen_at, change.revision) for change in self.changes)
        for one in self.readings:
            least = max((revision for at, revision in seen if at < one.began), default=0)
            if one.revision < least and not one.is_marked:
                found.append(f"{one}: unmarked, and older than {least}")
        return found


class Readers:
    """Threads that fetch one prompt over and over, each over its own connection to one of the processes."""

    def __init__(
        self, ports: Sequence[int], key: Key, count: int, record: Record, *, longest_pause_s: float = 0.01
    ) -> None:
        self._done = threading.Event()
        self._longest_pause_s = longest_pause_s
        self._threads = [
            threading.Thread(target=self._read, args=(number, port, key, record), daemon=True)
            for number, port in zip(range(count), itertools.cycle(ports), strict=False)
        ]

    def __enter__(self) -> "Readers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(30)

    def _read(self, number: int, port: int, key: Key, record: Record) -> None:
        wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        while not self._done.is_set():
            began = time.monotonic()
            wire.request("GET", PATH, headers=key.headers)
            answer = wire.getresponse()
            body = answer.read()
            if answer.status != 200:
                record.failures.append(f"{answer.status} {body[:200]!r}")
                continue
            told = json.loads(body)
            is_marked = answer.headers["X-Registry-Stale"] is not None
            record.readings.append(Reading(number, began, told["revision"], told["version"], is_marked))
            time.sleep(random.uniform(0, self._longest_pause_s))


def change_again_and_again(cast: Cast, prompt: Prompt, times: int, record: Record, *, cut_every: int) -> None:
    """Promote and roll back; once in `cut_every` times, at random, cut a connection of those who listen.

    Version 1 must be live at revision 1.
    """
    environment = cast.environment("development")
    record.changes.append(Change(1, 1, time.monotonic()))
    for number in range(times):
        if cut_every and random.randrange(cut_every) == 0:
            cut_listeners()
        if number % 3 == 2:
            moved = roll_back(cast.rosa, prompt, environment, reason="again", quarantine=False)
        else:
            made = version(cast.ada, prompt, f"text {number}")
            moved = apply_promotion(cast.rosa, open_promotion(cast.ada, made, environment), stamp=None)
        deployment = moved.deployment
        assert deployment.version is not None
        is_seen = wait_until_seen(deployment)
        at = time.monotonic() if is_seen else float("inf")
        record.changes.append(Change(moved.revision, deployment.version.number, at))


def cut_listeners() -> None:
    """End one connection of somebody who listens, as a network would."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s ORDER BY random() LIMIT 1",
            [APPLICATION_NAME],
        )
