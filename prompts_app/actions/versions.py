"""Versions: saved for good, yanked with a reason; and drafts, which are nobody's business but their writer's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import F

from prompts_app.actions.applying import evidence_of
from prompts_app.actions.moving import Moved, lock_places, move
from prompts_app.actions.prompts import checked_text, date_of, searchable
from prompts_app.content import (
    TemplateSource,
    VersionContent,
    content_digest,
    parse_content,
    texts,
)
from prompts_app.facts import current_policy, judge_automatic
from prompts_app.gates import standing
from prompts_app.includes import IncludeTag, ResolvedInclude, expand
from prompts_app.models import (
    DeploymentKind,
    Draft,
    Environment,
    LivePointer,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
    VersionYank,
)
from prompts_app.patterns import patterns_in
from prompts_app.sandbox import client as sandbox
from prompts_app.variables import effective_schema
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.canonical import JSON
from registry.core.clock import database_now
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.models import Member
from registry.core.permissions import Permission, require


@dataclass(frozen=True)
class SavedVersion:
    """What a save came to: `is_new` is False where the newest version says the same already."""

    version: PromptVersion
    is_new: bool
    moved: tuple[Moved, ...] = ()


def create_version(
    actor: Actor,
    prompt: Prompt,
    content: Mapping[str, JSON],
    *,
    message: str = "",
    based_on: int | None = None,
    written_at: datetime | None = None,
) -> SavedVersion:
    """Save `content` (the content fields of the API) as the next version, and promote it where that is automatic.

    Raises Invalid for content that is not acceptable, Conflict `prompt.archived` and `version.conflict` (naming the
    newest, when `based_on` is given and is not it). `written_at` dates a version whose history was written elsewhere, not
    before the version it follows; callers on the network never choose it.
    """
    require(actor, Permission.WRITE)
    checked_text("message", message)
    written, resolved = prepare(prompt, content)
    body = json.dumps(resolved.to_json(), ensure_ascii=False)
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
        newest = newest_version(prompt)
        digest = content_digest(resolved)
        if newest is not None and newest.digest == digest:
            return SavedVersion(newest, is_new=False)
        _refuse_conflicts(prompt, newest, based_on)
        version = PromptVersion(
            prompt=prompt,
            number=prompt.last_number + 1,
            digest=digest,
            content=body,
            source="" if written == resolved.source else _source_json(written),
            message=message,
            author_id=actor.member_id,
            author_name=Member.objects.select_related("user").get(pk=actor.member_id).user.name,
            key_name=actor.name if actor.kind == "key" else "",
            based_on=newest.number if newest else None,
            created_at=date_of(written_at, after=newest.created_at if newest else None),
        )
        Prompt.objects.filter(pk=prompt.pk).update(
            last_number=F("last_number") + 1,
            searchable=searchable(prompt, f"{version.author_name}\n{'\n'.join(texts(written))}"),
        )
        version.save(force_insert=True)
        version.refresh_from_db()
        moved = _promote_automatically(actor, version)
        _record(actor, version, before=newest.digest if newest else "")
    return SavedVersion(version, is_new=True, moved=moved)


def prepare(prompt: Prompt, content: Mapping[str, JSON]) -> tuple[TemplateSource, VersionContent]:
    """The source as written, and the content as it will be served: includes expanded, variables worked out.

    Raises Invalid for whatever is not acceptable; asks the sandbox, so call it outside of locks.
    """
    parsed = parse_content(prompt.kind, dict(content))
    expanded = expand(parsed.source, lambda tag: _resolve(prompt.workspace_id, tag), own_name=prompt.name)
    schema = effective_schema(parsed.variables, sandbox.inspect(expanded.source))
    sandbox.refuse_patterns(patterns_in(schema, "variables"))
    resolved = replace(parsed, source=expanded.source, variables=schema, includes=expanded.pins)
    return parsed.source, resolved


@transaction.atomic
def yank_version(
    actor: Actor, version: PromptVersion, *, reason: str, written_at: datetime | None = None
) -> VersionYank:
    """Withdraw a version for good; raises Conflict where it is live, and where it was yanked before.

    `written_at` dates a withdrawal of a history written elsewhere; callers on the network never choose it.
    """
    require(actor, Permission.CURATE)
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why this version is yanked.")
    prompt = Prompt.objects.select_for_update(no_key=True).get(pk=version.prompt_id)
    environments = list(Environment.objects.in_workspace(prompt.workspace_id))
    live_in = [p.environment for p in lock_places(prompt, environments) if p.live_version == version]
    if live_in:
        raise Conflict(
            "version.live",
            f"It is live in {', '.join(one.label for one in live_in)}: go back or take it out there first.",
            environments=[one.name for one in live_in],
        )
    if VersionYank.objects.filter(version=version).exists():
        raise Conflict("version.yanked", "This version was yanked before.")
    yank = VersionYank.objects.create(
        version=version, reason=checked_text("reason", reason), by_id=actor.member_id, at=date_of(written_at)
    )
    audit.record(
        actor,
        "version.yanked",
        subject_type="prompt",
        subject_id=prompt.pk,
        subject_name=prompt.name,
        before=version.digest,
        detail={"version": version.number, "reason": reason},
    )
    announce("prompt", workspace_id=prompt.workspace_id, prompt=prompt.name)
    return yank


@transaction.atomic
def save_draft(
    actor: Actor,
    prompt: Prompt,
    content: Mapping[str, JSON],
    *,
    message: str = "",
    based_on: int | None = None,
    seen: str | None = None,
) -> Draft:
    """Keep what a person has typed, acceptable or not; one draft per person and prompt.

    `seen` is the stamp of the draft that this goes on from, "" for none: Conflict `draft.moved` where there is another one
    meanwhile, as from a second window. None: it takes the place of whatever there is.
    """
    require(actor, Permission.WRITE)
    text = json.dumps(dict(content), ensure_ascii=False)
    checked_text("content", text)
    if seen is not None:
        prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
        there = Draft.objects.filter(prompt=prompt, member_id=actor.member_id).first()
        if there is not None and there.stamp != seen:
            detail = "You have kept another draft of this prompt meanwhile, in another window."
            raise Conflict("draft.moved", detail, at=there.stamp)
    draft, _ = Draft.objects.update_or_create(
        prompt=prompt,
        member_id=actor.member_id,
        defaults={"content": text, "message": message, "based_on": based_on, "updated_at": database_now()},
    )
    draft.refresh_from_db()
    return draft


def discard_draft(actor: Actor, prompt: Prompt) -> None:
    """Forget the person's draft, if there is one."""
    require(actor, Permission.WRITE)
    Draft.objects.filter(prompt=prompt, member_id=actor.member_id).delete()


def newest_version(prompt: Prompt) -> PromptVersion | None:
    """The version with the highest number; None before the first."""
    return PromptVersion.objects.filter(prompt=prompt).select_related("prompt").order_by("-number").first()


def find_version(prompt: Prompt, number: int) -> PromptVersion:
    """One version by its number; raises NotFound."""
    version = PromptVersion.objects.filter(prompt=prompt, number=number).select_related("prompt", "yank").first()
    if version is None:
        raise NotFound("version.not_found", f"{prompt.name} has no version {number}.")
    return version


def _record(actor: Actor, version: PromptVersion, *, before: str) -> None:
    detail: dict[str, JSON] = {
        "version": version.number,
        "message": version.message,
        "written_at": version.created_at.isoformat(),
    }
    audit.record(
        actor,
        "version.created",
        subject_type="prompt",
        subject_id=version.prompt_id,
        subject_name=version.prompt.name,
        before=before,
        after=version.digest,
        detail=detail,
    )
    payload: dict[str, JSON] = {"prompt_id": version.prompt_id, "version_id": version.pk}
    outbox.send(version.prompt.workspace_id, "version.created", payload)
    announce("prompt", workspace_id=version.prompt.workspace_id, prompt=version.prompt.name)


def _promote_automatically(actor: Actor, version: PromptVersion) -> tuple[Moved, ...]:
    """Make a new version live wherever the policy says so and nothing is in the way."""
    environments = Environment.objects.in_workspace(version.prompt.workspace_id)
    automatic = [environment for environment in environments if current_policy(environment).load().auto_apply]
    moved = []
    for place in lock_places(version.prompt, automatic) if automatic else []:
        environment = place.environment
        policy = current_policy(environment)  # again: only under the locks it stands still
        rules = policy.load()
        judgement = judge_automatic(version, environment, rules)
        if not rules.auto_apply or standing(judgement.blockers):
            continue
        promotion = Promotion.objects.create(
            prompt=version.prompt,
            version=version,
            environment=environment,
            title=f"Automatic: version {version.number}",
            state=PromotionState.APPLIED,
            base=place.live,
            policy_opened=policy,
            author_id=actor.member_id,
            author_name=version.author_name,
            key_name=version.key_name,
        )
        done = move(
            place,
            version,
            kind=DeploymentKind.PROMOTION,
            actor=actor,
            promotion=promotion,
            evidence=evidence_of(judgement),
            detail={"automatic": True},
        )
        Promotion.objects.filter(pk=promotion.pk).update(
            deployment=done.deployment, ended_at=done.deployment.created_at
        )
        moved.append(done)
    return tuple(moved)


def _refuse_conflicts(prompt: Prompt, newest: PromptVersion | None, based_on: int | None) -> None:
    if prompt.is_archived:
        raise Conflict("prompt.archived", "This prompt is archived: unarchive it to add versions.")
    number = newest.number if newest else None
    if based_on is not None and based_on != number:
        detail = f"You started from version {based_on}, the newest is {number}: look at what changed and save again."
        raise Conflict("version.conflict", detail, newest=number)


def _resolve(workspace_id: int, tag: IncludeTag) -> ResolvedInclude:
    """The version an include tag names: by number, what is live in the environment that its label names, or a free label."""
    rows = (
        PromptVersion.objects.in_workspace(workspace_id).filter(prompt__name=tag.name).select_related("prompt", "yank")
    )
    if tag.version is not None:
        version = rows.filter(number=tag.version).first()
    elif tag.label == "latest":
        version = rows.order_by("-number").first()
    else:
        live = LivePointer.objects.live().filter(prompt__name=tag.name, environment__name=tag.label)
        version = rows.filter(pk__in=live.values("deployment__version")).first()
        if version is None and not Environment.objects.filter(workspace_id=workspace_id, name=tag.label).exists():
            version = rows.filter(free_labels__name=tag.label).first()
    if version is None:
        where = f"version {tag.version}" if tag.version else f"a version live in or labelled {tag.label}"
        raise Invalid("include.not_found", f"The include of {tag.name} finds no {where}.")
    if hasattr(version, "yank"):
        raise Invalid("include.yanked", f"Version {version.number} of {tag.name} was yanked: include another one.")
    text = version.editable().get("text")
    pins = version.load().includes
    return ResolvedInclude(
        tag.name, version.number, version.digest, text if isinstance(text, str) else "", version.prompt.kind, pins
    )


def _source_json(source: TemplateSource) -> str:
    if source.messages is None:
        return json.dumps({"text": source.text}, ensure_ascii=False)
    return json.dumps({"messages": [turn.to_json() for turn in source.messages]}, ensure_ascii=False)
