"""What this app tells outside: its events, and how each is read from an outbox message."""

import json
from collections.abc import Callable

from prompts_app.facts import policy_of
from prompts_app.models import (
    Approval,
    Deployment,
    DeploymentKind,
    Promotion,
    PromotionState,
    PromptVersion,
    VersionCheck,
)
from prompts_app.promoting_words import how_it_opens
from registry.core import events
from registry.core.canonical import JSON
from registry.core.events import ACTOR, URL, EventType, Happened, Properties, number, optional, page_url, text
from registry.core.models import AuditEvent
from registry.core.outbox import Message

VERSION: Properties = {
    "prompt": text("The prompt's name."),
    "version": number("The version's number."),
    "digest": text("The version's digest: 64 lower-case hex digits."),
}
PROMOTION: Properties = {
    "promotion": number("The promotion's id."),
    **VERSION,
    "state": text("Where the promotion is: open, scheduled, suspended, applied, closed, expired or superseded."),
    "author": text("Who opened it."),
    "url": URL,
}
VOTED: Properties = {**PROMOTION, "by": text("Who voted.")}
DEPLOYED: Properties = {
    "prompt": text("The prompt's name."),
    "version": optional(number("What is live now; null where nothing is.")),
    "digest": optional(text("Its digest.")),
    "previous_version": optional(number("What was live before; null where nothing was.")),
    "previous_digest": optional(text("Its digest.")),
    "deployment": number("The deployment's id."),
    "revision": number("The environment's revision with it."),
    "promotion": optional(number("The promotion it ends, if any.")),
    "actor": ACTOR,
    "url": URL,
}
CHECK: Properties = {
    "check": number("The check's id."),
    "prompt": text("The prompt's name."),
    "digest": text("The digest it is about."),
    "versions": {"type": "array", "items": {"type": "integer"}, "description": "The versions that have it."},
    "name": text("Such as `suite/triage` or `external/lint`."),
    "state": text("passed, failed, inconclusive or error."),
    "url": URL,
}
WHERE = "prompt"
DID = {
    "prompt.created": ("created a prompt", WHERE),
    "prompt.changed": ("changed a prompt's description or tags", WHERE),
    "prompt.archived": ("archived a prompt", WHERE),
    "prompt.unarchived": ("took a prompt back out of the archive", WHERE),
    "version.yanked": ("yanked a version", WHERE),
    "label.set": ("set a label", WHERE),
    "label.removed": ("removed a label", WHERE),
}
ENVIRONMENTS = {
    "environment.created": "added an environment",
    "environment.changed": "changed an environment or its policy",
    "environment.frozen": "froze an environment",
    "environment.unfrozen": "ended a freeze",
}
PROMOTIONS = {
    "promotion.scheduled": "scheduled a promotion",
    "promotion.rebased": "rebased a promotion",
}
VOTES = {
    "approve": ("promotion.approved", "approved"),
    "request_changes": ("promotion.changes_requested", "asks for changes to"),
    "withdrawn": ("promotion.vote_withdrawn", "took back a vote on"),
}
ENDED = {
    PromotionState.CLOSED: ("promotion.closed", "Closed"),
    PromotionState.EXPIRED: ("promotion.expired", "Expired"),
    PromotionState.SUPERSEDED: ("promotion.superseded", "Superseded"),
}
MOVED = {
    DeploymentKind.PROMOTION: ("promotion.applied", "promoted"),
    DeploymentKind.ROLLBACK: ("deployment.rolled_back", "rolled back"),
    DeploymentKind.WITHDRAWAL: ("deployment.withdrawn", "took out"),
}


def offer_all() -> None:
    """Put this app's events into the catalogue."""
    created: Properties = {**VERSION, "author": text("Who saved it."), "url": URL}
    events.offer(
        EventType("version.created", "A version was saved.", created, content=True),
        EventType("check.finished", "A check of a version ended.", CHECK),
        EventType("promotion.opened", "Somebody asks to promote a version.", PROMOTION, in_environment=True),
        EventType("promotion.approved", "A reviewer approved a promotion.", VOTED, in_environment=True),
        EventType("promotion.changes_requested", "A reviewer asks for changes.", VOTED, in_environment=True),
        EventType("promotion.vote_withdrawn", "A reviewer took back a vote.", VOTED, in_environment=True),
        EventType("promotion.suspended", "A scheduled promotion was suspended.", PROMOTION, in_environment=True),
        EventType("promotion.overridden", "Blockers of a promotion were overridden.", PROMOTION, in_environment=True),
        EventType("promotion.commented", "Somebody commented on a promotion.", PROMOTION, in_environment=True),
        EventType("promotion.closed", "A promotion was closed without going live.", PROMOTION, in_environment=True),
        EventType(
            "promotion.expired", "A promotion was touched by nobody for two weeks.", PROMOTION, in_environment=True
        ),
        EventType("promotion.superseded", "A promotion's content went live otherwise.", PROMOTION, in_environment=True),
        EventType("promotion.applied", "A promotion made a version live.", DEPLOYED, in_environment=True),
        EventType("deployment.rolled_back", "An earlier deployment is live again.", DEPLOYED, in_environment=True),
        EventType(
            "deployment.withdrawn",
            "A prompt was taken out of an environment: nothing is live.",
            DEPLOYED,
            in_environment=True,
        ),
    )
    for event, (did, page) in DID.items():
        events.offer_audited(event, did, page=page, by="name")
    cleared = "let content that was rolled back be promoted again"
    events.offer_audited(
        "quarantine.cleared", cleared, page=WHERE, by="name", where=lambda row: str(row.facts["environment"])
    )
    for event, did in ENVIRONMENTS.items():
        events.offer_audited(event, did, page="environment", by="name", where=_itself)
    # One that is archived has no page any more.
    events.offer_audited("environment.archived", "archived an environment", page="settings_environments", where=_itself)
    for event, did in PROMOTIONS.items():
        events.offer_audited(event, did, page="promotion", by="id", where=_of_promotion)


def _itself(row: AuditEvent) -> str:
    return row.subject_name


def _of_promotion(row: AuditEvent) -> str:
    return Promotion.objects.select_related("environment").get(pk=row.subject_id).environment.name


def version_created(message: Message) -> Happened:
    """A version, with its texts for endpoints that chose them."""
    version = PromptVersion.objects.select_related("prompt__workspace").get(pk=message.id("version_id"))
    data = {**_version(version), "author": version.author_name}
    said = f"{version.author_name} saved {version.prompt.name} v{version.number}"
    url = page_url("version", version.prompt.workspace.slug, version.prompt.name, version.number)
    content: dict[str, JSON] = json.loads(version.content)
    return Happened("version.created", said, url, data, content=content)


def check_finished(message: Message) -> Happened:
    """A check with its verdict."""
    check = VersionCheck.objects.select_related("prompt__workspace").get(pk=message.id("check_id"))
    numbers = check.prompt.versions.filter(digest=check.digest).order_by("number").values_list("number", flat=True)
    versions: list[JSON] = [*numbers]
    data: dict[str, JSON] = {
        "check": check.pk,
        "prompt": check.prompt.name,
        "digest": check.digest,
        "versions": versions,
        "name": check.name,
        "state": check.state,
    }
    said = f"{check.name} {check.state} for {check.prompt.name} v{versions[-1] if versions else '?'}"
    return Happened("check.finished", said, page_url("prompt", check.prompt.workspace.slug, check.prompt.name), data)


def promotion_opened(message: Message) -> Happened:
    """A promotion that waits for its gates and reviewers."""
    row = _promotion(message)
    return _about(row, "promotion.opened", f"{row.author_name} {how_it_opens(policy_of(row))} {_what(row)}")


def promotion_voted(message: Message) -> Happened | None:
    """A vote; what an admin dismisses is told as no event."""
    row = _promotion(message)
    vote = Approval.objects.get(pk=message.id("approval_id"))
    if vote.vote not in VOTES:
        return None
    event, did = VOTES[vote.vote]
    return _about(row, event, f"{vote.member_name} {did} {_what(row)}", {"by": vote.member_name})


def promotion_ended(message: Message) -> Happened | None:
    """An end other than going live."""
    row = _promotion(message)
    found = ENDED.get(PromotionState(row.state))
    return _about(row, found[0], f"{found[1]}: {_what(row)}") if found else None


def deployed(message: Message) -> Happened:
    """What is live has changed."""
    row = Deployment.objects.select_related("prompt__workspace", "environment", "version", "previous__version").get(
        pk=message.id("deployment_id")
    )
    event, did = MOVED[DeploymentKind(row.kind)]
    before = row.previous.version if row.previous else None
    data: dict[str, JSON] = {
        "prompt": row.prompt.name,
        "version": row.version.number if row.version else None,
        "digest": row.version.digest if row.version else None,
        "previous_version": before.number if before else None,
        "previous_digest": before.digest if before else None,
        "deployment": row.pk,
        "revision": row.revision,
        "promotion": row.promotion_id,
        "actor": {"kind": row.actor_kind, "name": row.actor_name},
    }
    what = f"{row.prompt.name} v{row.version.number}" if row.version else row.prompt.name
    where = row.environment.name
    url = page_url("environment", row.prompt.workspace.slug, where)
    is_gone = row.kind == DeploymentKind.WITHDRAWAL
    said = f"took {what} out of {where}" if is_gone else f"{did} {what} in {where}"
    return Happened(event, f"{row.actor_name} {said}", url, data, environment=where)


def _simple(event: str, words: str) -> Callable[[Message], Happened]:
    def translate(message: Message) -> Happened:
        row = _promotion(message)
        return _about(row, event, f"{words} {_what(row)}")

    return translate


TRANSLATED: dict[str, Callable[[Message], Happened | None]] = {
    "version.created": version_created,
    "check.finished": check_finished,
    "promotion.opened": promotion_opened,
    "promotion.voted": promotion_voted,
    "promotion.ended": promotion_ended,
    "promotion.suspended": _simple("promotion.suspended", "Suspended:"),
    "promotion.overridden": _simple("promotion.overridden", "Blockers were overridden:"),
    "promotion.commented": _simple("promotion.commented", "A comment on"),
    "deployment.created": deployed,
}


def _about(row: Promotion, event: str, said: str, more: dict[str, JSON] | None = None) -> Happened:
    data: dict[str, JSON] = {
        "promotion": row.pk,
        "prompt": row.prompt.name,
        "version": row.version.number,
        "digest": row.version.digest,
        "state": row.state,
        "author": row.author_name,
        **(more or {}),
    }
    url = page_url("promotion", row.prompt.workspace.slug, row.pk)
    return Happened(event, said, url, data, environment=row.environment.name)


def _promotion(message: Message) -> Promotion:
    rows = Promotion.objects.select_related("prompt__workspace", "version", "environment")
    return rows.get(pk=message.id("promotion_id"))


def _what(row: Promotion) -> str:
    return f"{row.prompt.name} v{row.version.number} to {row.environment.label}"


def _version(version: PromptVersion) -> dict[str, JSON]:
    return {"prompt": version.prompt.name, "version": version.number, "digest": version.digest}
