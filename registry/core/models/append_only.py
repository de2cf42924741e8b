"""Rows that are written once: a rule of the database, for whoever connects with whatever code."""

import pgtrigger
from django.db import models


def append_only_triggers() -> list[pgtrigger.Trigger]:
    """Triggers that refuse UPDATE, DELETE and TRUNCATE, for a model's `Meta.triggers`."""
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name="no_truncate",
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            func="RAISE EXCEPTION 'this table is append-only';",
        ),
    ]


class AppendOnly(models.Model):
    """Base of append-only tables; the application's role gets neither UPDATE nor DELETE on them."""

    class Meta:
        abstract = True
        triggers = append_only_triggers()


def append_only_models() -> list[type[models.Model]]:
    """Every concrete append-only model, for grants and checks."""
    from django.apps import apps

    return [model for model in apps.get_models() if issubclass(model, AppendOnly)]
