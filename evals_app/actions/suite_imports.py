"""Files of cases: received, mapped, looked at, taken over into the person's draft."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.db import transaction

from evals_app.actions.suite_drafts import How, add_cases, set_rules
from evals_app.files.columns import COMBINING, USES, Column
from evals_app.files.promptfoo import Note
from evals_app.files.reading import ReadFile, read_file
from evals_app.files.table import FORMS, Form, form_of, storable
from evals_app.models import PendingImport, Suite
from evals_app.queries import offers
from prompts_app.content import TemplateSource
from prompts_app.sandbox import client as sandbox
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.permissions import Permission, require

MOST_TEMPLATES = 200


@dataclass(frozen=True)
class TakenOver:
    """What an import came to: how many cases were put into the draft, how many rows were left out, the draft's size now."""

    added: int
    left_out: int
    total: int


def receive_file(actor: Actor, suite: Suite, text: str, *, name: str = "", form: str = "") -> PendingImport:
    """Keep a file until it is taken over or forgotten; one per person and suite. Raises Invalid for what cannot be read."""
    require(actor, Permission.WRITE)
    if form and form not in FORMS:
        raise invalid_field("form", "choice", f"One of: {', '.join(FORMS)}.")
    kept = storable(text)
    kind = next((one for one in FORMS if one == form), "") or form_of(name, kept)
    read_file(_form(kind), kept)
    pending, _ = PendingImport.objects.update_or_create(
        suite=suite,
        member_id=actor.member_id,
        defaults={"form": kind, "name": _printable(name), "text": kept, "columns": ""},
    )
    return pending


def map_columns(actor: Actor, suite: Suite, columns: Sequence[Column]) -> PendingImport:
    """Say how the columns of the file that waits are read."""
    require(actor, Permission.WRITE)
    pending = find_pending_import(actor, suite)
    for index, column in enumerate(columns):
        if column.use not in {*USES, *COMBINING}:
            raise invalid_field(f"columns[{index}].use", "choice", f"One of: {', '.join(USES)}.")
        if column.use == "variable" and not 0 < len(column.name) <= 100:
            raise invalid_field(f"columns[{index}].name", "length", "A variable has a name of 1 to 100 characters.")
    pending.columns = json.dumps([column.to_json() for column in columns], ensure_ascii=False)
    pending.save(update_fields=["columns"])
    return pending


@transaction.atomic
def take_over(
    actor: Actor, suite: Suite, *, how: How = "append", skip_mistakes: bool = False, with_rules: bool = False
) -> TakenOver:
    """Put the cases of the file that waits into the person's draft, and forget the file.

    Raises Conflict `import.mistakes` where rows have mistakes, unless they are to be left out.
    """
    require(actor, Permission.WRITE)
    pending = find_pending_import(actor, suite)
    read = read_pending(pending)
    if read.reading.mistakes and not skip_mistakes:
        detail = (
            "Some rows have mistakes: correct the file and send it again, or say that these rows are to be left out."
        )
        raise Conflict("import.mistakes", detail)
    if not read.reading.cases:
        raise Conflict("import.empty", "No row of the file can be taken over.")
    cases = [one.case for one in read.reading.cases]
    total = add_cases(actor, suite, cases, how=how)
    if with_rules and read.rules:
        set_rules(actor, suite, read.rules)
    pending.delete()
    return TakenOver(len(cases), read.reading.read - len(cases), total)


def forget_import(actor: Actor, suite: Suite) -> None:
    """Forget the file that waits, if there is one."""
    require(actor, Permission.WRITE)
    PendingImport.objects.filter(suite=suite, member_id=actor.member_id).delete()


def find_pending_import(actor: Actor, suite: Suite) -> PendingImport:
    """The person's file that waits; raises NotFound."""
    pending = PendingImport.objects.filter(suite=suite, member_id=actor.member_id).first()
    if pending is None:
        raise NotFound("import.not_found", "No file of yours waits to be imported into this suite.")
    return pending


def read_pending(pending: PendingImport) -> ReadFile:
    """What the file comes to, its columns read as they were mapped."""
    read = read_file(_form(pending.form), pending.text, mapped(pending), offers(pending.suite.workspace_id))
    return replace(read, notes=(*read.notes, *_refused_templates(read))) if pending.form == "promptfoo" else read


def mapped(pending: PendingImport) -> tuple[Column, ...]:
    """How the columns were mapped; none where nobody did."""
    if not pending.columns:
        return ()
    return tuple(
        Column(one["column"], one["use"], one.get("name", ""), one.get("json", False), one.get("tag", False))
        for one in json.loads(pending.columns)
    )


def _refused_templates(read: ReadFile) -> Iterator[Note]:
    """The templates among scorers' values that may not be rendered here: saving would refuse them."""
    shared = [*_templates(read.rules.get("scorers"))]
    found = dict.fromkeys(shared, 0)
    for one in read.reading.cases:
        for text in _templates(one.case.get("scorers")):
            found.setdefault(text, one.line)
    for text, line in list(found.items())[:MOST_TEMPLATES]:
        try:
            sandbox.inspect(TemplateSource("text", text=text))
        except Invalid as refused:
            yield Note(line, f"the template {text[:80]} cannot be used: {refused.detail}")


def _templates(scorers: JSON) -> Iterator[str]:
    for scorer in scorers if isinstance(scorers, list) else []:
        value = scorer.get("value") if isinstance(scorer, dict) else None
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and any(mark in text for mark in ("{{", "{%", "{#")):
                yield text


def _form(kind: str) -> Form:
    found: Form = "csv"
    for form in FORMS:
        found = form if form == kind else found
    return found


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())[:200]
