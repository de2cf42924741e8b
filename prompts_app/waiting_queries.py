"""How many promotions wait for somebody to vote, to promote or to look at, for every page they look at: asked again only
once something has changed."""

from datetime import date
from functools import lru_cache

from django.db.models import CharField, Count, F, Func, Max, OuterRef, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.utils import timezone

from prompts_app.models import (
    PENDING,
    CheckDefinitionChange,
    Environment,
    Override,
    PolicyVersion,
    Promotion,
    VersionCheck,
)
from prompts_app.pending_queries import INBOX_SIZE, known_of, pending_in, with_evidence
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows

type Marks = tuple[tuple[str | int | None, ...], ...]


def marks() -> dict[str, Combinable]:
    """For a query of environments: marks of which one changes whenever it may change for whom a promotion waits there.
    Promotions opened, ended, changed or voted on; overrides that nobody has looked at; evidence posted on what they ask for;
    rules; what is live; suites edited.

    None comes back to what it was: ids and stamps only grow, so that as many open promotions of the same sum of ids are the same
    ones, and with the same sum of stamps they are as they were; an override that somebody has looked at stays so.
    """
    there = Promotion.objects.pending().filter(environment=OuterRef("pk")).order_by().values("environment")
    rules = PolicyVersion.objects.filter(environment=OuterRef("pk")).order_by("-number").values("number")[:1]
    sums = (Count("pk"), Sum("pk"), Sum("stamp"))
    pending = Func(Value(" "), *sums, function="concat_ws", output_field=CharField())
    unseen = Override.objects.filter(promotion__environment=OuterRef("pk"), reviewed_at=None).order_by()
    overridden = Func(Value(" "), *sums[:2], function="concat_ws", output_field=CharField())
    overrides = unseen.values("promotion__environment").annotate(mark=overridden).values("mark")
    posted = VersionCheck.objects.filter(
        prompt__promotions__environment=OuterRef("pk"),
        prompt__promotions__state__in=PENDING,
        digest=F("prompt__promotions__version__digest"),
    ).order_by()
    evidence = posted.values("prompt__promotions__environment").annotate(mark=Max("pk")).values("mark")
    edits = CheckDefinitionChange.objects.filter(definition__workspace=OuterRef("workspace")).order_by()
    return {
        "pending_mark": Subquery(there.annotate(mark=pending).values("mark")),
        "overrides_mark": Subquery(overrides),
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
    """How many promotions the inbox lists as this person's to vote on, again or for the first time, to promote, or to look at
    since they were overridden. `now` are the marks of the workspace's environments, those of what is pending and of overrides
    first in each: while they stay as they are, nothing is asked again, but once a day, since evidence grows old."""
    busy = tuple(marked for marked in now if marked[:2] != (None, None))
    if not busy or not allows(actor, Permission.REVIEW):
        return 0
    may_apply = allows(actor, Permission.APPLY)
    return _waiting_count(actor.workspace_id, actor.member_id, may_apply, busy, timezone.now().date())


@lru_cache(maxsize=10_000)
def _waiting_count(workspace_id: int, member_id: int | None, may_apply: bool, now: Marks, today: date) -> int:
    """Seven queries at most, six more for who may promote, and one where an override waits."""
    del today  # with `now` it says how long the answer holds
    pending, _ = pending_in(workspace_id, "prompt", "version")
    pending = [row for row in pending if row.author_id != member_id]
    known = known_of(pending)
    if may_apply:
        known = with_evidence(pending, known)
    count = _to_look_at(workspace_id, member_id) if any(marked[1] for marked in now) else 0
    for row in pending:
        one = known[row.pk]
        is_due = may_apply and one.is_due(row)
        may_vote_anew = member_id not in one.excluded and one.is_stale_for(member_id)
        count += may_vote_anew or one.waits_for(member_id) or is_due
    return count


def _to_look_at(workspace_id: int, member_id: int | None) -> int:
    """How many overrides of others, in promotions of others, nobody has looked at since; one query."""
    unseen = Override.objects.filter(promotion__prompt__workspace=workspace_id, reviewed_at=None)
    newest = unseen.order_by("-promotion_id").values_list("by", "promotion__author")[:INBOX_SIZE]
    return sum(member_id not in concerned for concerned in newest)
