"""What stands in the way of a promotion as one reader meets it: what they can do about it now, and whom the rest waits for.

Pure: works on what `promotion_queries.review_of` found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from prompts_app.blocker_words import ADVICE, counted, is_against, is_final, reason_of
from prompts_app.evaluation import OptionalSuites
from prompts_app.gates import Blocker, Level, entitled, lacks_reviewer, standing
from prompts_app.models import CheckState, Promotion, PromotionState, Vote
from prompts_app.promotion_queries import Review
from registry.core.actor import Actor
from registry.core.people_queries import either, listed
from registry.core.permissions import Permission, allows

# Who a word of `who_can_clear` stands for; any other word is a person's name, but for `author`, `time` and `nobody`.
GROUPS = {
    "editors": Permission.WRITE,
    "reviewers": Permission.REVIEW,
    "releasers": Permission.ROLL_BACK,
    "admins": Permission.ADMINISTER,
    "anyone": Permission.WRITE,
}
VOTE = "#your-review"  # the form with the reader's vote


# Where else one goes to clear it, and what going there is called.
PLACES = {
    "freeze.active": ("environment", "Go to the environment"),
    "digest.quarantined": ("environment", "Go to the environment"),
    "predecessor.missing": ("lower", "Promote it there"),
}


# What readers can do about it, after "you can"; what they did not start to do is not promised to clear it.
DEEDS = {
    "base.moved": "rebase it",
    "contract.breaking": "say that services know of it",
    "schedule.late": "take its time away",
    "suites.missing": "require a suite",
    "freeze.active": "lift the freeze",
    "digest.quarantined": "clear the quarantine",
    "predecessor.missing": "promote it to the stage below",
}
CHECK_DEEDS = {
    "inconclusive": "give it more cases or repeats",
    "error": "run the suite again",
}
CHECK_LABELS = {"failed": "See the evidence", "inconclusive": "See the evidence", "error": "Run it again"}
CLEARED = ("digest.quarantined",)  # of what speaks against a version, what somebody can take back
UNSURE = ("check.", "suites.missing", "predecessor.missing")
NOBODY = "nobody here may override it"


@dataclass(frozen=True)
class Step:
    """One blocker for one reader. `names` are the people who can clear it, `is_awaited` says that it can clear by itself.

    `elsewhere` is the promotion to the stage below that has to go live first, where one is open: what that waits for is told there.
    `verb` is the promotion's button that clears it, `link` the part of the page to go to, or another page: its prompt, its
    environment, opening a promotion to the lower one (`lower`), a new suite (`suite`), or the members; both are empty where
    the way is elsewhere. `note` says more of how it stands.
    `invited` are those it waits for to join. `says_override`: its message says that nobody may override it, too.
    """

    blocker: Blocker
    is_mine: bool
    names: tuple[str, ...]
    is_awaited: bool = False
    verb: str = ""
    link: str = ""
    label: str = ""
    elsewhere: Promotion | None = None
    invited: str = ""
    says_override: bool = False
    note: str = ""

    @property
    def is_check(self) -> bool:
        """Whether a check is in the way."""
        return self.blocker.code.startswith("check.")

    @property
    def who(self) -> str:
        """Who can do what about it, in words."""
        if self.elsewhere is not None:
            return "It goes on there"
        if self.invited:
            return f"Invited: {self.invited} (pending)"
        if not self.names:
            by_itself = "Its answer comes by itself" if self.is_check else "It clears by itself"
            return by_itself if self.is_awaited else ""
        code = self.blocker.code
        deed = "save a better version" if code.endswith(".failed") else "clear it"
        if code == "approvals.insufficient":
            deed = "invite a reviewer" if lacks_reviewer(self.blocker) else "approve it"
        return f"{either(self.names)} can {deed}{', or it clears by itself' if self.is_awaited else ''}"


@dataclass(frozen=True)
class NextSteps:
    """All blockers, apart by whether the reader can do something now; `sentence` says why it is blocked, what the reader
    can do and what remains then, and who can help; `due` is the time it ends on, where one is set; `override` by whom what
    is soft can be overridden. `improves`: the version has something against it, and its next one is the reader's to write.

    `tone`: "pass" where nothing stands in the way, whoever reads; "warn" where all that does can be overridden; else "fail".
    """

    sentence: str
    tone: str
    mine: tuple[Step, ...]
    others: tuple[Step, ...]
    due: datetime | None = None
    override: str = ""
    improves: bool = False

    @property
    def against(self) -> tuple[Step, ...]:
        """What speaks against this very version, which comes before all else."""
        return tuple(step for step in (*self.mine, *self.others) if is_against(step.blocker))

    @property
    def may_become_ready(self) -> bool:
        """Whether there is anything to wait for: what has failed stays so."""
        return not any(is_final(step.blocker) for step in self.against)

    @property
    def asks_vote(self) -> bool:
        """Whether the reader's own vote is among what is missing: the box then has the form for it."""
        return any(step.link == VOTE for step in self.mine)

    @property
    def deeds(self) -> tuple[Step, ...]:
        """What the reader can do but for voting, which the form says."""
        return tuple(step for step in self.mine if step.link != VOTE and not is_against(step.blocker))

    @property
    def waits(self) -> tuple[Step, ...]:
        """What waits for others; that only an approval is missing is not listed: the sentence says it, and who can give it."""
        (one, *more) = (*self.mine, *self.others) or (None,)
        is_told = one and not more and one.blocker.code == "approvals.insufficient" and not lacks_reviewer(one.blocker)
        return () if is_told else tuple(step for step in self.others if not is_against(step.blocker))


def next_steps(review: Review, actor: Actor) -> NextSteps:
    """What stands in the way, for this reader. That the reader may not apply is no obstacle of the promotion's own, and
    that its time has not come is what was chosen."""
    found = [_since(blocker, review) for blocker in entitled(review.blockers, review.titles)]
    blockers = [one for one in found if one.code not in ("actor.forbidden", "schedule.not_due")]
    steps = [_step(blocker, review, actor) for blocker in blockers]
    mine = tuple(step for step in steps if step.is_mine)
    others = tuple(step for step in steps if not step.is_mine)
    is_due = any(one.code == "schedule.not_due" for one in review.blockers)
    due = review.promotion.scheduled_for if is_due else None
    sentence = (
        _sentence(review, steps, actor)
        if standing(tuple(blockers)) or due is None
        else "Nothing else stands in the way."
    )
    improves = _is_spoilt(review) and actor.member_id == review.promotion.author_id
    return NextSteps(sentence, _tone(review, steps), mine, others, due, _override(review), improves)


def _since(blocker: Blocker, review: Review) -> Blocker:
    """What went live since, by its number, where that is in the way."""
    if blocker.code != "base.moved" or review.since is None:
        return blocker
    return replace(blocker, message=review.since.message, extra={**blocker.extra, "said": review.since.said})


def _is_spoilt(review: Review) -> bool:
    """Whether something speaks against the version: what would bring this promotion on is not advised then."""
    return any(is_against(blocker) for blocker in review.blockers)


def checks_first(review: Review) -> bool:
    """Whether what checks say is read before what changes: as long as they have not all passed."""
    return review.promotion.is_pending and any(check.state != CheckState.PASSED for check in review.checks)


def _override(review: Review) -> str:
    if not review.judgement.policy.allow_override:
        return "cannot be overridden here"
    if review.may_override:
        return "can be overridden by you"
    return f"can be overridden by {review.overriders}" if review.overriders else NOBODY


def _tone(review: Review, steps: Sequence[Step]) -> str:
    levels = {step.blocker.level for step in steps} - {Level.ADVISORY}
    if not levels:
        return "pass"
    return "warn" if levels == {Level.SOFT} and review.judgement.policy.allow_override else "fail"


def _step(blocker: Blocker, review: Review, actor: Actor) -> Step:
    if blocker.code == "predecessor.missing" and review.below is not None:
        return Step(blocker, is_mine=False, names=(), elsewhere=review.below)
    if lacks_reviewer(blocker):
        return _without_reviewers(blocker, review, actor)
    if blocker.code == "predecessor.missing" and _is_spoilt(review):
        return Step(replace(blocker, message=blocker.message.replace(ADVICE, "")), is_mine=False, names=())
    step = _step_of(blocker, review, actor)
    return replace(step, names=()) if blocker.code == "approvals.insufficient" and _is_spoilt(review) else step


def _without_reviewers(blocker: Blocker, review: Review, actor: Actor) -> Step:
    """Nobody is left to approve: told in one breath with that nobody may override it either; it waits for who is invited."""
    is_stuck = _override(review) == NOBODY
    nobody = "nobody else here" if blocker.extra["eligible"] else "nobody here"
    said = f"{reason_of(blocker, review.titles)}: {nobody} may approve or override it."
    step = _step_of(replace(blocker, message=said) if is_stuck else blocker, review, actor)
    step = replace(step, says_override=is_stuck)
    if not review.invited:
        return step
    link = "members" if step.is_mine else ""
    return replace(step, is_mine=False, invited=review.invited, link=link, label=f"Invited: {review.invited} (pending)")


def _step_of(blocker: Blocker, review: Review, actor: Actor) -> Step:
    is_mine = any(_is(word, blocker, review, actor) for word in blocker.who_can_clear)
    verb, link, label = _way(blocker, review) if is_mine or is_final(blocker) else ("", "", "")
    names = dict.fromkeys(name for word in blocker.who_can_clear for name in _names(word, review))
    is_awaited = "time" in blocker.who_can_clear
    return Step(blocker, is_mine, tuple(names), is_awaited, verb, link, label, note=_note(blocker, review))


def _note(blocker: Blocker, review: Review) -> str:
    """Which suites there are, where one is missing."""
    known = review.optional
    if blocker.code != "suites.missing" or known is None:
        return ""
    if known.titles:
        named = listed([f"“{title}”" for title in known.titles])
        is_one = len(known.titles) == 1
        return f"{named} {'is' if is_one else 'are'} attached to it, but not required."
    if not known.is_any:
        return "There is no suite to attach yet."
    return f"No {'other ' if review.judgement.facts.required_suites else ''}suite is attached to it."


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
    return word in GROUPS and allows(actor, GROUPS[word])


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
        return ("", "members", "Invite a reviewer") if lacks_reviewer(blocker) else ("", VOTE, "")
    if code == "approvals.changes_requested":
        is_own = review.mine is not None and review.mine.vote == Vote.REQUEST_CHANGES
        return ("", VOTE, "") if is_own else ("", "#votes", "See the votes")
    if code == "comments.unresolved":
        return "", "#conversation", "Read it" if review.judgement.facts.unresolved_comments == 1 else "Read them"
    if code == "suites.missing" and review.optional is not None:
        return "", *_way_to_suites(review.optional)
    if code in PLACES:
        return "", *PLACES[code]
    if code.startswith("check."):
        return "", "#checks", CHECK_LABELS.get(code.rpartition(".")[2], "Run what is missing")
    return "", "", ""


def _way_to_suites(known: OptionalSuites) -> tuple[str, str]:
    if not known.is_any:
        return "suite", "Make a suite"
    if not known.titles:
        return "prompt", "Attach a suite"
    return "prompt", "Require it" if len(known.titles) == 1 else "Require one of them"


def _sentence(review: Review, steps: Sequence[Step], actor: Actor) -> str:
    present = [step for step in steps if step.blocker.level is not Level.ADVISORY]
    if _is_spoilt(review):
        return _spoilt(review, present, actor)
    if not present and review.ready_by:
        return f"Nothing stands in the way. It goes live by itself in a moment: {review.ready_by} set it to."
    if not present:
        return f"Nothing stands in the way. {_applies(review)}."
    then = f" Then it goes live by itself: {review.ready_by} set it to." if review.ready_by else ""
    return _blocked(review, present) + then


def _applies(review: Review) -> str:
    return f"{'You' if review.may_apply else review.appliers} can promote it"


def _blocked(review: Review, present: list[Step]) -> str:
    present.sort(key=lambda step: not step.is_mine)
    why = f"Not yet: {counted([reason_of(step.blocker, review.titles) for step in present])}."
    mine = [step for step in present if step.is_mine]
    waits = [_wait(step) for step in present if not step.is_mine and (step.names or step.elsewhere)]
    if not mine:
        rest = f"waits {_and(waits)}" if waits else "clears by itself"
        return f"{why} It {rest}."
    done = f"{why} You can {listed(list(dict.fromkeys(_deed(step, review) for step in mine)))} now."
    waits += [more for step in mine if (more := _more_approvals(step, review))]
    if waits:
        return f"{done} Then it still waits {_and(waits)}."
    if len(mine) < len(present):
        return f"{done} The rest clears by itself."
    is_open = review.promotion.state == PromotionState.OPEN and not review.ready_by
    is_sure = not any(step.blocker.code.startswith(UNSURE) for step in mine)
    return f"{done} Then {_lower(_applies(review))}." if is_open and is_sure else done


def _spoilt(review: Review, present: list[Step], actor: Actor) -> str:
    """What speaks against the version first; then what the reader can do about that, and nothing else."""
    present.sort(key=lambda step: not is_against(step.blocker))
    why = f"Not yet: {counted([reason_of(step.blocker, review.titles) for step in present])}."
    has_failed = any(step.is_check and is_final(step.blocker) for step in present)
    author, another = review.promotion.author_name, "save a better version"
    look = [f"look at what {'got worse' if review.live else 'failed'}"] if has_failed else []
    clear = [DEEDS[step.blocker.code] for step in present if step.is_mine and step.blocker.code in CLEARED]
    if actor.member_id == review.promotion.author_id:
        return f"{why} You can {listed([*clear, *look, another])} now, with a promotion of its own."
    if review.mine is not None and review.mine.vote == Vote.REQUEST_CHANGES:
        return f"{why} You have asked for changes: {author} can {another}."
    if not review.refusal:
        return f"{why} You can {listed([*clear, *look, 'ask for changes'])} now."
    return f"{why} {author} can {another}, with a promotion of its own."


def _wait(step: Step) -> str:
    below = step.elsewhere
    if step.invited:
        return f"for {step.invited} to join"
    return f"for {either(step.names)}" if below is None else f"for promotion {below.pk} to {below.environment.label}"


def _deed(step: Step, review: Review) -> str:
    code, label = step.blocker.code, step.label.lower()
    if code == "approvals.insufficient":
        return "invite a reviewer" if lacks_reviewer(step.blocker) else "approve it"
    if code == "approvals.changes_requested":
        return "approve it" if step.link == VOTE else f"set aside what {step.blocker.who_can_clear[0]} asked for"
    return CHECK_DEEDS.get(code.rpartition(".")[2], "run what is missing") if step.is_check else DEEDS.get(code, label)


def _more_approvals(step: Step, review: Review) -> str:
    """The approvals that are still missing once the reader has given theirs, and whose they can be."""
    if step.blocker.code != "approvals.insufficient" or lacks_reviewer(step.blocker):
        return ""
    facts = review.judgement.facts
    more = review.judgement.policy.approvals - len(facts.valid_approvals()) - 1
    if more < 1:
        return ""
    given = {vote.member_id for vote in facts.valid_approvals()} | {review.reader}
    others = [name for pk, name in facts.eligible if pk not in given]
    return f"for {more} more approval{'' if more == 1 else 's'}" + (f", by {either(others)}" if others else "")


def _and(waits: Sequence[str]) -> str:
    return ", and ".join(dict.fromkeys(waits))


def _lower(said: str) -> str:
    return said.replace("You", "you", 1) if said.startswith("You ") else said


def _names(word: str, review: Review) -> tuple[str, ...]:
    """The people that a word of `who_can_clear` stands for."""
    if word == "author":
        return (review.promotion.author_name,)
    if word in GROUPS:
        return review.people.who_may(GROUPS[word])
    return () if word in ("time", "nobody") else (word,)
