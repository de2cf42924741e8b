"""What each open promotion waits for, in two or three words: for lists, by the same rules as on its own page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from django.db.models import Exists, OuterRef
from django.utils import timezone

from prompts_app.evaluation import Answer
from prompts_app.facts import breaking_changes, subject_of, vote_fact
from prompts_app.gates import Blocker, Facts, Predecessor, blockers, check_of, standing
from prompts_app.models import (
    Environment,
    Freeze,
    LivePointer,
    Promotion,
    PromotionState,
    PromptVersion,
    Quarantine,
    VersionYank,
)
from prompts_app.models.promotion import PromotionQuerySet
from prompts_app.pending_queries import Known, known_of, newest, with_checks
from prompts_app.predecessors import predecessors_of
from prompts_app.waiting_queries import Marks, marks
from registry.core.clock import database_now

# What can stand in the way, as a list says it, with the state whose look it has: what matters most comes first.
OBSTACLES = {
    "version.yanked": ("blocked", "Blocked: version yanked"),
    "digest.quarantined": ("blocked", "Blocked: quarantined"),
    "base.moved": ("blocked", "Needs a rebase"),
    "approvals.changes_requested": ("changes_requested", "Changes requested"),
    "check.failed": ("blocked", "Blocked: {check}"),
    "check.error": ("blocked", "Blocked: {check}"),
    "check.inconclusive": ("blocked", "Blocked: {check}"),
    "contract.breaking": ("blocked", "Blocked: breaking change"),
    "freeze.active": ("blocked", "Blocked: frozen"),
    "predecessor.missing": ("pending", "Waits for {lower}"),
    "predecessor.soaking": ("pending", "Waits for {lower}"),
    "suites.missing": ("blocked", "Needs a suite"),
    "check.missing": ("pending", "Waits for a {kind}"),
    "check.stale": ("pending", "Waits for a {kind}"),
    "check.pending": ("pending", "{check}"),
    "approvals.insufficient": ("open", "Waits for approval"),
}
ORDER = list(OBSTACLES)
SOAKING = "predecessor.soaking"


@dataclass(frozen=True)
class Waits:
    """What a promotion waits for: `state` gives its look."""

    state: str
    words: str


READY = Waits("ready", "Ready to promote")


@dataclass(frozen=True)
class _Obstacle:
    """One thing in the way; `until` is when it clears by itself, where that is known."""

    code: str
    waits: Waits
    until: datetime | None = None


def with_stops(rows: PromotionQuerySet) -> PromotionQuerySet:
    """Promotions with what stops them at once and leaves no mark by which that could be kept: for `waits_of`."""
    place, content = OuterRef("environment"), OuterRef("version__digest")
    quarantines = Quarantine.objects.filter(environment=place, prompt=OuterRef("prompt"), digest=content)
    return rows.annotate(
        is_yanked=Exists(VersionYank.objects.filter(version=OuterRef("version"))),
        is_quarantined=Exists(quarantines.filter(cleared_at=None)),
        is_frozen=Exists(Freeze.objects.covering_now().filter(environment=place)),
    )


def waits_of(workspace_id: int, rows: Sequence[Promotion]) -> dict[int, Waits]:
    """What those of them that may be applied wait for, by id; `rows` have their stops. One query while nothing has changed."""
    waiting = [row for row in rows if row.state in (PromotionState.OPEN, PromotionState.SCHEDULED)]
    if not waiting:
        return {}
    marked = marks()
    places = (
        Environment.objects.in_workspace(workspace_id).annotate(**marked).values_list("pk", "name", "label", *marked)
    )
    now = timezone.now()
    known = _obstacles(workspace_id, tuple(row.pk for row in waiting), tuple(places), now.date())
    return {row.pk: _said(row, known.get(row.pk, ()), now) for row in waiting}


def _said(row: Promotion, known: Sequence[_Obstacle], now: datetime) -> Waits:
    stops = {"version.yanked": "is_yanked", "digest.quarantined": "is_quarantined", "freeze.active": "is_frozen"}
    found = [_Obstacle(code, Waits(*OBSTACLES[code])) for code, name in stops.items() if getattr(row, name)]
    found += [one for one in known if one.until is None or one.until > now]
    if found:
        return min(found, key=lambda one: ORDER.index(one.code)).waits
    return Waits("scheduled", "Scheduled") if row.state == PromotionState.SCHEDULED else READY


@lru_cache(maxsize=1_000)
def _obstacles(
    workspace_id: int, asked: tuple[int, ...], places: Marks, today: date
) -> Mapping[int, tuple[_Obstacle, ...]]:
    """A dozen queries; `places` are the environments in order, by id, name and label, with the marks of each."""
    del today  # evidence grows old: it says how long the answer holds
    pending = list(newest(workspace_id, "prompt", "version").filter(pk__in=asked))
    known = with_checks(pending, known_of(pending))
    called = [(int(str(pk)), str(name), str(label)) for pk, name, label, *_ in places]
    lower = {above: below for below, (above, *_) in pairwise(called)}
    before = predecessors_of([row for row in pending if known[row.pk].policy.require_predecessor], lower)
    facts = {row.pk: _facts(row, known[row.pk], before.get(row.pk)) for row in pending}
    now = database_now()
    found = {pk: tuple(_obstacle(one, about) for one in standing(blockers(about, now))) for pk, about in facts.items()}
    breaking = _breaking([row for row in pending if all(one.until for one in found[row.pk])])
    return {pk: (*obstacles, *breaking.get(pk, ())) for pk, obstacles in found.items()}


def _facts(row: Promotion, known: Known, before: Predecessor | None) -> Facts:
    """All but what breaks callers, what `with_stops` knows, and the time it is scheduled for."""
    excluded = dict.fromkeys(known.excluded, "may not")
    return Facts(
        subject=subject_of(row),
        live_deployment=known.live.pk if known.live else None,
        policy=known.policy,
        predecessor=before,
        required_suites=known.suites,
        checks=known.required,
        votes=tuple(vote_fact(vote, excluded) for vote in known.votes),
    )


def _obstacle(blocker: Blocker, facts: Facts) -> _Obstacle:
    answer = Answer(check_of(blocker), blocker.code.rpartition(".")[2])
    code = f"check.{answer.state}" if answer.name else blocker.code
    state, words = OBSTACLES[code]
    before, until = facts.predecessor, None
    if code == SOAKING and before is not None:
        until = before.spans[-1][0] + timedelta(minutes=facts.policy.soak_minutes)
    said = words.format(check=answer.words, kind=answer.kind, lower=before.label if before else "")
    return _Obstacle(code, Waits(state, said[0].upper() + said[1:]), until)


def _breaking(rows: Sequence[Promotion]) -> dict[int, tuple[_Obstacle, ...]]:
    """Those that would break callers of what is live, which nobody has acknowledged; two queries."""
    rows = [row for row in rows if not row.acknowledges_breaking]
    if not rows:
        return {}
    prompts = {row.prompt_id for row in rows}
    pointers = LivePointer.objects.live().filter(prompt__in=prompts)
    live = {
        (one.prompt_id, one.environment_id): one.deployment.version
        for one in pointers.select_related("deployment__version__prompt")
        if one.deployment
    }
    written = PromptVersion.objects.filter(prompt__in=prompts, pk__in={row.version_id for row in rows})
    versions = written.select_related("prompt").in_bulk()
    obstacle = _Obstacle("contract.breaking", Waits(*OBSTACLES["contract.breaking"]))
    return {
        row.pk: (obstacle,)
        for row in rows
        if (old := live.get((row.prompt_id, row.environment_id))) and breaking_changes(old, versions[row.version_id])
    }
