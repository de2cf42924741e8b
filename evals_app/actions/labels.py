"""Labels: what a person says of an answer, set and taken back. They measure judges, and change no verdict."""

import json

from django.db import transaction
from django.db.models.functions import Now

from evals_app.models import Label, Result, ResultLabel, Run
from prompts_app.actions.prompts import checked_text
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.permissions import Permission, require

MOST_NOTE = 2_000


@transaction.atomic
def set_label(actor: Actor, result: Result, *, label: str, scorer: str = "", note: str = "") -> ResultLabel:
    """Say whether an answer passes, as a whole or for one of its scorers; it takes the place of what the member said before.

    Raises Invalid, and Conflict `result.no_answer` where there is an error instead of an answer, or it was purged.
    """
    require(actor, Permission.WRITE)
    if label not in Label.values:
        raise invalid_field("label", "choice", f"One of: {', '.join(Label.values)}.")
    if len(note) > MOST_NOTE:
        raise invalid_field("note", "length", f"A note has at most {MOST_NOTE:,} characters.")
    if result.error:
        raise Conflict("result.no_answer", "There is no answer to label: this one ended in error.")
    if result.purge_id is not None:
        raise Conflict("result.no_answer", "There is no answer to label: this one was purged.")
    if scorer and scorer not in scorers_of(result):
        raise invalid_field("scorer", "choice", "No scorer of that name looked at this answer.")
    said = {
        "label": label,
        "note": checked_text("note", note.strip()),
        "key_name": actor.name if actor.kind == "key" else "",
        "updated_at": Now(),
    }
    row, _ = ResultLabel.objects.update_or_create(
        result=result, member_id=actor.member_id, scorer=scorer, defaults=said
    )
    _record(actor, "result.labelled", result, {"label": label, "scorer": scorer})
    row.refresh_from_db()
    return row


@transaction.atomic
def remove_label(actor: Actor, result: Result, *, scorer: str = "") -> None:
    """Take back what the member said; raises NotFound where they said nothing."""
    require(actor, Permission.WRITE)
    row = ResultLabel.objects.filter(result=result, member_id=actor.member_id, scorer=scorer).first()
    if row is None:
        raise NotFound("label.not_found", "You have not labelled this answer.")
    row.delete()
    _record(actor, "result.label_removed", result, {"label": row.label, "scorer": scorer})


def find_result(run: Run, pk: int) -> Result:
    """One answer of a run, with its case and its run; raises NotFound."""
    row = Result.objects.filter(run=run, pk=pk).select_related("case", "run__prompt").first()
    if row is None:
        raise NotFound("result.not_found", "This run has no such result.")
    return row


def scorers_of(result: Result) -> list[str]:
    """The names of the scorers that looked at an answer."""
    return [str(score["name"]) for score in json.loads(result.scores)]


def _record(actor: Actor, event: str, result: Result, said: dict[str, JSON]) -> None:
    detail: dict[str, JSON] = {
        "result": result.pk,
        "case": result.case.key,
        "arm": result.arm,
        "repeat": result.repeat,
        **said,
    }
    audit.record(
        actor,
        event,
        subject_type="run",
        subject_id=result.run_id,
        subject_name=f"run {result.run_id} on {result.run.prompt.name}",
        detail=detail,
    )
