"""Histories written elsewhere: their versions kept as they were, numbers and dates too. None of it goes live by itself."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.prompts import checked_text, not_in_future, searchable
from prompts_app.actions.versions import newest_version
from prompts_app.content import (
    IncludePin,
    TemplateSource,
    VersionContent,
    content_digest,
    parse_content,
    texts,
)
from prompts_app.includes import IncludeTag, ResolvedInclude, distinct_tags, expand
from prompts_app.models import Prompt, PromptVersion
from prompts_app.patterns import patterns_in
from prompts_app.sandbox import client as sandbox
from prompts_app.transfer.histories import PromptHistory, WrittenVersion
from prompts_app.variables import effective_schema
from registry.core import audit
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.errors import Conflict, FieldError, Invalid
from registry.core.models import Member
from registry.core.permissions import Permission, require

type FindVersion = Callable[[IncludePin], ResolvedInclude]


@dataclass(frozen=True)
class Prepared:
    """A version ready to be kept: the source as written, and the content as it will be served."""

    written: WrittenVersion
    source: TemplateSource
    content: VersionContent
    digest: str


def prepare_written(history: PromptHistory, written: WrittenVersion, find: FindVersion) -> Prepared:
    """What a version comes to here: held to every rule that a new one is held to, and against its digest.

    Raises Invalid. `find` gives the version that a pin names. Asks the sandbox, so call it outside of locks.
    """
    parsed = parse_content(history.kind, dict(written.content))
    tags = distinct_tags(parsed.source)
    if len(tags) != len(written.pins):
        raise Invalid("include.pins", f"The text has {len(tags)} includes, {len(written.pins)} are pinned.")
    pinned = {tag.key: pin for tag, pin in zip(tags, written.pins, strict=True)}

    def resolve(tag: IncludeTag) -> ResolvedInclude:
        return find(pinned.get(tag.key) or IncludePin(tag.name, tag.version or 0, ""))

    expanded = expand(parsed.source, resolve, own_name=history.name)
    schema = effective_schema(parsed.variables, sandbox.inspect(expanded.source))
    sandbox.refuse_patterns(patterns_in(schema, "variables"))
    content = replace(parsed, source=expanded.source, variables=schema, includes=expanded.pins)
    digest = content_digest(content)
    if written.digest and digest != written.digest:
        message = "is not what the content comes to here"
        raise Invalid("version.digest", f"The digest {message}.", errors=[FieldError("digest", "digest", message)])
    return Prepared(written, parsed.source, content, digest)


@transaction.atomic
def keep_version(actor: Actor, prompt: Prompt, prepared: Prepared) -> PromptVersion:
    """Keep one version of a history written elsewhere, with its number, date and author's name.

    Nothing is promoted by itself and no suite is run for it. Raises Conflict `version.conflict` where the number is not
    free any more, `prompt.archived`.
    """
    require(actor, Permission.WRITE)
    written = prepared.written
    prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
    if prompt.is_archived:
        raise Conflict("prompt.archived", "This prompt is archived: unarchive it to add versions.")
    if written.number <= prompt.last_number:
        detail = f"Version {written.number} is taken, the newest is {prompt.last_number}: look at what changed."
        raise Conflict("version.conflict", detail, newest=prompt.last_number)
    newest = newest_version(prompt)
    name = written.author or Member.objects.select_related("user").get(pk=actor.member_id).user.name
    version = PromptVersion(
        prompt=prompt,
        number=written.number,
        digest=prepared.digest,
        content=json.dumps(prepared.content.to_json(), ensure_ascii=False),
        source="" if prepared.source == prepared.content.source else _source_text(prepared.source),
        message=checked_text("message", written.message),
        author_id=actor.member_id,
        author_name=checked_text("author", name, most=254),
        key_name=actor.name if actor.kind == "key" else "",
        based_on=_based_on(actor, prompt, written, newest),
        created_at=not_in_future(written.created_at) or Now(),
    )
    words = "\n".join([version.author_name, *texts(prepared.source)])
    Prompt.objects.filter(pk=prompt.pk).update(last_number=written.number, searchable=searchable(prompt, words))
    version.save(force_insert=True)
    version.refresh_from_db()
    _record(actor, prompt, version, before=newest.digest if newest else "")
    announce("prompt", workspace_id=prompt.workspace_id, prompt=prompt.name)
    return version


def _based_on(actor: Actor, prompt: Prompt, written: WrittenVersion, newest: PromptVersion | None) -> int | None:
    """What the history says, where that passes over nobody's versions but the importer's own; else the newest, as for any new one.

    Whoever wrote a version on the way from what is live may not approve: no file can take them off that way.
    """
    rows = PromptVersion.objects.filter(prompt=prompt)
    is_here = written.based_on is None or rows.filter(number=written.based_on).exists()
    mine = {"author": actor.member_id, "key_name": actor.name if actor.kind == "key" else ""}
    passed_over = rows.filter(number__gt=written.based_on or 0).exclude(**mine)
    if is_here and not passed_over.exists():
        return written.based_on
    return newest.number if newest else None


def _record(actor: Actor, prompt: Prompt, version: PromptVersion, *, before: str) -> None:
    audit.record(
        actor,
        "version.imported",
        subject_type="prompt",
        subject_id=prompt.pk,
        subject_name=prompt.name,
        before=before,
        after=version.digest,
        detail={
            "version": version.number,
            "message": version.message,
            "author": version.author_name,
            "written_at": version.created_at.isoformat(),
        },
    )


def _source_text(source: TemplateSource) -> str:
    kept = {name: value for name, value in source.to_json().items() if name != "template_format"}
    return json.dumps(kept, ensure_ascii=False)
