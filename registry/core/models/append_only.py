"""Rows that are written once: a rule of the database, for whoever connects with whatever code."""

from typing import ClassVar

import pgtrigger
from django.db import models

# What `pgtrigger.Protect` says.
REFUSED = "RAISE EXCEPTION 'pgtrigger: Cannot update or delete rows from % table', TG_TABLE_NAME;"


def append_only_triggers(*, lets_pass: str = "") -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE, for a model's `Meta.triggers`.

    `lets_pass` is a condition over OLD and NEW: an UPDATE for which it is true is let through.
    """
    changes = pgtrigger.Update | pgtrigger.Delete
    first: pgtrigger.Trigger = pgtrigger.Protect(name="append_only", operation=changes)
    if lets_pass:
        func = f"IF TG_OP = 'UPDATE' THEN IF ({lets_pass}) THEN RETURN NEW; END IF; END IF; {REFUSED}"
        first = pgtrigger.Trigger(name="append_only", when=pgtrigger.Before, operation=changes, func=func)
    return [
        first,
        pgtrigger.Trigger(
            name="no_truncate",
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            func="RAISE EXCEPTION 'this table is append-only';",
        ),
    ]


class AppendOnly(models.Model):
    """Base of append-only tables; the application's role gets neither UPDATE nor DELETE on them.

    `purged_columns` are the exception where a text can be purged: the role may write them, and the table's own trigger lets
    nothing pass but a purge.
    """

    purged_columns: ClassVar[tuple[str, ...]] = ()

    class Meta:
        abstract = True
        triggers = append_only_triggers()


def append_only_models() -> list[type[AppendOnly]]:
    """Every concrete append-only model, for grants and checks."""
    from django.apps import apps

    return [model for model in apps.get_models() if issubclass(model, AppendOnly)]
