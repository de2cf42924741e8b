import hashlib
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction

from registry.core import audit
from registry.core.actions.people import rename_person
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor
from registry.core.audit import verify_chain
from registry.core.canonical import canonical_json
from registry.core.models import AuditEvent, AuditHead, Member
from tests.builders import Cast
from tests.scenes import as_superuser


def chain(cast: Cast, length: int = 6) -> list[AuditEvent]:
    """A chain with a few links on top of what making the cast left."""
    return [
        audit.record(
            cast.ada, "thing.done", subject_type="thing", subject_id=n, subject_name=f"thing {n}", detail={"n": n}
        )
        for n in range(length)
    ]


def test_record__in_the_caller_s_transaction__is_gone_with_it(free: Cast) -> None:
    before = verify_chain(free.workspace.pk).rows
    with transaction.atomic():
        chain(free)
        transaction.set_rollback(True)
    assert verify_chain(free.workspace.pk) == audit.ChainReport(True, before, None)


def test_record__who_and_what__as_it_was(free: Cast) -> None:
    actor = Actor("key", free.workspace.pk, 7, "pipeline", request_id="request-1", address="127.0.0.1")
    row = audit.record(
        actor, "thing.done", subject_type="thing", subject_id="x", subject_name="x", before="b" * 64, after="a" * 64
    )
    assert (row.actor_kind, row.actor_id, row.actor_name, row.request_id, row.address) == (
        "key",
        7,
        "pipeline",
        "request-1",
        "127.0.0.1",
    )
    assert row.previous_hash == AuditEvent.objects.get(workspace=free.workspace, sequence=row.sequence - 1).hash


def test_seal__by_hand__is_sha256_of_the_previous_hash_and_the_canonical_row(free: Cast) -> None:
    row = AuditEvent.objects.get(pk=chain(free)[-1].pk)
    values: dict[str, Any] = {
        "workspace": free.workspace.pk,
        "sequence": row.sequence,
        "event": "thing.done",
        "actor_kind": "member",
        "actor_id": free.ada.id,
        "actor_name": "Ada",
        "subject_type": "thing",
        "subject_id": "5",
        "subject_name": "thing 5",
        "before": "",
        "after": "",
        "detail": '{"n":5}',
        "request_id": "",
        "address": "",
        "at": row.at.isoformat(timespec="microseconds"),
    }
    assert row.hash == hashlib.sha256((row.previous_hash + canonical_json(values)).encode()).hexdigest()


def test_chains__of_two_workspaces__know_nothing_of_each_other(free: Cast) -> None:
    chain(free)
    theirs = verify_chain(free.linus.workspace_id)
    assert theirs.ok
    assert theirs.rows == AuditEvent.objects.filter(workspace=free.linus.workspace_id).count()


EDITS = {
    "event": "'thing.undone'",
    "actor_name": "'Mallory'",
    "actor_id": "actor_id + 1",
    "actor_kind": "'system'",
    "subject_id": "'9'",
    "subject_name": "'another'",
    "subject_type": "'other'",
    "before": "repeat('f', 64)",
    "after": "repeat('f', 64)",
    "detail": "'{\"n\":9}'",
    "at": "at + interval '1 microsecond'",
    "address": "'10.0.0.1'",
    "request_id": "'other'",
    "hash": "repeat('0', 64)",
    "previous_hash": "repeat('0', 64)",
    "sequence": "sequence + 1000",
}


@pytest.mark.parametrize("column", EDITS)
def test_verify__one_cell_changed__names_the_row(free: Cast, column: str) -> None:
    rows = chain(free)
    with as_superuser() as cursor:
        cursor.execute(f"UPDATE core_auditevent SET {column} = {EDITS[column]} WHERE id = %s", [rows[2].pk])
    report = verify_chain(free.workspace.pk)
    assert not report.ok
    assert report.first_bad == (rows[3].pk if column == "sequence" else rows[2].pk)


def test_verify__a_row_deleted__names_the_next(free: Cast) -> None:
    rows = chain(free)
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM core_auditevent WHERE id = %s", [rows[2].pk])
    assert verify_chain(free.workspace.pk).first_bad == rows[3].pk


def test_verify__two_rows_swapped__names_the_first_of_them(free: Cast) -> None:
    rows = chain(free)
    with as_superuser() as cursor:
        for number, pk in ((10**6, rows[2].pk), (rows[2].sequence, rows[3].pk), (rows[3].sequence, rows[2].pk)):
            cursor.execute("UPDATE core_auditevent SET sequence = %s WHERE id = %s", [number, pk])
    assert verify_chain(free.workspace.pk).first_bad == rows[3].pk


def test_verify__the_tail_cut__is_seen_by_the_head(free: Cast) -> None:
    rows = chain(free)
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM core_auditevent WHERE id >= %s", [rows[4].pk])
    report = verify_chain(free.workspace.pk)
    assert (report.ok, report.first_bad) == (False, None)
    assert "ends at" in report.reason


def test_verify__everything_cut_or_the_head_gone__is_seen(free: Cast) -> None:
    chain(free)
    with as_superuser() as cursor:
        cursor.execute("DELETE FROM core_audithead WHERE workspace_id = %s", [free.workspace.pk])
    assert not verify_chain(free.workspace.pk).ok


def test_command__sound_and_broken__answers_by_line_and_exit(free: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    rows = chain(free)
    call_command("verify_audit")
    assert f"acme: {rows[-1].sequence} rows, ok" in capsys.readouterr().out
    with as_superuser() as cursor:
        cursor.execute("UPDATE core_auditevent SET detail = '{}' WHERE id = %s", [rows[1].pk])
    with pytest.raises(CommandError, match=f"row {rows[1].pk} was changed"):
        call_command("verify_audit")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE core_auditevent SET actor_name = 'Mallory'",
        "DELETE FROM core_auditevent",
        "TRUNCATE core_auditevent",
        "ALTER TABLE core_auditevent DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ],
)
def test_rows__by_sql_as_the_application__cannot_be_changed(free: Cast, sql: str) -> None:
    chain(free)
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"), transaction.atomic():
        connection.cursor().execute(sql)
    assert verify_chain(free.workspace.pk).ok


def test_rows__by_the_orm__cannot_be_changed(free: Cast) -> None:
    row = chain(free)[0]
    row.actor_name = "Mallory"
    for attempt in (
        row.save,
        row.delete,
        lambda: AuditEvent.objects.update(actor_name="M"),
        AuditEvent.objects.all().delete,
    ):
        with pytest.raises(ProgrammingError), transaction.atomic():
            attempt()
    assert verify_chain(free.workspace.pk).ok


def test_person__renamed_or_let_go__keeps_their_name_on_rows(free: Cast) -> None:
    row = chain(free)[0]
    ada = Member.objects.select_related("user").get(pk=free.ada.member_id)
    rename_person(free.ada, ada.user, name="Countess")
    change_member(free.olga, ada, is_active=False)
    assert AuditEvent.objects.get(pk=row.pk).actor_name == "Ada"
    assert verify_chain(free.workspace.pk).ok


def test_detail__is_canonical_text(free: Cast) -> None:
    row = audit.record(
        free.ada, "thing.done", subject_type="t", subject_id=1, subject_name="t", detail={"b": 1, "a": "é\u202e"}
    )
    assert row.detail == '{"a":"é\u202e","b":1}'
    assert json.loads(row.detail)["b"] == 1
    assert AuditHead.objects.get(workspace=free.workspace).hash == row.hash
