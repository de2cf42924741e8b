"""What may be purged and what somebody still needs: what gates rest on, what is being asked, what holds a text."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from evals_app.models import Case, JudgeReply, Purge, Result, Retention, Run, Suite, SuiteVersion
from evals_app.models.run import OPEN_STATES
from prompts_app.facts import current_policies
from prompts_app.models import Environment, Promotion
from registry.core.errors import NotFound
from registry.core.texts import Fate, count_in_places, holding

NEWEST = F("suite_version__suite__last_number")


@dataclass(frozen=True)
class Found:
    """How many rows hold a text, by what they are: `gone` are what a purge takes, `kept` is history that stays.

    `needed` names what gates rest on, `asking` the open runs that ask such cases.
    """

    gone: dict[str, int]
    kept: dict[str, int]
    needed: tuple[str, ...] = ()
    asking: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing holds it that a purge could take."""
        return not self.gone


def retention_of(workspace_id: int) -> Retention:
    """The workspace's retention times; none set where there is no row. One query."""
    return Retention.objects.filter(workspace=workspace_id).first() or Retention(workspace_id=workspace_id)


def purges_of(workspace_id: int) -> QuerySet[Purge]:
    """What was purged, the newest first."""
    return Purge.objects.filter(workspace=workspace_id).select_related("by__user").order_by("-pk")


def needed_runs(workspace_id: int) -> QuerySet[Run]:
    """Runs whose answers may still be looked at before something goes live: those under way, evidence that counts in some
    environment, and all that were made of a version somebody wants to promote. Two queries to make it."""
    policies = current_policies(Environment.objects.in_workspace(workspace_id)).values()
    lasts = timedelta(days=max((row.load().max_age_days for row in policies), default=14))
    counts = Q(posts_check=True, finished_at__gt=Now() - lasts)
    waiting = Promotion.objects.in_workspace(workspace_id).pending().values("version__digest")
    of_waiting = Q(candidate__digest__in=waiting)
    return Run.objects.in_workspace(workspace_id).filter(Q(state__in=OPEN_STATES) | counts | of_waiting)


def cases_holding(workspace_id: int, forms: Iterable[str]) -> QuerySet[Case]:
    """Cases of any version of any suite that hold the text."""
    rows = Case.objects.filter(suite_version__suite__workspace=workspace_id)
    return holding(rows, ("key", "content"), forms)


def answers_holding(workspace_id: int, forms: Iterable[str]) -> QuerySet[Result]:
    """Answers, also those in error, that hold the text."""
    rows = Result.objects.filter(run__workspace=workspace_id, purge=None)
    return holding(rows, ("output", "tool_calls", "scores"), forms)


def replies_holding(workspace_id: int, forms: Iterable[str]) -> QuerySet[JudgeReply]:
    """Judges' replies that hold the text."""
    return holding(JudgeReply.objects.filter(run__workspace=workspace_id, purge=None), ("output",), forms)


def find_case(run: Run, key: str) -> Case:
    """A case of the run by its key; raises NotFound."""
    case = Case.objects.filter(suite_version=run.suite_version_id, key=key).first()
    if case is None:
        raise NotFound("case.not_found", "This run has no case with that key.")
    return case


def numbered_case(run: Run, number: int) -> Case:
    """The run's case with that number, counted from 1; raises NotFound."""
    case = Case.objects.filter(suite_version=run.suite_version_id, position=number - 1).first()
    if case is None:
        raise NotFound("case.not_found", "This run has no case with that number.")
    return case


def same_cases(case: Case) -> QuerySet[Case]:
    """The case in every version of its suite that asks it in the same words, itself included."""
    suite = SuiteVersion.objects.values_list("suite", flat=True).get(pk=case.suite_version_id)
    return Case.objects.filter(suite_version__suite=suite, key=case.key, content=case.content)


def same_answers(result: Result, workspace_id: int) -> QuerySet[Result]:
    """The answer, and copies of it that the cache gave other runs."""
    itself = Q(pk=result.pk)
    copies = Q(request_digest=result.request_digest, output=result.output) if result.request_digest else itself
    return Result.objects.filter(itself | copies, run__workspace=workspace_id, purge=None)


def replies_about(answers: Iterable[int]) -> QuerySet[JudgeReply]:
    """What judges said of these answers."""
    same = {name: OuterRef(name) for name in ("run", "case", "arm", "repeat")}
    return JudgeReply.objects.filter(Exists(Result.objects.filter(pk__in=list(answers), **same)), purge=None)


def suites_asking(cases: Iterable[int]) -> QuerySet[Suite]:
    """The suites whose newest version asks one of these cases, by id: the order in which they are locked."""
    newest = Case.objects.filter(pk__in=list(cases), suite_version__number=NEWEST)
    return Suite.objects.filter(pk__in=newest.values("suite_version__suite")).order_by("pk")


def runs_asking(cases: Iterable[int]) -> list[int]:
    """Open runs of versions that have one of these cases."""
    versions = Case.objects.filter(pk__in=list(cases)).values("suite_version")
    return sorted(Run.objects.open().filter(suite_version__in=versions).values_list("pk", flat=True))


def find_text(workspace_id: int, forms: Iterable[str]) -> Found:
    """What holds the text, counted; reads every table that holds texts of people."""
    wanted = tuple(forms)
    cases = list(cases_holding(workspace_id, wanted).values_list("pk", flat=True))
    told = answers_holding(workspace_id, wanted).values("pk")
    answers = Result.objects.filter(Q(pk__in=told) | Q(case__in=cases), purge=None)
    runs = needed_runs(workspace_id).filter(pk__in=answers.values("run"))
    gone = {
        "cases": len(cases),
        "answers": answers.count(),
        "judges' replies": replies_holding(workspace_id, wanted).count(),
        **count_in_places(workspace_id, wanted, Fate.DELETED, Fate.EMPTIED),
    }
    needed = [f"suite {suite.slug}" for suite in suites_asking(cases)]
    needed += [f"run {pk}" for pk in runs.order_by("pk").values_list("pk", flat=True)]
    return Found(
        {name: count for name, count in gone.items() if count},
        count_in_places(workspace_id, wanted, Fate.KEPT),
        tuple(needed),
        tuple(runs_asking(cases)),
    )


def runs_past(retention: Retention) -> QuerySet[Run]:
    """Ended runs whose answers are past their time and needed by nobody, the oldest first; none where they are kept for ever."""
    if retention.answers_days is None:
        return Run.objects.none()
    ended = Now() - timedelta(days=retention.answers_days)
    rows = Run.objects.in_workspace(retention.workspace_id).filter(finished_at__lt=ended, is_purged=False)
    return rows.exclude(pk__in=needed_runs(retention.workspace_id).values("pk")).order_by("pk")


def cases_past(retention: Retention) -> QuerySet[Case]:
    """Cases past their time that no suite's newest version asks in the same words; none where they are kept for ever."""
    if retention.inputs_days is None:
        return Case.objects.none()
    workspace, before = retention.workspace_id, Now() - timedelta(days=retention.inputs_days)
    runs = Run.objects.in_workspace(workspace)
    recent = runs.filter(Q(finished_at=None) | Q(finished_at__gte=before)).values("suite_version")
    versions = SuiteVersion.objects.filter(
        suite__workspace=workspace, created_at__lt=before, number__lt=F("suite__last_number")
    )
    versions = versions.exclude(pk__in=recent).exclude(pk__in=needed_runs(workspace).values("suite_version"))
    still_asked = Case.objects.filter(
        suite_version__suite=OuterRef("suite_version__suite"), suite_version__number=NEWEST, key=OuterRef("key"), content=OuterRef("content"),
    )  # fmt: skip
    return Case.objects.filter(~Exists(still_asked), purge=None, suite_version__in=versions).order_by("pk")
