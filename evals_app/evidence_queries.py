"""What suites say of a version: against everything it would replace, for one promotion, or between any two versions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Value

from evals_app import asking_words
from evals_app.case_counts import Pick, counted_cases
from evals_app.delta_queries import Delta, SuiteChange, delta_of, suite_changes
from evals_app.models import Run, RunOn, Suite, SuiteAttachment, SuiteVersion
from evals_app.queries import Place, places_of
from evals_app.run_queries import CaseRow, RunLine, lines, rows_of, runs_of, state_of
from prompts_app.asked_evidence import is_asked_for
from prompts_app.facts import current_policy, gate_passed_at, live_deployment
from prompts_app.gates import RUN_WHEN_OPENED, CheckFact, evidence_key
from prompts_app.models import (
    CheckDefinition,
    Environment,
    Promotion,
    Prompt,
    PromptVersion,
    RequiredCheck,
    VersionCheck,
)
from prompts_app.policy import stricter
from registry.core.clock import database_now

FLIPS_SHOWN = 6
# Answers that a press of "run what is missing" asks for: an answer that holds is never asked for again.
LACKING = frozenset({"missing", "stale", "error"})


@dataclass(frozen=True)
class Against:
    """What a version would replace: the same content in these environments, or nothing (`version` is None)."""

    version: PromptVersion | None
    environments: tuple[Environment, ...]
    max_age_days: int

    @property
    def digest(self) -> str | None:
        """The content's digest."""
        return self.version.digest if self.version else None


@dataclass(frozen=True)
class Lack:
    """A run that would bring something new; `baseline` is None where nothing is live.

    `again` is an ended run that only has to go on: with `errors` asked once more, and `left` that it never came to. Else a
    new one asks `questions`.
    """

    suite: Suite
    baseline: PromptVersion | None
    questions: int
    again: Run | None = None
    errors: int = 0
    left: int = 0


@dataclass(frozen=True)
class Cell:
    """What one suite says of a version against one thing it would replace; `line` is the run that said it.

    `questions` are what a new run would ask.
    """

    against: Against
    state: str
    line: RunLine | None
    questions: int = 0

    @property
    def is_lacking(self) -> bool:
        """True where a run would bring something new."""
        return self.state in LACKING

    def lack(self, suite: Suite) -> Lack:
        """The run that is missing here: one that ended without some of its answers goes on, where there is one."""
        baseline, line = self.against.version, self.line
        if line is None or self.state != "error" or line.run.is_open or not line.progress.unanswered:
            return Lack(suite, baseline, self.questions)
        return Lack(suite, baseline, line.progress.unanswered, line.run, line.progress.errors, line.progress.left)


@dataclass(frozen=True)
class SuiteChecks:
    """An attached suite with one cell for each thing the version would replace; where there is none, `last` is the last run
    of it."""

    attachment: SuiteAttachment
    cells: tuple[Cell, ...]
    last: RunLine | None = None

    @property
    def last_state(self) -> str:
        """What the last run said."""
        return state_of(self.last.run) if self.last else ""

    @property
    def suite(self) -> Suite:
        """The suite."""
        return self.attachment.suite


@dataclass(frozen=True)
class ChecksPanel:
    """Every suite attached to a prompt, and what each says of one version. `is_relied_on`: the gate of a protected
    environment relies on those that are required."""

    version: PromptVersion
    against: tuple[Against, ...]
    rows: tuple[SuiteChecks, ...]
    is_relied_on: bool

    @property
    def lacking(self) -> tuple[Lack, ...]:
        """The runs that are missing."""
        return tuple(
            cell.lack(row.suite) for row in self.rows if row.suite.last_number for cell in row.cells if cell.is_lacking
        )

    @property
    def starting(self) -> tuple[int, ...]:
        """Attachments of which a new version starts the runs by itself, where none has begun."""
        return tuple(
            row.attachment.pk
            for row in self.rows
            if row.attachment.run_on == RunOn.NEW_VERSION
            and row.suite.last_number
            and row.attachment.created_at < self.version.created_at
            and any(cell.is_lacking and cell.line is None for cell in row.cells)
        )

    @property
    def is_moving(self) -> bool:
        """True while a run is under way."""
        return any(cell.line and cell.line.run.is_open for row in self.rows for cell in row.cells)


@dataclass(frozen=True)
class Evidence:
    """A suite's answer in full: the run, the cases on which the two versions differ, and by how much each score does.

    `is_starting`: there is no answer that counts, and a run for it is about to start by itself. `lack` is the run that would
    bring one, where there is none.
    """

    suite: Suite
    state: str
    line: RunLine | None
    flips: tuple[CaseRow, ...]
    flip_count: int
    delta: Delta | None = None
    is_starting: bool = False
    lack: Lack | None = None

    @property
    def hidden(self) -> int:
        """How many of the flipped cases are not listed."""
        return self.flip_count - len(self.flips)


@dataclass(frozen=True)
class PromotionEvidence:
    """What the required suites say of a promotion's candidate against what it would replace, and how the suites changed
    since that went live. `has_ended`: the promotion has, and nothing more is asked for it. `optional` are suites that are
    attached but not required, while fewer are than the environment asks for, or none is."""

    against: Against
    answers: tuple[Evidence, ...]
    changes: tuple[SuiteChange, ...] = ()
    has_ended: bool = False
    optional: tuple[Suite, ...] = ()

    @property
    def lacking(self) -> tuple[Lack, ...]:
        """The runs that are missing."""
        return tuple(one.lack for one in self.answers if one.lack)

    @property
    def left_to_ask(self) -> tuple[Lack, ...]:
        """Those of them that do not start by themselves."""
        starting = {one.suite.pk for one in self.answers if one.is_starting}
        return tuple(lack for lack in self.lacking if lack.suite.pk not in starting)

    @property
    def is_starting(self) -> bool:
        """True while a run is about to start by itself."""
        return any(one.is_starting for one in self.answers)

    @property
    def is_moving(self) -> bool:
        """True while a run is under way or about to start."""
        return self.is_starting or any(one.line and one.line.run.is_open for one in self.answers)


def lacking_words(lacking: Sequence[Lack]) -> str:
    """What starting the runs that are missing will ask, in the words of its button."""
    if all(lack.again for lack in lacking):
        return asking_words.again(sum(lack.errors for lack in lacking), sum(lack.left for lack in lacking))
    return asking_words.missing(sum(lack.questions for lack in lacking))


def checks_panel(version: PromptVersion) -> ChecksPanel:
    """What the attached suites say of a version; its prompt must be loaded. About ten queries, one more an environment."""
    prompt = version.prompt
    attachments = list(SuiteAttachment.objects.filter(prompt=prompt).select_related("suite").order_by("suite__slug"))
    places = places_of(prompt)
    against = replaced_by(version, places)
    suites = [attachment.suite for attachment in attachments]
    checks = _Checks(version, suites)
    rows = tuple(
        SuiteChecks(
            attachment,
            tuple(checks.cell(attachment.suite, one) for one in against),
            None if against else checks.last(attachment.suite),
        )
        for attachment in attachments
    )
    is_relied_on = any(place.policy.protected and place.policy.require_suites for place in places)
    return ChecksPanel(version, against, rows, is_relied_on)


def replaced_by(version: PromptVersion, places: Sequence[Place]) -> tuple[Against, ...]:
    """What the version would replace where suites are asked for, each content once; everywhere, where nobody asks."""
    asking = [place for place in places if place.policy.require_suites] or list(places)
    found: dict[str | None, list[Place]] = {}
    for place in asking:
        found.setdefault(place.live.digest if place.live else None, []).append(place)
    return tuple(
        Against(
            version=alike[0].live,
            environments=tuple(place.environment for place in alike),
            max_age_days=min(place.policy.max_age_days for place in alike),
        )
        for digest, alike in found.items()
        if digest != version.digest
    )


def judged_evidence(promotion: Promotion) -> PromotionEvidence:
    """The required suites' answers against what is live, or what was when the promotion ended."""
    policy = stricter(promotion.policy_opened.load(), current_policy(promotion.environment).load())
    live = live_deployment(promotion.prompt, promotion.environment) if promotion.is_pending else promotion.base
    against = Against(live.version if live else None, (promotion.environment,), policy.max_age_days)
    workspace = promotion.prompt.workspace_id
    required = RequiredCheck.objects.filter(prompt=promotion.prompt).annotate(
        asked=is_asked_for(workspace, Value(promotion.pk))
    )
    named = {name.removeprefix("suite/"): asked for name, asked in required.values_list("definition__name", "asked")}
    suites = list(Suite.objects.in_workspace(workspace).filter(slug__in=named))
    changes = suite_changes(suites, gate_passed_at(live))
    found = _evidence(promotion.version, against, suites)
    answers = tuple(replace(one, is_starting=_starts(one, is_asked=named[one.suite.slug])) for one in found)
    has_ended = not promotion.is_pending
    optional: tuple[Suite, ...] = ()
    if not has_ended and len(suites) < max(1, policy.min_suites):
        attached = SuiteAttachment.objects.filter(prompt=promotion.prompt, is_required=False).select_related("suite")
        optional = tuple(one.suite for one in attached.order_by("suite__title"))
    return PromotionEvidence(against, found if has_ended else answers, changes, has_ended, optional)


def evidence_between(old: PromptVersion, new: PromptVersion) -> tuple[Evidence, ...]:
    """What suites said of `new` against `old`, where they were ever asked; no more than the last run of each."""
    runs = runs_of(new.prompt.workspace_id).filter(
        prompt=new.prompt, candidate__digest=new.digest, baseline__digest=old.digest
    )
    newest = {run.suite_version.suite_id: run for run in reversed(runs)}
    return tuple(_of_run(line) for line in sorted(lines(list(newest.values())), key=lambda line: _slug(line.run)))


def _evidence(version: PromptVersion, against: Against, suites: Sequence[Suite]) -> tuple[Evidence, ...]:
    checks = _Checks(version, suites)
    found = []
    for suite in suites:
        cell = checks.cell(suite, against)
        flips, count = _flips(cell.line)
        delta = delta_of(cell.line.run) if cell.line else None
        lack = cell.lack(suite) if cell.is_lacking and suite.last_number else None
        found.append(Evidence(suite, cell.state, cell.line, flips, count, delta, lack=lack))
    return tuple(found)


def _starts(one: Evidence, *, is_asked: bool) -> bool:
    is_open = one.line is not None and one.line.run.is_open
    return is_asked and not is_open and one.state in RUN_WHEN_OPENED and bool(one.suite.last_number)


def _of_run(line: RunLine) -> Evidence:
    flips, count = _flips(line)
    return Evidence(line.run.suite_version.suite, state_of(line.run), line, flips, count, delta_of(line.run))


def _flips(line: RunLine | None) -> tuple[tuple[CaseRow, ...], int]:
    if line is None or line.run.is_open or line.run.baseline_id is None:
        return (), 0
    # What got worse comes first.
    cases, pick = counted_cases(line.run), Pick("flipped")
    worst = cases.worst(pick, FLIPS_SHOWN)
    shown = {case.position: case for case in cases.load(worst)} if worst else {}
    count = len(worst) if len(worst) < FLIPS_SHOWN else len(cases.picked(pick))
    return rows_of(line.run, [shown[position] for position in worst]), count


def _slug(run: Run) -> str:
    return run.suite_version.suite.slug


class _Checks:
    """The checks and runs of one version's content, read once: five queries."""

    def __init__(self, version: PromptVersion, suites: Sequence[Suite]) -> None:
        prompt = version.prompt
        names = [suite.check_name for suite in suites]
        self._version = version
        self._now: datetime = database_now()
        definitions = CheckDefinition.objects.filter(workspace_id=prompt.workspace_id, name__in=names)
        self._recipes = dict(definitions.values_list("name", "recipe"))
        self._checks = _newest_checks(prompt, version.digest, names)
        self._runs = _newest_runs(prompt, version.digest, suites)
        wanted = {check.run_id for check in self._checks.values() if check.run_id}
        wanted |= {run.pk for run in self._runs.values()}
        rows = runs_of(prompt.workspace_id).filter(pk__in=wanted)
        self._lines = {line.run.pk: line for line in lines(list(rows))}
        newest = SuiteVersion.objects.filter(suite__in=suites).order_by("suite", "-number").distinct("suite")
        self._newest = {version.suite_id: version for version in newest}

    def last(self, suite: Suite) -> RunLine | None:
        """The suite's last run that was read, whatever it was held against."""
        found = [run.pk for (name, _), run in self._runs.items() if name == suite.check_name]
        return self._lines.get(max(found)) if found else None

    def cell(self, suite: Suite, against: Against) -> Cell:
        """The suite's answer against one thing."""
        place = (suite.check_name, against.digest)
        check, run = self._checks.get(place), self._runs.get(place)
        newest = self._newest.get(suite.pk)
        questions = newest.case_count * newest.repeats * (2 if against.version else 1) if newest else 0
        if newest and not newest.posts_checks:
            return Cell(against, state_of(run) if run else "missing", self._lines[run.pk] if run else None, questions)
        recipe = self._recipes.get(suite.check_name, "")
        expected = evidence_key(self._version.digest, against.digest, recipe)
        fact = CheckFact(suite.check_name, expected_key=expected)
        if check is not None:
            fact = CheckFact(suite.check_name, check.state, check.created_at, check.evidence_key, expected)
        shown = check.run_id if check and check.run_id else run.pk if run else 0
        return Cell(against, fact.counts_as(self._now, against.max_age_days), self._lines.get(shown), questions)


def _newest_checks(prompt: Prompt, digest: str, names: Sequence[str]) -> dict[tuple[str, str | None], VersionCheck]:
    rows = VersionCheck.objects.filter(prompt=prompt, digest=digest, name__in=names)
    newest = rows.order_by("name", "baseline_digest", "-pk").distinct("name", "baseline_digest")
    return {(check.name, check.baseline_digest): check for check in newest}


def _newest_runs(prompt: Prompt, digest: str, suites: Iterable[Suite]) -> dict[tuple[str, str | None], Run]:
    rows = Run.objects.filter(prompt=prompt, candidate__digest=digest, suite_version__suite__in=list(suites))
    related = rows.select_related("suite_version__suite", "baseline")
    newest = related.order_by("suite_version__suite", "baseline__digest", "-pk").distinct(
        "suite_version__suite", "baseline__digest"
    )
    return {(run.suite_version.suite.check_name, run.baseline.digest if run.baseline else None): run for run in newest}
