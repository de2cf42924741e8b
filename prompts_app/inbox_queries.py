"""The reviews inbox: what a person can move on, what they asked for, what went stale, each with what to do about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from prompts_app.evaluation import Answer
from prompts_app.models import Promotion, PromotionState
from prompts_app.pending_queries import INBOX_SIZE, Known, known_of, newest, pending_in, with_evidence
from registry.core.actor import Actor
from registry.core.people_queries import People, either, people_of
from registry.core.permissions import Permission, allows

RELATED = ("prompt", "version", "base__version")


@dataclass(frozen=True)
class InboxRow:
    """A promotion for one person: what they could do (`todo`, with its tone), how its evidence and approvals stand."""

    promotion: Promotion
    todo: str
    tone: str
    checks: tuple[Answer, ...]
    approvals: int
    needed: int
    comments: int


@dataclass(frozen=True)
class Inbox:
    """What concerns one person: to vote on, to promote, asked for by them, gone stale among their votes, and what went live
    over what stood in its way and nobody has reviewed; where they had a part in that it is among what they asked for. All but
    the latter waits for them. `is_cut`: there are more open promotions than are looked at."""

    waiting: tuple[InboxRow, ...]
    to_apply: tuple[InboxRow, ...]
    asked: tuple[InboxRow, ...]
    stale: tuple[InboxRow, ...]
    overridden: tuple[InboxRow, ...]
    is_cut: bool = False


def inbox(actor: Actor) -> Inbox:
    """The promotions that a person can move on; fourteen queries at most, whatever their number."""
    people = cache(lambda: people_of(actor.workspace_id))
    pending, is_cut = pending_in(actor.workspace_id, *RELATED)
    known = with_evidence(pending, known_of(pending))
    waiting: list[InboxRow] = []
    to_apply: list[InboxRow] = []
    asked: list[InboxRow] = []
    stale: list[InboxRow] = []
    for promotion in pending:
        one = known[promotion.pk]
        may_vote = allows(actor, Permission.REVIEW) and actor.member_id not in one.excluded
        if may_vote and one.is_stale_for(actor.member_id):
            stale.append(_row(promotion, one, "Look at what changed, and approve again", "warn"))
        elif may_vote and one.waits_for(actor.member_id):
            waiting.append(_row(promotion, one, *_for_reviewer(one)))
        elif promotion.author_id != actor.member_id and one.is_due(promotion) and _may_apply(actor, one):
            to_apply.append(_row(promotion, one, f"Promote it: {_what_it_has(one)}", "pass"))
        if promotion.author_id == actor.member_id:
            asked.append(_row(promotion, one, *_for_author(promotion, one, actor, people)))
    overridden: list[InboxRow] = []
    for promotion in _overridden(actor) if allows(actor, Permission.REVIEW) else ():
        if actor.member_id in (promotion.author_id, promotion.override.by_id):
            asked.append(_live("Wait for somebody else to look at what was overridden", "info", promotion))
        else:
            overridden.append(_live("Read what stood in its way, and say that you looked", "warn", promotion))
    return Inbox(tuple(waiting), tuple(to_apply), tuple(asked), tuple(stale), tuple(overridden), is_cut=is_cut)


def _overridden(actor: Actor) -> Iterable[Promotion]:
    """What went live over what stood in its way and nobody has looked at since; whoever may is told on its page. One query."""
    rows = newest(actor.workspace_id, *RELATED, "environment", "override").filter(override__reviewed_at=None)
    return rows.exclude(override=None)[:INBOX_SIZE]


def _live(todo: str, tone: str, promotion: Promotion) -> InboxRow:
    return InboxRow(promotion, todo, tone, checks=(), approvals=0, needed=0, comments=0)


def _row(promotion: Promotion, known: Known, todo: str, tone: str) -> InboxRow:
    return InboxRow(promotion, todo, tone, known.checks, known.approvals, known.policy.approvals, known.comments)


def _for_reviewer(known: Known) -> tuple[str, str]:
    if failed := known.in_state("failed"):
        return f"Look at what got worse, and ask for changes: {_listed(failed)} failed", "fail"
    if broken := known.in_state("error"):
        return f"Read it: {_listed(broken)} could not be judged yet", "warn"
    if known.in_state("pending", "missing", "stale"):
        return "Read it while its evidence is gathered", "info"
    if known.in_state("inconclusive"):
        return "Look at the evidence: it does not settle it", "warn"
    return "Approve it, or ask for changes", "accent"


def _what_it_has(known: Known) -> str:
    """What was asked for and is there, of a promotion that nothing stands in the way of."""
    needed, checks = known.policy.approvals, len(known.checks)
    approved = "it is approved" if needed else "no approval is needed here"
    passed = f"its {checks} checks passed" if checks > 1 else "its check passed" if checks else "no check is asked for"
    return f"{passed}, and {approved}" if checks or needed else "neither checks nor approvals are asked for here"


def _for_author(promotion: Promotion, known: Known, actor: Actor, people: Callable[[], People]) -> tuple[str, str]:
    """The first of what stands in the way that somebody can do something about."""
    if promotion.base_id != (known.live.pk if known.live else None):
        return "Rebase it: something else went live since", "fail"
    if known.objectors:
        return f"Answer {_listed(known.objectors)}: changes were asked for", "fail"
    if promotion.state == PromotionState.SUSPENDED:
        return "Resume it, or close it: its time came while something was in the way", "warn"
    if failed := known.in_state("failed"):
        return f"Improve the version: {_listed(failed)} failed", "fail"
    if broken := known.in_state("error"):
        return f"See why {_listed(broken)} could not be judged, and run it again", "fail"
    if lacking := known.in_state("missing", "stale"):
        starts = f"Wait for {_listed(lacking)}: it starts by itself in a moment", "info"
        return starts if known.is_asked_for else (f"Run {_listed(lacking)}: it has not answered for this", "warn")
    if unsure := known.in_state("inconclusive"):
        return f"Give {_listed(unsure)} more cases or repeats: it does not settle it", "warn"
    if running := known.in_state("pending"):
        return f"Wait for {_listed(running)}", "info"
    if known.is_short:
        given = {vote.member_id for vote in known.votes}
        names = either(people().who_may(Permission.REVIEW, but=known.excluded | given)) or "another reviewer"
        return f"Wait for {names}: {known.approvals} of {known.policy.approvals} approvals", "info"
    if promotion.state == PromotionState.SCHEDULED:
        return "Nothing: it goes live by itself at its time", "pass"
    if _may_apply(actor, known):
        return "Promote it, if nothing else is in the way", "pass"
    return f"Ask {either(people().who_may(Permission.APPLY)) or 'for a releaser'} to promote it", "pass"


def _may_apply(actor: Actor, known: Known) -> bool:
    return allows(actor, Permission.APPLY, protected=known.policy.protected)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
