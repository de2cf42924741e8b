"""F36: whoever may write any SQL can change the audit chain, and is found: by the chain, its head, or a checkpoint of before."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from registry.core import audit, checkpoints
from registry.core.actions.restoring import mark_restored
from registry.core.actor import Actor
from registry.core.audit import seal
from registry.core.checkpoints import export_checkpoint, read_checkpoint, witnesses
from registry.core.models import AuditEvent, AuditHead, Workspace
from registry.core.signatures import NotSigned, public_key
from tests.builders import Cast
from tests.scenes import as_superuser

pytestmark = pytest.mark.injects("F36 audit chain tampered with")


@pytest.fixture(autouse=True)
def kept_elsewhere(settings: Any, tmp_path: Path) -> Path:
    settings.AUDIT_CHECKPOINT_DIR = tmp_path / "checkpoints"
    return settings.AUDIT_CHECKPOINT_DIR


@pytest.fixture
def rows(free: Cast) -> list[AuditEvent]:
    """Ten events, with a checkpoint after the last one."""
    made = [
        audit.record(free.ada, "thing.done", subject_type="t", subject_id=n, subject_name=f"{n}") for n in range(10)
    ]
    export_checkpoint()
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # tables with checks that wait cannot be altered
    return made


def found() -> str:
    with pytest.raises(CommandError) as refused:
        call_command("verify_audit", verbosity=0)
    return str(refused.value)


def sql(text: str, *values: Any) -> None:
    with as_superuser() as cursor:
        cursor.execute(text, values)


def rewrite(from_row: AuditEvent, **changes: Any) -> None:
    """Change an event and write all that follows anew, the head too: a chain that holds by itself."""
    previous = from_row.previous_hash
    tail = list(
        AuditEvent.objects.filter(workspace=from_row.workspace, sequence__gte=from_row.sequence).order_by("sequence")
    )
    for row in tail:
        row.previous_hash = previous
        for name, value in changes.items() if row.pk == from_row.pk else ():
            setattr(row, name, value)
        row.hash = previous = seal(row)
        sql(
            "UPDATE core_auditevent SET actor_name = %s, previous_hash = %s, hash = %s WHERE id = %s",
            row.actor_name,
            row.previous_hash,
            row.hash,
            row.pk,
        )
    sql("UPDATE core_audithead SET hash = %s WHERE workspace_id = %s", previous, from_row.workspace_id)


NULLABLE = [name for name in audit.SEALED if name != "sequence"] + ["at", "hash", "previous_hash"]


@pytest.mark.parametrize("column", NULLABLE)
def test_a_cell__made_null__names_the_row(rows: list[AuditEvent], column: str) -> None:
    sql(f"ALTER TABLE core_auditevent ALTER COLUMN {column} DROP NOT NULL")
    sql(f"UPDATE core_auditevent SET {column} = NULL WHERE id = %s", rows[3].pk)
    assert f"row {rows[3].pk}" in found()


def test_a_number__made_null__names_the_row_after_it(rows: list[AuditEvent]) -> None:
    sql("ALTER TABLE core_auditevent ALTER COLUMN sequence DROP NOT NULL")
    sql("UPDATE core_auditevent SET sequence = NULL WHERE id = %s", rows[3].pk)
    assert f"row {rows[4].pk}" in found()


def delete_and_close_up(rows: list[AuditEvent]) -> None:
    sql("DELETE FROM core_auditevent WHERE id = %s", rows[3].pk)
    for row in rows[4:]:
        sql("UPDATE core_auditevent SET sequence = sequence - 1 WHERE id = %s", row.pk)
    sql("UPDATE core_audithead SET sequence = sequence - 1 WHERE workspace_id = %s", rows[0].workspace_id)


def swap(rows: list[AuditEvent]) -> None:
    for number, row in ((10**6, rows[3]), (rows[3].sequence, rows[4]), (rows[4].sequence, rows[3])):
        sql("UPDATE core_auditevent SET sequence = %s WHERE id = %s", number, row.pk)


def insert(rows: list[AuditEvent]) -> None:
    for row in reversed(rows[4:]):
        sql("UPDATE core_auditevent SET sequence = sequence + 1 WHERE id = %s", row.pk)
    sql(
        "INSERT INTO core_auditevent (workspace_id, sequence, event, actor_kind, actor_id, actor_name, subject_type, subject_id,"
        " subject_name, before, after, detail, request_id, address, at, previous_hash, hash) SELECT workspace_id, sequence + 1,"
        " 'thing.forged', actor_kind, actor_id, actor_name, subject_type, subject_id, subject_name, before, after, detail,"
        " request_id, address, at, hash, repeat('0', 64) FROM core_auditevent WHERE id = %s",
        rows[3].pk,
    )


DONE: dict[str, tuple[Callable[[list[AuditEvent]], None], int | None]] = {
    "edited": (lambda rows: sql("UPDATE core_auditevent SET actor_name = 'M' WHERE id = %s", rows[3].pk), 3),
    "deleted": (lambda rows: sql("DELETE FROM core_auditevent WHERE id = %s", rows[3].pk), 4),
    "deleted and the numbers closed up": (delete_and_close_up, 4),
    "two swapped": (swap, 4),
    "one put in": (insert, None),
}


@pytest.mark.parametrize("what", DONE)
def test_rows__changed_by_hand__are_located(rows: list[AuditEvent], what: str) -> None:
    change, at = DONE[what]
    change(rows)
    bad = rows[at].pk if at is not None else AuditEvent.objects.get(event="thing.forged").pk
    assert f"row {bad} " in found()


def cut(rows: list[AuditEvent], keep: int) -> None:
    """Cut the tail, and set the head back as if it had never been."""
    last = rows[keep - 1]
    sql("DELETE FROM core_auditevent WHERE id > %s AND workspace_id = %s", last.pk, last.workspace_id)
    sql(
        "UPDATE core_audithead SET sequence = %s, hash = %s WHERE workspace_id = %s",
        last.sequence,
        last.hash,
        last.workspace_id,
    )


def test_the_tail__cut_with_the_head__is_found_by_a_checkpoint_only(
    rows: list[AuditEvent], kept_elsewhere: Path
) -> None:
    cut(rows, 6)
    assert f"the chain ends at {rows[5].sequence}" in found()
    for path in kept_elsewhere.iterdir():
        path.rename(path.with_name("elsewhere.json"))
    call_command("verify_audit", verbosity=0)
    with pytest.raises(CommandError, match="has seen event"):
        call_command("verify_audit", verbosity=0, checkpoint=[kept_elsewhere / "elsewhere.json"])


def test_the_whole_chain__written_anew__is_found_by_a_checkpoint(rows: list[AuditEvent]) -> None:
    rewrite(rows[2], actor_name="Mallory")
    assert audit.verify_chain(rows[0].workspace_id).ok
    assert f"row {rows[9].pk} is not event {rows[9].sequence}" in found()


def test_a_workspace__gone__is_found_by_a_checkpoint(rows: list[AuditEvent]) -> None:
    known = witnesses([read_checkpoint(path) for path in checkpoints.exported()])
    assert known[rows[0].workspace_id][rows[9].sequence].hash == rows[9].hash
    sql("UPDATE core_workspace SET id = id + 100000 WHERE id = %s", rows[0].workspace_id)
    assert "the workspace is gone" in found()


def test_events__after_the_checkpoint__are_no_harm(free: Cast, rows: list[AuditEvent], capsys: Any) -> None:
    audit.record(free.ada, "thing.done", subject_type="t", subject_id=11, subject_name="11")
    call_command("verify_audit")
    told = capsys.readouterr().out
    assert "held against 1 checkpoints" in told and f"acme: {rows[9].sequence + 1} rows, ok" in told


def test_a_checkpoint__changed_or_signed_by_another__is_no_witness(rows: list[AuditEvent], settings: Any) -> None:
    (path,) = checkpoints.exported()
    path.write_text(path.read_text().replace(rows[9].hash, hashlib.sha256(b"forged").hexdigest()))
    assert "signature does not hold" in found()
    path.unlink()
    settings.SECRET_KEY = "another" * 10
    made, theirs = export_checkpoint(), public_key()
    settings.SECRET_KEY = "the present one" * 5
    assert "not the key of this registry" in found()
    call_command("verify_audit", verbosity=0, signed_by=theirs)
    with pytest.raises(NotSigned):
        read_checkpoint(made)


def test_a_restore__lets_go_of_what_was_later__and_of_nothing_else(rows: list[AuditEvent]) -> None:
    earlier = checkpoints.chain_ends()
    held = tuple(
        checkpoints.ChainEnd(end.workspace_id, end.slug, end.epoch, rows[5].sequence, rows[5].hash)
        if end.workspace_id == rows[0].workspace_id
        else end
        for end in earlier
    )
    cut(rows, 6)
    export_checkpoint(kind=checkpoints.RESTORE, ends=held)
    for workspace in Workspace.objects.all():
        mark_restored(workspace, taken_at=None)
    call_command("verify_audit", verbosity=0)
    cut(rows, 4)
    assert "has seen event" in found()


def test_a_drill_that_writes_into_the_same_folder__lets_nothing_go_here(free: Cast, rows: list[AuditEvent]) -> None:
    """A restore beside the registry says where chains ended at the backup: here more was seen since, and is still owed."""
    at_the_backup = checkpoints.chain_ends()
    for number in range(3):
        audit.record(free.ada, "thing.done", subject_type="t", subject_id=number, subject_name="later")
    made_since = Workspace.objects.create(slug="made-since", name="Made since")
    operator = Actor.system(made_since.pk, "operator")
    audit.record(operator, "thing.done", subject_type="t", subject_id=1, subject_name="1")
    export_checkpoint()
    export_checkpoint(kind=checkpoints.RESTORE, ends=at_the_backup)
    marked = [
        replace(end, sequence=end.sequence + 1, hash=hashlib.sha256(b"of the drill").hexdigest())
        for end in at_the_backup
    ]
    export_checkpoint(kind=checkpoints.RESTORE, ends=marked)
    call_command("verify_audit", verbosity=0)
    cut(rows, 10)
    assert f"has seen event {rows[9].sequence + 3}" in found()
    assert made_since.pk in witnesses(map(read_checkpoint, checkpoints.exported()))


def test_head__forged_alone__is_seen(rows: list[AuditEvent]) -> None:
    AuditHead.objects.filter(workspace=rows[0].workspace).update(sequence=3)
    assert "its head says 3" in found()
