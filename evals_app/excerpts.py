"""Answers in short, as lists show them; those that were purged say so."""

from django.db.models import Case, Value, When
from django.db.models.functions import Left

EXCERPT = 240
PURGED = "(purged)"


def excerpt() -> Case:
    """The beginning of a result's output, for `values_list`."""
    return Case(When(purge=None, then=Left("output", EXCERPT)), default=Value(PURGED))
