"""What is known of all prompts, kept up to date in the background: the order of sources and its rules.

Memory while fresh; memory while stale, refreshed behind the caller's back; the network, once, for the first caller; a copy on
disk; the lock file; the caller's default; an error. `tests/sdk` holds each rule.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from greenroom.content import Content, content_of
from greenroom.disk import Disk
from greenroom.entries import Absent, Entry, Failed, Fetched, Key, Outcome, Unchanged, adopt, judge
from greenroom.errors import GreenroomError, NotLive, Unavailable
from greenroom.feed import Changed, End, Follower, Heard, News
from greenroom.lockfile import LockFile
from greenroom.prompt import Prompt, Source
from greenroom.reports import Reports
from greenroom.templates.values import JSON
from greenroom.wire import FRESH_S, Snapshot, Wire
from greenroom.workers import Workers

FETCHERS = 4
POLL_S = 30.0
MOST_ENTRIES = 10_000
# Beyond so many one question for everything is cheaper for both sides.
MOST_POLLED = 50
NOTHING = Entry()

log = logging.getLogger("greenroom")
_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


class Engine:
    """One environment as one process knows it. Safe between threads; a forked child starts its own."""

    def __init__(
        self,
        wire: Wire,
        *,
        disk: Disk | None,
        lock_file: LockFile | None,
        wait_s: float,
        poll_s: float,
        has_reports: bool = True,
    ) -> None:
        self._wire = wire
        self._disk = disk
        self._lock_file = lock_file
        self._wait_s = wait_s
        self._poll_s = poll_s
        self._has_reports = has_reports
        self._entries: dict[Key, Entry] = {}
        self._epoch = disk.epoch() if disk else None
        self._snapshot_etag = ""
        self._is_away = False
        self._is_closed = False
        self.counts: Counter[str] = Counter()
        self._renew()
        _engines.add(self)

    def get(self, key: Key, default: Content | None) -> Prompt:
        """What is known; waits for the network only the first time, and then no longer than `wait_s`."""
        entry = self._entries.get(key)
        if entry is not None:
            now = time.monotonic()
            if entry.fresh_until > now:
                # What is fresh has a content; the count may miss one where threads meet.
                counts, given = self._reports.served, entry.served
                counts[given] = counts.get(given, 0) + 1
                content, age_s = entry.content, now - entry.confirmed_at
                return Prompt(content, "memory", age_s, entry.registry_stale_s)  # type: ignore[arg-type]
        return self._get_slowly(key, default, entry)

    def peek(self, key: Key, default: Content | None) -> Prompt | None:
        """The same without ever waiting: None where `get` would."""
        entry = self._entries.get(key)
        if entry is None or not (entry.content or entry.is_absent or entry.has_looked):
            return None
        return self.get(key, default)

    def warm(self, keys: Iterable[Key]) -> None:
        """Fetch all of them at once and wait, all in all no longer than one would."""
        ends = time.monotonic() + self._wait_s
        flights = [self._want(key) for key in keys if key not in self._entries]
        for flight in flights:
            flight.wait(max(0.0, ends - time.monotonic()))

    def warm_all(self) -> None:
        """Everything that is live, in one request; raises what that ends with."""
        snapshot = self._wire.snapshot()
        assert snapshot is not None
        self._take(snapshot)

    def close(self) -> None:
        """Stop the threads and close connections; what is known stays readable and is not refreshed any more."""
        self._is_closed = True
        self._stop.set()
        self._workers.stop()
        self._wire.close()

    def seen_revision(self) -> int | None:
        """The highest revision seen in this epoch, 0 where nothing was live; None while nothing was asked for."""
        return max((max(one.revision, 0) for one in list(self._entries.values())), default=None)

    def ask_for_news(self, since: int, wait_s: int) -> News:
        """One question, which waits so long for something new; of another epoch everything is news."""
        news = self._wire.changes(since, wait_s)
        if isinstance(news, str) or news.epoch in (None, self._epoch):
            return news
        known = list(self._entries)
        if all(key.is_pin for key in known):
            self._renew_pins(known, news.epoch)
        return replace(news, names={key.name for key in known}) if isinstance(news, Changed) else news

    def listen(self, since: int, hear: Callable[[Heard], bool]) -> End:
        """The stream of what changes, until it ends or `hear` says no."""
        return self._wire.listen(since, hear)

    def _renew_pins(self, pins: Collection[Key], epoch: int | None) -> None:
        """Nothing live is known whose next answer would tell of an epoch: the feed alone does."""
        with self._lock:
            before = self._epoch
            is_over = self._meet_epoch(epoch) and before is not None
        for key in pins if is_over else ():
            self._want(key)

    def refresh(self, names: Collection[str]) -> None:
        """Fetch what is live of these, as far as anybody asked for them; an answer under way may be too old to tell."""
        for key in [key for key in list(self._entries) if key.name in names and not key.is_pin]:
            with self._lock:
                if key in self._flights:
                    self._again.add(key)
            self._want(key)

    def refresh_all(self, *, fresh_too: bool = False) -> None:
        """Ask again for everything that was not confirmed lately, or for all that is live."""
        now = time.monotonic()
        if fresh_too and len(self._entries) <= MOST_POLLED:
            self.refresh({key.name for key in list(self._entries)})
            return
        due = [key for key, entry in list(self._entries.items()) if now >= max(entry.next_try, entry.fresh_until)]
        if (fresh_too or len(due) > MOST_POLLED) and self._take_changes():
            due = [key for key in due if key.is_pin or now > self._entries.get(key, NOTHING).confirmed_at]
        for key in due:
            self._want(key)

    def _take_changes(self) -> bool:
        """One question for all instead of one for each; False where that gave nothing."""
        try:
            snapshot = self._wire.snapshot(self._snapshot_etag)
        except GreenroomError:
            return False
        if snapshot is not None:
            self._take(snapshot)
            return True
        for key, entry in list(self._entries.items()):
            if entry.content is not None and not key.is_pin:
                self._land(key, Unchanged(FRESH_S))
        return True

    def _take(self, snapshot: Snapshot) -> None:
        for name, body in snapshot.fields.object("prompts").values.items():
            content, raw = content_of(body, f"{name} in the snapshot"), _raw(body)
            self._land(Key(name), Fetched(content, raw, f'"{hashlib.sha256(raw).hexdigest()}"', FRESH_S))
        self._snapshot_etag = snapshot.etag

    def after_fork(self) -> None:
        """In the child: locks, threads and connections are new, what is known stays."""
        self._wire.renew()
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._flights: dict[Key, threading.Event] = {}
        self._again: set[Key] = set()
        self._workers = Workers(FETCHERS, "greenroom")
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None
        self._reports = Reports(self._wire.report)

    def _get_slowly(self, key: Key, default: Content | None, entry: Entry | None) -> Prompt:
        is_first = entry is None
        if entry is None:
            self._want(key).wait(self._wait_s)
            entry = self._known(key)
        elif time.monotonic() >= entry.next_try:
            self._want(key)
        if entry.content is None and not entry.is_absent and not entry.has_looked:
            entry = self._known(key)
        if entry.content is not None:
            source = _source(entry, is_first=is_first)
            self.counts[source] += 1
            counts, given = self._reports.served, entry.served
            counts[given] = counts.get(given, 0) + 1
            return Prompt(entry.content, source, time.monotonic() - entry.confirmed_at, entry.registry_stale_s)
        if entry.is_absent:
            raise NotLive(str(entry.error))
        if default is not None:
            self.counts["default"] += 1
            return Prompt(default, "default", 0.0)
        why = entry.error or f"no answer within {self._wait_s:g} s"
        raise Unavailable(f"Nobody can say what is live of {key.name}: {why}") from entry.error

    def _known(self, key: Key) -> Entry:
        """The entry after the first wait: where the network said nothing, a copy fills the gap."""
        entry = self._entries.get(key, NOTHING)
        if entry.content is not None or entry.is_absent:
            return entry
        copy = self._copy(key, entry)
        with self._lock:
            entry = self._entries.get(key, NOTHING)
            if copy is not None and entry.content is None and not entry.is_absent:
                entry = copy(entry)
                self._epoch = entry.content.epoch if self._epoch is None and entry.content else self._epoch
            entry = replace(entry, has_looked=True)
            self._keep(key, entry)
        return entry

    def _copy(self, key: Key, entry: Entry) -> Callable[[Entry], Entry] | None:
        """How to fill an entry from disk or file; never with what belongs to an epoch that is over."""
        saved = self._disk.load(key) if self._disk else None
        now = time.monotonic()
        if saved is not None and not self._is_over(saved.content):
            content, etag, since = saved.content, saved.etag, now - saved.age_s
            return lambda entry: adopt(entry, content, "disk", etag, since)
        packaged = self._lock_file.find(key) if self._lock_file else None
        if packaged is not None and not self._is_over(packaged):
            return lambda entry: adopt(entry, packaged, "file", "", now)
        return None

    def _is_over(self, content: Content) -> bool:
        return self._epoch is not None and content.epoch is not None and content.epoch < self._epoch

    def _want(self, key: Key) -> threading.Event:
        """Fetch in the background unless that is under way; the event says when it has landed."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight
            flight = threading.Event()
            if self._is_closed:
                flight.set()
                return flight
            self._flights[key] = flight
            self._start_keeper()
        try:
            self._workers.submit(lambda: self._fetch(key, flight))
        except RuntimeError:
            # The interpreter ends: no thread can start any more.
            self._settle(key, flight)
        return flight

    def _fetch(self, key: Key, flight: threading.Event) -> None:
        try:
            entry, epoch = self._entries.get(key, NOTHING), self._epoch
            outcome = self._wire.fetch(key, entry.etag if entry.content else "")
            if self._is_outdated(key, outcome, entry, epoch):
                outcome = self._wire.fetch(key, "")
            self._land(key, outcome)
        finally:
            self._settle(key, flight)

    def _is_outdated(self, key: Key, outcome: Outcome, asked: Entry, epoch: int | None) -> bool:
        """Whether an answer is about what was dropped while it was under way: a pin of before a restore, a 304 for nothing."""
        if isinstance(outcome, Unchanged):
            return self._entries.get(key, NOTHING).content is not asked.content
        return key.is_pin and epoch is not None and epoch != self._epoch

    def _settle(self, key: Key, flight: threading.Event) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            is_to_repeat = key in self._again
            self._again.discard(key)
        flight.set()
        if is_to_repeat:
            self._want(key)

    def _land(self, key: Key, outcome: Outcome) -> None:
        """An answer becomes what is known, in memory first, then on disk."""
        with self._lock:
            if isinstance(outcome, Fetched):
                self._meet_epoch(outcome.content.epoch)
                if self._is_over(outcome.content):
                    outcome = Failed(Unavailable("The answer is of the time before a restore."))
            before = self._entries.get(key, NOTHING)
            after = judge(before, outcome, time.monotonic(), back_off=_full_jitter)
            if after is not NOTHING:
                self._keep(key, after)
        self._count(outcome, before, after)
        self._store(key, outcome, after)
        self._note_reach(outcome)
        if isinstance(outcome, Failed) and not outcome.is_away and after.failures == 1:
            log.warning("greenroom: %s: %s What is known of it is served meanwhile.", key.name, outcome.error)

    def _meet_epoch(self, epoch: int | None) -> bool:
        """A higher epoch is a restore: numbers and revisions of before may stand for other content, so all of it goes."""
        if epoch is None or (self._epoch is not None and epoch <= self._epoch):
            return False
        if self._epoch is not None:
            log.warning("greenroom: the registry was restored (epoch %s); everything is fetched anew", epoch)
            self.counts["epochs"] += 1
            self._entries.clear()
        self._epoch = epoch
        if self._disk:
            self._disk.begin_epoch(epoch)
        return True

    def _keep(self, key: Key, entry: Entry) -> None:
        if key not in self._entries and len(self._entries) >= MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry

    def _count(self, outcome: Outcome, before: Entry, after: Entry) -> None:
        kind = type(outcome).__name__.lower()
        if isinstance(outcome, Fetched | Unchanged) and outcome.registry_stale_s:
            self.counts["marked"] += 1
        self.counts["went_back" if isinstance(outcome, Fetched) and after.content is before.content else kind] += 1

    def _store(self, key: Key, outcome: Outcome, after: Entry) -> None:
        if self._disk is None:
            return
        match outcome:
            case Fetched(content=content, raw=raw, etag=etag) if after.content is content:
                self._disk.save(key, content, raw, etag)
            case Unchanged():
                self._disk.confirm(key)
            case Absent():
                self._disk.drop(key)

    def _note_reach(self, outcome: Outcome) -> None:
        """Said once each time; coming back asks for everything again, whatever it was waiting for."""
        failed = outcome if isinstance(outcome, Failed) else None
        is_away = failed.is_away if failed else False
        if is_away == self._is_away or (failed and not failed.is_away):
            return
        self._is_away = is_away
        if failed:
            log.warning("greenroom: %s What was live is served meanwhile.", failed.error)
            return
        log.warning("greenroom: %s answers again", self._wire.settings.url)
        with self._lock:
            for key, entry in self._entries.items():
                self._entries[key] = replace(entry, next_try=0.0)
        self.refresh_all()

    def _start_keeper(self) -> None:
        if self._keeper is None:
            follower = Follower(self, self._stop, self._poll_s)
            self._keeper = threading.Thread(target=follower.run, name="greenroom-keeper", daemon=True)
            self._keeper.start()
            if self._has_reports:
                told = (self._stop,)
                threading.Thread(target=self._reports.run, args=told, name="greenroom-reports", daemon=True).start()


def _source(entry: Entry, *, is_first: bool) -> Source:
    if entry.origin != "network":
        return entry.origin
    return "network" if is_first else "stale"


def _raw(body: JSON) -> bytes:
    """The bytes that the server would send for one prompt of a snapshot."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _full_jitter(longest: float) -> float:
    return random.uniform(0.05 * longest, longest)  # noqa: S311 - spreads callers, no secret


def _renew_after_fork() -> None:
    for engine in list(_engines):
        engine.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)
