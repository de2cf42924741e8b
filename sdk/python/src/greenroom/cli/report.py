"""A run as the server tells of it, and its answers added up by case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk, after_of
from greenroom.cli.words import cut
from greenroom.errors import StrangeAnswer
from greenroom.fields import Fields

OPEN_STATES = frozenset({"queued", "running"})
PAGE = "200"
EXCERPT = 2000
MOST_EXCERPTS = 3


@dataclass(frozen=True)
class Metric:
    """What a run says of one metric."""

    name: str
    mode: str
    verdict: str
    sentence: str
    mean_new: float | None
    mean_base: float | None
    delta: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def read(cls, fields: Fields) -> Metric:
        """A metric of an answer."""
        return cls(
            name=fields.text("name"),
            mode=fields.text("mode"),
            verdict=fields.text("verdict"),
            sentence=fields.text("sentence"),
            mean_new=fields.number_or_none("mean_new"),
            mean_base=fields.number_or_none("mean_base"),
            delta=fields.number_or_none("delta"),
            lower=fields.number_or_none("lower"),
            upper=fields.number_or_none("upper"),
        )


@dataclass(frozen=True)
class Slice:
    """The cases of one tag that got worse by more than is allowed."""

    metric: str
    tag: str
    sentence: str


@dataclass(frozen=True)
class Run:
    """A run; `verdict` is empty while it is open, and where it only reports."""

    pk: int
    state: str
    verdict: str
    done: int
    total: int
    errors: int
    prompt: str
    version: int
    baseline: int | None
    suite: str
    suite_version: int
    summary: str
    url: str
    cost: float | None
    check: str
    started_at: str | None
    finished_at: str | None
    metrics: tuple[Metric, ...]
    slices: tuple[Slice, ...]
    warnings: tuple[str, ...]
    source: Fields = field(repr=False, compare=False)

    @classmethod
    def read(cls, fields: Fields) -> Run:
        """A run of an answer; raises StrangeAnswer."""
        progress, check = fields.object("progress"), fields.object_or_none("check")
        return cls(
            pk=fields.integer("id"),
            state=fields.text("state"),
            verdict=fields.text_or_none("verdict") or "",
            done=progress.integer("done"),
            total=progress.integer("total"),
            errors=progress.integer("errors"),
            prompt=fields.text("prompt"),
            version=fields.integer("version"),
            baseline=fields.integer_or_none("baseline"),
            suite=fields.text("suite"),
            suite_version=fields.integer("suite_version"),
            summary=fields.text("summary"),
            url=fields.text("url"),
            cost=fields.number_or_none("cost"),
            check=f"{check.text('name')}: {check.text('state')}" if check else "",
            started_at=fields.text_or_none("started_at"),
            finished_at=fields.text_or_none("finished_at"),
            metrics=tuple(Metric.read(one) for one in fields.objects("metrics")),
            slices=tuple(_failed_slices(fields)),
            warnings=tuple(fields.texts("warnings")),
            source=fields,
        )

    @property
    def is_open(self) -> bool:
        """Whether it may still change by itself."""
        return self.state in OPEN_STATES

    @property
    def title(self) -> str:
        """What it asks of what."""
        against = "nothing to compare with" if self.baseline is None else f"against v{self.baseline}"
        return f"{self.suite} v{self.suite_version} on {self.prompt} v{self.version}, {against}"

    @property
    def outcome(self) -> str:
        """In a word: the verdict, or why there is none."""
        if self.state == "finished":
            return self.verdict or "reported, not judged"
        return self.state

    @property
    def exit_code(self) -> ExitCode:
        """By the verdict; a run that only reports and ended is no failure, one that did not end well is an error."""
        if self.state != "finished":
            return ExitCode.ERROR
        by_verdict = {
            "": ExitCode.PASSED,
            "passed": ExitCode.PASSED,
            "failed": ExitCode.FAILED,
            "inconclusive": ExitCode.INCONCLUSIVE,
        }
        return by_verdict.get(self.verdict, ExitCode.ERROR)


def _failed_slices(run: Fields) -> Iterator[Slice]:
    """A server that knows no slices tells of none."""
    for one in run.objects("slices") if "slices" in run.values else ():
        if one.text("verdict") == "failed":
            yield Slice(one.text("metric"), one.text("tag"), one.text("sentence"))


@dataclass
class ArmCount:
    """How one version answered a case over its repeats."""

    passed: int = 0
    failed: int = 0
    errors: int = 0

    @property
    def answers(self) -> int:
        """All of them, errors too."""
        return self.passed + self.failed + self.errors

    def count(self, status: str) -> None:
        """One more; raises StrangeAnswer for a status of no kind."""
        if status not in {"passed", "failed", "error"}:
            raise StrangeAnswer(f"An answer has the unknown status {status!r}.")
        self.passed += status == "passed"
        self.failed += status == "failed"
        self.errors += status == "error"


@dataclass
class CaseCount:
    """A case over the repeats of both versions; `reasons` and `excerpts` are of the candidate's bad answers."""

    key: str
    candidate: ArmCount = field(default_factory=ArmCount)
    baseline: ArmCount = field(default_factory=ArmCount)
    latency_ms: int = 0
    reasons: list[str] = field(default_factory=list)
    excerpts: list[str] = field(default_factory=list)

    def add(self, result: Fields) -> None:
        """One answer more."""
        if result.text("arm") == "baseline":
            self.baseline.count(result.text("status"))
            return
        status = result.text("status")
        self.candidate.count(status)
        self.latency_ms += result.integer_or_none("latency_ms") or 0
        if status != "passed" and len(self.excerpts) < MOST_EXCERPTS:
            self._note(result, status)

    def _note(self, result: Fields, status: str) -> None:
        reasons = [result.text("error")] if status == "error" else list(_failing(result))
        self.reasons += [reason for reason in reasons if reason not in self.reasons]
        said = "what came instead" if status == "error" else "the answer"
        lines = [f"repeat {result.integer('repeat')}: {'; '.join(reasons)}", f"{said}:"]
        self.excerpts.append("\n".join([*lines, cut(result.text("output"), EXCERPT)]))


def _failing(result: Fields) -> Iterator[str]:
    for score in result.objects("scores"):
        if not score.flag("passed"):
            detail = score.text("detail")
            yield f"{score.text('name')}: {detail}" if detail else score.text("name")


def fetch_cases(talk: Talk, run: Run) -> list[CaseCount]:
    """Every case that has an answer, in the order in which the first ones came."""
    return add_up(_results(talk, run))


def add_up(results: Iterable[Fields]) -> list[CaseCount]:
    """Answers by case."""
    cases: dict[str, CaseCount] = {}
    for result in results:
        key = result.text("case")
        cases.setdefault(key, CaseCount(key)).add(result)
    return list(cases.values())


def _results(talk: Talk, run: Run) -> Iterator[Fields]:
    after = ""
    while True:
        page = talk.get(f"runs/{run.pk}/results", {"limit": PAGE} | ({"after": after} if after else {}))
        yield from page.objects("results")
        following = page.text_or_none("next")
        if following is None:
            return
        after = after_of(following, after)
