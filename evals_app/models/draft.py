"""What one person has typed of a suite and not saved yet, row by row, and a file that waits to be taken over."""

from collections.abc import Iterable

from django.db import models
from django.db.models.functions import Now

from evals_app.models.suite import Suite
from registry.core.models import Member

LONGEST_KEY = 201


class SuiteDraft(models.Model):
    """A person's own copy of a suite; saving it makes the version.

    `rules` is the JSON text of the form's fields as they were typed, acceptable or not; `names` the variables that have a
    column although no case has a value for them; `next_row` the number that the next row gets.
    """

    suite = models.ForeignKey(Suite, on_delete=models.CASCADE, related_name="drafts")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    rules = models.TextField()
    names = models.JSONField(default=list)
    based_on = models.PositiveIntegerField()
    next_row = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["suite", "member"], name="one_suite_draft_per_person")]

    def __str__(self) -> str:
        return f"draft of suite {self.suite_id} by {self.member_id}"

    def rows_at(self, places: Iterable[int]) -> dict[int, int]:
        """The number of the row at each place, counted from 0; places past the end are left out. One query."""
        every = list(self.rows.order_by("position").values_list("row", flat=True))
        return {place: every[place] for place in places if place < len(every)}


class DraftCase(models.Model):
    """A row of a draft: `row` names it for good, `position` orders it, `content` is the case's JSON text as typed.

    `key` (its first characters) and `cluster` are repeated as columns, to find keys used twice and to count.
    """

    draft = models.ForeignKey(SuiteDraft, on_delete=models.CASCADE, related_name="rows")
    row = models.PositiveIntegerField()
    position = models.BigIntegerField()
    key = models.CharField(max_length=LONGEST_KEY, blank=True, default="")
    cluster = models.CharField(max_length=LONGEST_KEY, blank=True, default="")
    content = models.TextField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["draft", "row"], name="draft_row_once")]
        indexes = [
            models.Index(fields=["draft", "position"], name="draft_row_by_position"),
            models.Index(fields=["draft", "key"], name="draft_row_by_key"),
        ]

    def __str__(self) -> str:
        return f"row {self.row} of draft {self.draft_id}"


class PendingImport(models.Model):
    """A file that somebody sent and has not taken over yet: its text, and how its columns are to be read (JSON text)."""

    suite = models.ForeignKey(Suite, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="+")
    form = models.CharField(max_length=12)
    name = models.CharField(max_length=200, blank=True, default="")
    text = models.TextField()
    columns = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["suite", "member"], name="one_pending_import_per_person")]

    def __str__(self) -> str:
        return f"import into suite {self.suite_id} by {self.member_id}"
