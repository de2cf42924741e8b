"""How many promotions wait for somebody's vote, for every page they look at: asked again only once something has changed."""

from functools import lru_cache

from django.db.models import CharField, Count, F, Func, Max, OuterRef, Subquery, Sum, Value
from django.db.models.expressions import Combinable

from prompts_app.inbox_queries import known_of, pending_in
from prompts_app.models import CheckDefinitionChange, Environment, PolicyVersion, Promotion
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows

type Marks = tuple[tuple[str | int | None, ...], ...]


def marks() -> dict[str, Combinable]:
    """For a query of environments: marks of which one changes whenever it may change for whom a promotion waits there.
    Promotions opened, ended, changed or voted on; rules; what is live; suites edited.

    None comes back to what it was: ids and stamps only grow, so that as many open promotions of the same sum of ids are the same
    ones, and with the same sum of stamps they are as they were.
    """
    there = Promotion.objects.pending().filter(environment=OuterRef("pk")).order_by().values("environment")
    rules = PolicyVersion.objects.filter(environment=OuterRef("pk")).order_by("-number").values("number")[:1]
    sums = (Count("pk"), Sum("pk"), Sum("stamp"))
    pending = Func(Value(" "), *sums, function="concat_ws", output_field=CharField())
    edits = CheckDefinitionChange.objects.filter(definition__workspace=OuterRef("workspace")).order_by()
    return {
        "pending_mark": Subquery(there.annotate(mark=pending).values("mark")),
        "rules_mark": Subquery(rules),
        "live_mark": F("counter__n"),
        "suites_mark": Subquery(edits.values("definition__workspace").annotate(mark=Max("pk")).values("mark")),
    }


def waits_for(actor: Actor) -> int:
    """How many promotions wait for this person's vote now; one query while nothing has changed."""
    marked = marks()
    rows = Environment.objects.in_workspace(actor.workspace_id).annotate(**marked)
    return waiting_count(actor, tuple(rows.values_list(*marked)))


def waiting_count(actor: Actor, now: Marks) -> int:
    """How many promotions wait for this person's vote, as the inbox lists them. `now` are the marks of the workspace's
    environments, the pending ones first in each: while they stay as they are, nothing is asked again."""
    busy = tuple(marked for marked in now if marked[0] is not None)
    if not busy or not allows(actor, Permission.REVIEW):
        return 0
    return _waiting_count(actor.workspace_id, actor.member_id, busy)


@lru_cache(maxsize=10_000)
def _waiting_count(workspace_id: int, member_id: int | None, now: Marks) -> int:
    """Seven queries at most."""
    del now  # it says how long the answer holds
    pending, _ = pending_in(workspace_id, "prompt", "version")
    pending = [row for row in pending if row.author_id != member_id]
    return sum(one.waits_for(member_id) for one in known_of(pending).values())
