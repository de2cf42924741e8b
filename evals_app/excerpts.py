"""Answers in short, as lists show them; those that were purged say so."""

from django.db.models import Case, F, TextField, Value, When
from django.db.models.functions import Concat, Left, Length
from django.db.models.lookups import GreaterThan

EXCERPT = 240
PURGED = "(purged)"


def excerpt() -> Case:
    """A result's output, for `values_list`; of a longer one the beginning and an ellipsis."""
    is_longer = GreaterThan(Length("output"), EXCERPT)
    return Case(
        When(purge__isnull=False, then=Value(PURGED)),
        When(is_longer, then=Concat(Left("output", EXCERPT - 1), Value("…"), output_field=TextField())),
        default=F("output"),
        output_field=TextField(),
    )
