"""What stands in the way of a promotion as one reader meets it: what they can do about it now, and whom the rest waits for.

Pure: works on what `promotion_queries.review_of` found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from prompts_app.evaluation import called
from prompts_app.gates import RUN_WHEN_OPENED, Blocker, Level, check_of, entitled, standing
from prompts_app.models import Vote
from prompts_app.promotion_queries import Review
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows

# Who a word of `who_can_clear` stands for; any other word is a person's name.
GROUPS = {
    "editors": (Permission.WRITE, "an editor"),
    "reviewers": (Permission.REVIEW, "a reviewer"),
    "releasers": (Permission.ROLL_BACK, "a releaser"),
    "admins": (Permission.ADMINISTER, "an admin"),
    "anyone": (Permission.WRITE, "an editor"),
}
NAMED = 3  # people or blockers a sentence names before it counts the rest
CHECK_REASONS = {
    "missing": "has not run",
    "pending": "is still running",
    "stale": "rests on evidence that no longer fits",
    "error": "could not be judged",
    "failed": "failed",
    "inconclusive": "is inconclusive",
}
STARTING = "is about to run"
REASONS = {
    "version.yanked": "the version was yanked",
    "base.moved": "something else went live since it was opened",
    "schedule.late": "its time has passed",
    "contract.breaking": "services that use what is live would break",
    "predecessor.missing": "it was not live in the stage below",
    "predecessor.soaking": "it has not been live in the stage below for long enough",
    "suites.missing": "too few suites are required of the prompt",
    "digest.quarantined": "this content was rolled back here",
    "freeze.active": "the environment is frozen",
}


# Where else one goes to clear it, and what going there is called.
PLACES = {
    "suites.missing": ("prompt", "Require a suite"),
    "freeze.active": ("environment", "Go to the environment"),
    "digest.quarantined": ("environment", "Go to the environment"),
    "predecessor.missing": ("lower", "Promote it there"),
}


@dataclass(frozen=True)
class Step:
    """One blocker for one reader. `verb` is the promotion's button that clears it, `link` the part of the page to go to,
    or another page: its prompt, its environment, opening a promotion to the lower one (`lower`), or the members;
    both are empty where the way is elsewhere."""

    blocker: Blocker
    is_mine: bool
    who: str
    verb: str = ""
    link: str = ""
    label: str = ""

    @property
    def is_check(self) -> bool:
        """Whether a check is in the way."""
        return self.blocker.code.startswith("check.")


@dataclass(frozen=True)
class NextSteps:
    """All blockers, apart by whether the reader can do something now; `sentence` says why it is blocked, what the reader
    can see to first, and who can help; `due` is the time it ends on, where one is set.

    `tone`: "pass" where nothing stands in the way, whoever reads; "warn" where all that does can be overridden; else "fail".
    """

    sentence: str
    tone: str
    mine: tuple[Step, ...]
    others: tuple[Step, ...]
    due: datetime | None = None


def next_steps(review: Review, actor: Actor) -> NextSteps:
    """What stands in the way, for this reader. That the reader may not apply is no obstacle of the promotion's own, and
    that its time has not come is what was chosen."""
    found = entitled(review.blockers, review.titles)
    blockers = [one for one in found if one.code not in ("actor.forbidden", "schedule.not_due")]
    steps = [_step(blocker, review, actor) for blocker in blockers]
    mine = tuple(step for step in steps if step.is_mine)
    others = tuple(step for step in steps if not step.is_mine)
    is_due = any(one.code == "schedule.not_due" for one in review.blockers)
    due = review.promotion.scheduled_for if is_due else None
    sentence = (
        _sentence(review, steps) if standing(tuple(blockers)) or due is None else "Nothing else stands in the way."
    )
    return NextSteps(sentence, _tone(review, steps), mine, others, due)


def _tone(review: Review, steps: Sequence[Step]) -> str:
    levels = {step.blocker.level for step in steps} - {Level.ADVISORY}
    if not levels:
        return "pass"
    return "warn" if levels == {Level.SOFT} and review.judgement.policy.allow_override else "fail"


def _step(blocker: Blocker, review: Review, actor: Actor) -> Step:
    is_mine = any(_is(word, blocker, review, actor) for word in blocker.who_can_clear)
    verb, link, label = _way(blocker, review) if is_mine else ("", "", "")
    return Step(blocker, is_mine, _joined([_words(word, review) for word in blocker.who_can_clear]), verb, link, label)


def _is(word: str, blocker: Blocker, review: Review, actor: Actor) -> bool:
    """Whether the reader is who this word of a blocker stands for."""
    if blocker.code == "approvals.insufficient" and word == "admins":
        return allows(actor, Permission.ADMINISTER)
    if blocker.code == "approvals.insufficient":
        return not review.refusal and not review.has_my_approval
    if blocker.code == "approvals.changes_requested":
        asked = review.mine is not None and review.mine.vote == Vote.REQUEST_CHANGES and word == review.mine.member_name
        return asked or (word == "admins" and review.may_dismiss)
    if word == "author":
        return actor.member_id == review.promotion.author_id
    return word in GROUPS and allows(actor, GROUPS[word][0])


def _way(blocker: Blocker, review: Review) -> tuple[str, str, str]:
    """Button, place on the page, and what it is called."""
    code = blocker.code
    if code == "base.moved":
        return "rebase", "", "Rebase onto what is live"
    if code == "contract.breaking":
        return "acknowledge-breaking", "", "Services know of it"
    if code == "schedule.late":
        return "unschedule", "", "Take the time away"
    if code == "approvals.insufficient":
        return (
            ("", "members", "Invite a reviewer")
            if "admins" in blocker.who_can_clear
            else ("", "#your-review", "Review it")
        )
    if code == "approvals.changes_requested":
        is_own = review.mine is not None and review.mine.vote == Vote.REQUEST_CHANGES
        return "", "#your-review" if is_own else "#votes", "Vote again" if is_own else "See the votes"
    if code == "comments.unresolved":
        return "", "#conversation", "Read them"
    if code in PLACES:
        return "", *PLACES[code]
    if code.startswith("check."):
        return (
            "",
            "#checks",
            "See the evidence" if code.endswith((".failed", ".inconclusive")) else "Run what is missing",
        )
    return "", "", ""


def _sentence(review: Review, steps: Sequence[Step]) -> str:
    present = [step for step in steps if step.blocker.level is not Level.ADVISORY]
    if not present and review.ready_by:
        return f"Nothing stands in the way. It goes live by itself in a moment: {review.ready_by} set it to."
    if not present:
        who = "You" if review.may_apply else _joined(list(review.appliers)) or "Nobody here yet"
        return f"Nothing stands in the way. {who} can apply it."
    then = f" Then it goes live by itself: {review.ready_by} set it to." if review.ready_by else ""
    return _blocked(present, review.titles) + then


def _blocked(present: list[Step], titles: Mapping[str, str]) -> str:
    present.sort(key=lambda step: not step.is_mine)
    reasons = [_reason(step.blocker, titles) for step in present]
    why = f"Not yet: {_listed(reasons)}."
    waiting = [step for step in present if not step.is_mine]
    mine = len(present) - len(waiting)
    if not waiting:
        return f"{why} You can see to {'it' if mine == 1 else 'all of it'} now."
    names = dict.fromkeys(name for step in waiting for name in step.who.split(" or ") if name != "time")
    waits = f"waits for {_joined(list(names))}" if names else "clears by itself"
    rest = f"the rest {waits}" if mine else f"it {waits}"
    return (
        f"{why} You can see to the first{'' if mine == 1 else f' {mine}'} now, {rest}."
        if mine
        else f"{why} {rest[0].upper()}{rest[1:]}."
    )


def _reason(blocker: Blocker, titles: Mapping[str, str]) -> str:
    code = blocker.code
    if code == "approvals.insufficient":
        needed, valid = blocker.extra["needed"], blocker.extra["valid"]
        return f"{valid} of {needed} approvals"
    if code == "approvals.changes_requested":
        return blocker.message.rstrip(".")
    if name := check_of(blocker):
        state = code.rpartition(".")[2]
        is_starting = state in RUN_WHEN_OPENED and blocker.who_can_clear == ("time",)
        return f"{called(name, titles)} {STARTING if is_starting else CHECK_REASONS.get(state, state)}"
    return REASONS.get(code, blocker.message.rstrip("."))


def _words(word: str, review: Review) -> str:
    if word == "author":
        return review.promotion.author_name
    return GROUPS[word][1] if word in GROUPS else word


def _joined(names: list[str]) -> str:
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return " or ".join(names)


def _listed(reasons: list[str]) -> str:
    if len(reasons) > NAMED:
        reasons = [*reasons[: NAMED - 1], f"{len(reasons) - NAMED + 1} more"]
    return " and ".join([", ".join(reasons[:-1]), reasons[-1]]) if len(reasons) > 1 else reasons[0]
