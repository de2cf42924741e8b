"""What the role that serves may do, while it is told so."""

from typing import Any

import pytest
from django.db import connection

from registry.core import dbroles
from registry.core.models import append_only_models
from tests.scenes import as_superuser

MAY = "SELECT has_table_privilege('greenroom_app', %s, %s)"


def rights(cursor: Any) -> set[tuple[str, str]]:
    """What it may do to tables that are only written to."""
    found = set()
    for model in append_only_models():
        for right in ("UPDATE", "DELETE", "TRUNCATE"):
            cursor.execute(MAY, [model._meta.db_table, right])
            if cursor.fetchone()[0]:
                found.add((model._meta.db_table, right))
    return found


def test_grants__of_the_role_that_serves__leave_history_alone(db: None) -> None:
    with as_superuser() as cursor:
        dbroles.grant_application_role(connection, "greenroom_app")
        assert rights(cursor) == set()


def test_grants__ended_half_way__have_granted_nothing(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tables are granted first, then history is taken out: in between nobody may be stopped with too much."""

    def killed() -> None:
        raise InterruptedError

    monkeypatch.setattr(dbroles, "append_only_models", killed)
    with as_superuser() as cursor:
        with pytest.raises(InterruptedError):
            dbroles.grant_application_role(connection, "greenroom_app")
        assert rights(cursor) == set()
