"""How many promotions wait for somebody to vote or to apply, for every page they look at: asked again only once something
has changed."""

from datetime import date
from functools import lru_cache

from django.db.models import CharField, Count, F, Func, Max, OuterRef, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.utils import timezone

from prompts_app.models import PENDING, CheckDefinitionChange, Environment, PolicyVersion, Promotion, VersionCheck
from prompts_app.pending_queries import known_of, pending_in, with_evidence
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows

type Marks = tuple[tuple[str | int | None, ...], ...]


def marks() -> dict[str, Combinable]:
    """For a query of environments: marks of which one changes whenever it may change for whom a promotion waits there.
    Promotions opened, ended, changed or voted on; evidence posted on what they ask for; rules; what is live; suites edited.

    None comes back to what it was: ids and stamps only grow, so that as many open promotions of the same sum of ids are the same
    ones, and with the same sum of stamps they are as they were.
    """
    there = Promotion.objects.pending().filter(environment=OuterRef("pk")).order_by().values("environment")
    rules = PolicyVersion.objects.filter(environment=OuterRef("pk")).order_by("-number").values("number")[:1]
    sums = (Count("pk"), Sum("pk"), Sum("stamp"))
    pending = Func(Value(" "), *sums, function="concat_ws", output_field=CharField())
    posted = VersionCheck.objects.filter(
        prompt__promotions__environment=OuterRef("pk"),
        prompt__promotions__state__in=PENDING,
        digest=F("prompt__promotions__version__digest"),
    ).order_by()
    evidence = posted.values("prompt__promotions__environment").annotate(mark=Max("pk")).values("mark")
    edits = CheckDefinitionChange.objects.filter(definition__workspace=OuterRef("workspace")).order_by()
    return {
        "pending_mark": Subquery(there.annotate(mark=pending).values("mark")),
        "rules_mark": Subquery(rules),
        "live_mark": F("counter__n"),
        "evidence_mark": Subquery(evidence),
        "suites_mark": Subquery(edits.values("definition__workspace").annotate(mark=Max("pk")).values("mark")),
    }


def waits_for(actor: Actor) -> int:
    """How many promotions wait for this person now; one query while nothing has changed."""
    marked = marks()
    rows = Environment.objects.in_workspace(actor.workspace_id).annotate(**marked)
    return waiting_count(actor, tuple(rows.values_list(*marked)))


def waiting_count(actor: Actor, now: Marks) -> int:
    """How many promotions the inbox lists as this person's to vote on, again or for the first time, or to apply. `now` are
    the marks of the workspace's environments, the pending ones first in each: while they stay as they are, nothing is asked
    again, but once a day, since evidence grows old."""
    busy = tuple(marked for marked in now if marked[0] is not None)
    if not busy or not allows(actor, Permission.REVIEW):
        return 0
    may_apply = allows(actor, Permission.APPLY)
    return _waiting_count(actor.workspace_id, actor.member_id, may_apply, busy, timezone.now().date())


@lru_cache(maxsize=10_000)
def _waiting_count(workspace_id: int, member_id: int | None, may_apply: bool, now: Marks, today: date) -> int:
    """Seven queries at most, six more for who may apply."""
    del now, today  # they say how long the answer holds
    pending, _ = pending_in(workspace_id, "prompt", "version")
    pending = [row for row in pending if row.author_id != member_id]
    known = known_of(pending)
    if may_apply:
        known = with_evidence(pending, known)
    count = 0
    for row in pending:
        one = known[row.pk]
        is_due = may_apply and one.is_due(row)
        if one.is_stale_for(member_id):
            count += member_id not in one.excluded
        else:
            count += one.waits_for(member_id) or is_due
    return count
