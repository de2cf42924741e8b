"""Numbers for whoever operates the registry, in the text form of Prometheus; apps add theirs by registering a collector."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from django.db import connection

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

type Labels = Mapping[str, str]
type Sample = tuple[str, Labels, float]


@dataclass(frozen=True)
class Family:
    """One metric: its samples are `(suffix of the name, labels, value)`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> "Family":
        """One more sample."""
        self.samples.append(("", labels, value))
        return self


type Collector = Callable[[], Iterable[Family]]

_collectors: list[Collector] = []


def register(collector: Collector) -> None:
    """Ask `collector` for its families at every scrape; it may read the database, briefly."""
    if collector not in _collectors:
        _collectors.append(collector)


def collected() -> list[Family]:
    """What all collectors say now. A few queries; call it off the loop."""
    return [family for collector in _collectors for family in collector()]


def to_text(families: Iterable[Family]) -> str:
    """The text form, a family after the other."""
    lines = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [f"{family.name}{suffix}{_labels(labels)} {value}" for suffix, labels, value in family.samples]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    escaped = {
        name: text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, text in labels.items()
    }
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped.items()) + "}" if labels else ""


class Requests:
    """Requests to pages and the control API that this process has answered, and how long they took."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answered: Counter[tuple[str, str, str]] = Counter()
        self._within: Counter[tuple[str, float]] = Counter()
        self._seconds: dict[str, float] = {}
        self._count: Counter[str] = Counter()

    def note(self, surface: str, method: str, status: int, seconds: float) -> None:
        """Count one."""
        with self._lock:
            self._answered[surface, method, f"{status // 100}xx"] += 1
            self._count[surface] += 1
            self._seconds[surface] = self._seconds.get(surface, 0.0) + seconds
            for bound in BUCKETS:
                if seconds <= bound:
                    self._within[surface, bound] += 1

    def families(self) -> list[Family]:
        """As they are now; each process tells only of itself, so `process` is a label."""
        me = str(os.getpid())
        answered = Family("greenroom_http_requests_total", "counter", "Requests answered by Django.")
        took = Family("greenroom_http_request_seconds", "histogram", "Time to the answer's head.")
        with self._lock:
            for (surface, method, status), count in sorted(self._answered.items()):
                answered.add(count, process=me, surface=surface, method=method, status=status)
            for surface, count in sorted(self._count.items()):
                labels = {"process": me, "surface": surface}
                for bound in BUCKETS:
                    took.samples.append(("_bucket", {**labels, "le": f"{bound:g}"}, self._within[surface, bound]))
                took.samples.append(("_bucket", {**labels, "le": "+Inf"}, count))
                took.samples.extend([("_sum", labels, self._seconds[surface]), ("_count", labels, count)])
        return [answered, took]


requests = Requests()


def pool_families() -> list[Family]:
    """This process's connections to the database, and how many requests wait for one."""
    me = str(os.getpid())
    held = Family("greenroom_database_pool_connections", "gauge", "Connections of the process's pool.")
    waiting = Family("greenroom_database_pool_waiting", "gauge", "Threads that wait for a connection.")
    pool = getattr(connection, "pool", None)
    stats: Mapping[str, int] = pool.get_stats() if pool is not None else {}
    held.add(stats.get("pool_size", 0), process=me, state="all")
    held.add(stats.get("pool_available", 0), process=me, state="free")
    return [held, waiting.add(stats.get("requests_waiting", 0), process=me)]
