"""What must hold of a workspace at any moment, read from the tables alone: each violation in words.

The numbers are those of the invariants in the rules for promotion.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from prompts_app.content import content_digest
from prompts_app.models import (
    PENDING,
    Deployment,
    EnvironmentRevision,
    LivePointer,
    Override,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
)
from registry.core.audit import verify_chain
from registry.core.models import AuditEvent, Member, Notification, OutboxMessage

MOVES = ("version.promoted", "version.rolled_back", "prompt.withdrawn")
ENDED = {PromotionState.CLOSED, PromotionState.EXPIRED, PromotionState.SUPERSEDED}


def violations(workspace_id: int) -> list[str]:
    """Everything that is wrong; empty when all is well."""
    found: list[str] = []
    for check in (_versions, _pointers, _moves, _applied, _states):
        found.extend(check(workspace_id))
    report = verify_chain(workspace_id)
    return found if report.ok else [*found, f"19: {report.reason}"]


def _versions(workspace_id: int) -> Iterator[str]:
    """1 and 24."""
    numbers: dict[int, list[int]] = defaultdict(list)
    for version in PromptVersion.objects.in_workspace(workspace_id).select_related("prompt").order_by("number"):
        numbers[version.prompt_id].append(version.number)
        if content_digest(version.load()) != version.digest:
            yield f"1: {version} has content that does not give its digest"
    for prompt in Prompt.objects.in_workspace(workspace_id):
        if numbers[prompt.pk] != list(range(1, prompt.last_number + 1)):
            yield f"24: {prompt} has versions {numbers[prompt.pk]}, its counter says {prompt.last_number}"


def _pointers(workspace_id: int) -> Iterator[str]:
    """2, and that the pointer is where history ends."""
    latest: dict[tuple[int, int], int] = {}
    for deployment in _deployments(workspace_id):
        place = (deployment.prompt_id, deployment.environment_id)
        if deployment.previous_id != latest.get(place):
            yield f"2: deployment {deployment.pk} follows {deployment.previous_id}, not {latest.get(place)}"
        latest[place] = deployment.pk
    pointers = LivePointer.objects.filter(prompt__workspace=workspace_id).select_related("deployment")
    seen: Counter[tuple[int, int]] = Counter()
    for pointer in pointers:
        place = (pointer.prompt_id, pointer.environment_id)
        seen[place] += 1
        live = pointer.deployment
        if live is not None and (live.prompt_id, live.environment_id) != place:
            yield f"2: pointer {pointer.pk} points at a deployment of another place"
        if pointer.deployment_id != latest.get(place):
            yield f"2: pointer {pointer.pk} is at {pointer.deployment_id}, history ends at {latest.get(place)}"
    yield from (f"2: {place} has {count} pointers" for place, count in seen.items() if count > 1)
    yield from (f"2: {place} has deployments and no pointer" for place in latest if place not in seen)


def _moves(workspace_id: int) -> Iterator[str]:
    """3 and 4: one revision, audit row and outbox row for each deployment, in one order."""
    audited = Counter(_ids(AuditEvent.objects.filter(workspace=workspace_id, event__in=MOVES), "detail", "deployment"))
    told = Counter(
        _ids(
            OutboxMessage.objects.filter(workspace=workspace_id, topic="deployment.created"), "payload", "deployment_id"
        )
    )
    revisions: dict[int, list[int]] = defaultdict(list)
    deployments = _deployments(workspace_id)
    for deployment in deployments:
        revisions[deployment.environment_id].append(deployment.revision)
        if audited[deployment.pk] != 1:
            yield f"3: deployment {deployment.pk} has {audited[deployment.pk]} audit rows"
        if told[deployment.pk] != 1:
            yield f"3: deployment {deployment.pk} has {told[deployment.pk]} outbox rows"
    extra = (set(audited) | set(told)) - {deployment.pk for deployment in deployments}
    if extra:
        yield f"3: audit or outbox rows of deployments {extra} that do not exist"
    for counter in EnvironmentRevision.objects.filter(environment__workspace=workspace_id):
        if revisions[counter.environment_id] != list(range(1, counter.n + 1)):
            yield f"4: revisions {revisions[counter.environment_id]}, the counter says {counter.n}"
    audit = AuditEvent.objects.filter(workspace=workspace_id, event__in=MOVES).order_by("sequence")
    order = _ids(audit, "detail", "deployment")
    by_environment: dict[int, list[int]] = defaultdict(list)
    places = {deployment.pk: deployment for deployment in deployments}
    for pk in order:
        if pk in places:
            by_environment[places[pk].environment_id].append(places[pk].revision)
    yield from (f"4: audited in the order {seen}" for seen in by_environment.values() if seen != sorted(seen))


def _applied(workspace_id: int) -> Iterator[str]:
    """5, 9 and 21: what a promotion rested on when it was applied."""
    overrides = {
        override.deployment_id: override
        for override in Override.objects.filter(promotion__prompt__workspace=workspace_id)
    }
    for deployment in (
        _deployments(workspace_id)
        .filter(promotion__isnull=False)
        .select_related("promotion__base__version", "promotion__version", "version")
    ):
        promotion = deployment.promotion
        assert promotion is not None
        if (promotion.state, promotion.deployment_id) != (PromotionState.APPLIED, deployment.pk):
            yield f"5: {promotion} is {promotion.state} with deployment {promotion.deployment_id}, not {deployment.pk}"
        if promotion.version_id != deployment.version_id:
            yield f"5: {promotion} put another version live than its own"
        if promotion.base_id != _live_before(deployment):
            yield f"6: {promotion} went live over {_live_before(deployment)}, its base was {promotion.base_id}"
        evidence = json.loads(deployment.evidence)
        barred = {promotion.author_id, *_chain(promotion)}
        voters = {row["member"] for row in evidence.get("approvals", [])}
        if voters & barred:
            yield f"9: {promotion} counted approvals of {voters & barred}"
        overridden = evidence.get("overridden", [])
        override = overrides.get(deployment.pk)
        kept = json.loads(override.blockers) if override else []
        if kept != overridden or any(blocker["level"] != "soft" for blocker in overridden):
            yield f"5: {promotion} was applied over {overridden}, kept as {kept}"
        if override and len(override.reason.strip()) < 20:
            yield f"21: {promotion} was overridden without a reason"


def _states(workspace_id: int) -> Iterator[str]:
    for row in Promotion.objects.in_workspace(workspace_id):
        if (row.ended_at is None) != (row.state in PENDING):
            yield f"{row} is {row.state} and ended at {row.ended_at}"
        if (row.deployment_id is None) == (row.state == PromotionState.APPLIED):
            yield f"{row} is {row.state} with deployment {row.deployment_id}"
        if row.state == PromotionState.OPEN and row.scheduled_for is not None:
            yield f"{row} is open and has a time"
        if row.state == PromotionState.SCHEDULED and row.scheduled_for is None:
            yield f"{row} is scheduled for no time"


def untold(workspace_id: int, missed: Collection[tuple[int, UUID]] = ()) -> list[str]:
    """22: promotions that ended, whose author was not told exactly once; ask when every message was delivered.

    `missed` are members with the events that were told while they were deactivated: nobody tells them again.
    """
    found = []
    users = dict(Member.objects.filter(workspace=workspace_id).values_list("pk", "user_id"))
    news = Notification.objects.filter(workspace=workspace_id).values_list("user_id", "event_id")
    lines = Counter(news)
    by_promotion: dict[int, list[UUID]] = defaultdict(list)
    for message in OutboxMessage.objects.filter(
        workspace=workspace_id, topic__in=["deployment.created", "promotion.ended"]
    ):
        promotion = json.loads(message.payload)["promotion_id"]
        if promotion is not None:
            by_promotion[promotion].append(message.event_id)
    active = set(Member.objects.active().filter(workspace=workspace_id).values_list("pk", flat=True))
    for row in Promotion.objects.in_workspace(workspace_id).exclude(state__in=PENDING):
        events = by_promotion[row.pk]
        count = sum(lines[users[row.author_id], event] for event in events)
        owed = sum((row.author_id, event) not in missed for event in events)
        if len(events) != 1 or (row.author_id in active and count != owed):
            found.append(f"22: {row} is {row.state}: {len(events)} messages, its author has {count} lines")
    return found


def _deployments(workspace_id: int):  # type: ignore[no-untyped-def]
    return Deployment.objects.filter(prompt__workspace=workspace_id).order_by("pk")


def _live_before(deployment: Deployment) -> int | None:
    previous = deployment.previous
    return previous.pk if previous is not None and previous.version_id is not None else None


def _chain(promotion: Promotion) -> set[int]:
    """Authors between base and candidate, worked out anew."""
    base = promotion.base.version.number if promotion.base and promotion.base.version else 0
    number = promotion.version.number
    between = range(base + 1, number + 1) if base < number else range(1, number + 1)
    rows = PromptVersion.objects.filter(prompt=promotion.prompt_id, number__in=between)
    return set(rows.exclude(number=base).values_list("author_id", flat=True)) if base != number else set()


def _ids(rows: Iterable[object], column: str, name: str) -> list[int]:
    return [int(json.loads(getattr(row, column))[name]) for row in rows]
