"""Taking the audit log out as a file, which the log itself tells of."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction

from registry.core import audit
from registry.core.actor import Actor
from registry.core.audit_queries import FORMS, AuditChoice, events_until
from registry.core.errors import invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission, require


@dataclass(frozen=True)
class ExportedLog:
    """A log as it is written: the file's name, its media type, its text in pieces."""

    name: str
    media: str
    pieces: Iterable[str]


def export_audit(actor: Actor, choice: AuditChoice, *, form: str) -> ExportedLog:
    """What fits of the actor's log, oldest first, as `jsonl` or `csv`: all that came before the row that this leaves.

    Nothing is read before the pieces are asked for.
    """
    require(actor, Permission.ADMINISTER)
    if form not in FORMS:
        raise invalid_field("form", "choice", f"The log is written as {' or '.join(FORMS)}.")
    workspace = Workspace.objects.get(pk=actor.workspace_id)
    with transaction.atomic():
        row = audit.record(
            actor,
            "audit.exported",
            subject_type="workspace",
            subject_id=workspace.pk,
            subject_name=workspace.slug,
            detail={"form": form, "chosen": choice.to_json()},
        )
    media, write = FORMS[form]
    events = events_until(actor.workspace_id, choice, sequence=row.sequence)
    return ExportedLog(f"{workspace.slug}-audit.{form}", media, write(events))
