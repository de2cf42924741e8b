"""Prompts: made, described, archived."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from prompts_app.actions.moving import lock_places
from prompts_app.content import KINDS, check_prompt_name
from prompts_app.facts import current_policy
from prompts_app.models import Environment, Promotion, PromotionState, Prompt
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.canonical import JSON, InvalidJson, check_text
from registry.core.clock import database_now
from registry.core.errors import Conflict, FieldError, Invalid, NotFound, invalid_field
from registry.core.permissions import Permission, require

MAX_TAGS, MAX_TAG = 50, 64
SEARCHABLE_CHARACTERS = 200_000


@transaction.atomic
def create_prompt(
    actor: Actor,
    name: str,
    *,
    kind: str,
    description: str = "",
    tags: Sequence[str] = (),
    written_at: datetime | None = None,
) -> Prompt:
    """A prompt without versions; its name and kind are for good. Raises Conflict `prompt.exists`.

    `written_at` dates a prompt whose history was written elsewhere; callers on the network never choose it.
    """
    require(actor, Permission.WRITE)
    check_prompt_name(name)
    if kind not in KINDS:
        raise invalid_field("kind", "choice", f"A prompt is one of: {', '.join(KINDS)}.")
    prompt = Prompt(
        workspace_id=actor.workspace_id,
        name=name,
        kind=kind,
        description=checked_text("description", description),
        tags=checked_tags(tags),
        created_by_id=actor.member_id,
        created_at=date_of(written_at),
    )
    prompt.searchable = searchable(prompt)
    try:
        with transaction.atomic():
            prompt.save(force_insert=True)
    except IntegrityError:
        raise Conflict(
            "prompt.exists", f"There is a prompt named {name} already: add a version to it.", name=name
        ) from None
    _record(actor, "prompt.created", prompt)
    return prompt


@transaction.atomic
def change_prompt(
    actor: Actor,
    prompt: Prompt,
    *,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    archived: bool | None = None,
    written_at: datetime | None = None,
) -> Prompt:
    """Describe, tag, archive or unarchive; what is left out stays. Nothing is recorded where nothing changes.

    `written_at` dates the archiving of a history written elsewhere; callers on the network never choose it.
    """
    require(actor, Permission.WRITE if archived is None else Permission.CURATE)
    prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
    before = (prompt.description, prompt.tags, prompt.is_archived)
    if archived and not prompt.is_archived:
        _leave_promotions_behind(actor, prompt)
    if archived is not None and archived != prompt.is_archived:
        prompt.archived_at = date_of(written_at) if archived else None
    prompt.description = prompt.description if description is None else checked_text("description", description)
    prompt.tags = prompt.tags if tags is None else checked_tags(tags)
    prompt.searchable = searchable(prompt)
    prompt.save(update_fields=["description", "tags", "archived_at", "searchable"])
    prompt.refresh_from_db()
    if before != (prompt.description, prompt.tags, prompt.is_archived):
        event = "prompt.changed" if archived is None else "prompt.archived" if archived else "prompt.unarchived"
        _record(actor, event, prompt)
        announce("prompt", workspace_id=prompt.workspace_id, prompt=prompt.name)
    return prompt


def find_prompt(workspace_id: int, name: str) -> Prompt:
    """The prompt of that name, archived or not; raises NotFound."""
    prompt = Prompt.objects.in_workspace(workspace_id).filter(name=name).first()
    if prompt is None:
        raise NotFound("prompt.not_found", "This workspace has no prompt of that name.")
    return prompt


def searchable(prompt: Prompt, text: str | None = None) -> str:
    """What search looks through: name, tags, description, and the newest text (None: as it was)."""
    head = " ".join([prompt.name, prompt.name.replace("/", " "), *prompt.tags, prompt.description])
    body = prompt.searchable.partition("\n\n")[2] if text is None else text
    return f"{head.replace('\n\n', '\n')}\n\n{body}"[:SEARCHABLE_CHARACTERS]


def date_of(written_at: datetime | None, *, after: datetime | None = None) -> datetime | Now:
    """When a row was written: now unless told. Raises Invalid for the future, and for a time before `after`."""
    if written_at is None:
        return Now()
    if written_at > database_now() or (after is not None and written_at < after):
        raise invalid_field("written_at", "range", "A time in the past, not before the version it follows.")
    return written_at


def not_in_future(moment: datetime | None) -> datetime | None:
    """A moment of another server's clock, but not of the future."""
    return None if moment is None else min(moment, database_now())


def checked_text(field: str, text: str, *, most: int | None = None) -> str:
    """The text itself, or Invalid naming the character that cannot be stored, or that it is longer than `most`."""
    if most is not None and len(text) > most:
        raise invalid_field(field, "length", f"At most {most} characters.")
    try:
        check_text(text)
    except InvalidJson as problem:
        raise Invalid("invalid", problem.message, errors=[FieldError(field, "character", problem.message)]) from None
    return text


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Tags, each once, in the order given; raises Invalid for empty, long or unprintable ones."""
    found = list(dict.fromkeys(tags))
    if len(found) > MAX_TAGS or any(not tag.strip() or len(tag) > MAX_TAG or not tag.isprintable() for tag in found):
        raise invalid_field("tags", "format", f"At most {MAX_TAGS} tags of 1 to {MAX_TAG} printable characters.")
    return found


def _leave_promotions_behind(actor: Actor, prompt: Prompt) -> None:
    """Refuse while a protected environment serves it; otherwise close what was still to be promoted, under the locks."""
    places = lock_places(prompt, list(Environment.objects.in_workspace(prompt.workspace_id)))
    protected = [p.environment for p in places if p.live and current_policy(p.environment).load().protected]
    if protected:
        raise Conflict(
            "prompt.live",
            f"It is live in {', '.join(one.label for one in protected)}, which is protected: take it out there first.",
            environments=[one.name for one in protected],
        )
    for promotion in (row for place in places for row in place.promotions):
        Promotion.objects.filter(pk=promotion.pk).update(
            state=PromotionState.CLOSED,
            ended_at=Now(),
            stamp=F("stamp") + 1,
            ready_by=None,
            note="the prompt was archived",
        )
        ended: dict[str, JSON] = {"promotion_id": promotion.pk, "by": actor.person_id}
        outbox.send(prompt.workspace_id, "promotion.ended", ended)


def _record(actor: Actor, event: str, prompt: Prompt) -> None:
    audit.record(
        actor,
        event,
        subject_type="prompt",
        subject_id=prompt.pk,
        subject_name=prompt.name,
        detail={"kind": prompt.kind, "description": prompt.description, "tags": list(prompt.tags)},
    )
