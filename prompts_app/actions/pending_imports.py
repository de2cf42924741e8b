"""Imports that somebody looks at before they are taken over: one a person, kept until then."""

import re
from dataclasses import replace

from django.db.models.functions import Now

from prompts_app.actions.imports import Plan, import_histories, import_prompty, plan_import, plan_prompty
from prompts_app.models import ImportSource, PendingPrompts
from prompts_app.transfer.bundle import read_bundle
from prompts_app.transfer.histories import PromptHistory
from prompts_app.transfer.langfuse import read_pulled
from prompts_app.transfer.prompty import read_prompty
from prompts_app.transfer.table import is_table, read_table
from registry.core.actor import Actor
from registry.core.canonical import is_storable
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.models import JobState
from registry.core.permissions import Permission, require, require_person

TEXT_ENDING = re.compile(r"\.(prompty|txt|md)\Z", re.IGNORECASE)


def receive_import(actor: Actor, text: str, *, name: str = "", called: str = "") -> PendingPrompts:
    """Keep a bundle, a table or a Prompty file until it is looked at; it takes the place of what waited. Raises Invalid.

    `name` is the file's; `called` what a Prompty file's prompt shall be called, else as in the file, else as the file.
    """
    require_person(actor)
    require(actor, Permission.WRITE)
    if not is_storable(text):
        raise invalid_field("file", "character", "The file has characters that no text may have: is it a text file?")
    if name.lower().endswith((".yaml", ".yml")):
        raise invalid_field(
            "file", "kind", "A YAML file is no prompt. Prompts and cases of a promptfoo file are imported at a suite."
        )
    source = ImportSource.TABLE if name.lower().endswith((".csv", ".tsv")) else _source_of(text)
    if source is ImportSource.BUNDLE:
        read_bundle(text)
    elif source is ImportSource.TABLE:
        read_table(text)
    else:
        called = read_prompty(text, name=called, otherwise=TEXT_ENDING.sub("", name)).name
    values = {
        "source": source,
        "name": called if source is ImportSource.PROMPTY else name[:500],
        "text": text,
        "state": JobState.DONE,
        "sealed": "",
        "error": "",
        "progress": "",
        "began_at": Now(),
    }
    return PendingPrompts.objects.update_or_create(member_id=actor.member_id, defaults=values)[0]


def find_import(actor: Actor) -> PendingPrompts | None:
    """What waits for the person, if anything does."""
    return PendingPrompts.objects.filter(member_id=actor.member_id).first()


def forget_import(actor: Actor) -> None:
    """Drop what waits; a reading under way ends with it."""
    require_person(actor)
    PendingPrompts.objects.filter(member_id=actor.member_id).delete()


def plan_pending(actor: Actor, pending: PendingPrompts) -> Plan:
    """What taking it over would change; changes nothing."""
    histories = _histories(pending)
    if pending.source == ImportSource.PROMPTY:
        return plan_prompty(actor, histories[0])
    return plan_import(actor, histories)


def take_over(actor: Actor) -> Plan:
    """Import what waits, and forget it. Raises NotFound where nothing waits, Conflict while it is still being read."""
    require_person(actor)
    require(actor, Permission.WRITE)
    pending = find_import(actor)
    if pending is None:
        raise NotFound("import.not_found", "Nothing waits to be imported.")
    if pending.state != JobState.DONE:
        raise Conflict("import.unfinished", "It has not been read to its end.")
    histories = _histories(pending)
    if pending.source == ImportSource.PROMPTY:
        plan = import_prompty(actor, histories[0])
    else:
        plan = import_histories(actor, histories)
    pending.delete()
    return plan


def _source_of(text: str) -> ImportSource:
    """What a file is, by how it begins."""
    if text.lstrip().startswith("{"):
        return ImportSource.BUNDLE
    return ImportSource.TABLE if is_table(text) else ImportSource.PROMPTY


def _histories(pending: PendingPrompts) -> list[PromptHistory]:
    if pending.source == ImportSource.BUNDLE:
        return read_bundle(pending.text)
    if pending.source == ImportSource.PROMPTY:
        return [read_prompty(pending.text, name=pending.name)]
    if pending.source == ImportSource.TABLE:
        return read_table(pending.text)
    return [replace(one, where=f"from {pending.name}") for one in read_pulled(pending.text)]
