"""What stands in the way of a promotion, in a few words. Pure."""

from collections.abc import Mapping, Sequence

from prompts_app.evaluation import called
from prompts_app.gates import RUN_WHEN_OPENED, Blocker, Level, check_of
from registry.core.canonical import JSON
from registry.core.people_queries import listed

NAMED = 3  # blockers a sentence names before it counts the rest
CHECK_REASONS = {
    "missing": "has not run",
    "pending": "is still running",
    "stale": "rests on evidence that no longer fits",
    "error": "could not be judged",
    "failed": "failed",
    "inconclusive": "is inconclusive",
}
ADVICE = ": promote it there first"  # what a message says to do, where that is no advice any more
STARTING = "is about to run"
REASONS = {
    "version.yanked": "the version was yanked",
    "schedule.late": "its time has passed",
    "contract.breaking": "services that use what is live would break",
    "predecessor.missing": "it was not live in the stage below",
    "predecessor.soaking": "it has not been live in the stage below for long enough",
    "suites.missing": "too few suites are required of the prompt",
    "digest.quarantined": "this content was rolled back here",
    "freeze.active": "the environment is frozen",
}


def is_against(blocker: Blocker) -> bool:
    """Whether it speaks against this very version: what has to happen then is another one."""
    return blocker.code in ("version.yanked", "digest.quarantined") or is_final(blocker)


def is_final(blocker: Blocker) -> bool:
    """Whether nothing but another version, other rules or another suite takes it out of the way."""
    return blocker.code == "version.yanked" or (bool(check_of(blocker)) and blocker.code.endswith(".failed"))


def reason_of(blocker: Blocker, titles: Mapping[str, str]) -> str:
    """Why it stands in the way, inside a sentence."""
    code = blocker.code
    if code == "approvals.insufficient":
        needed, valid = blocker.extra["needed"], blocker.extra["valid"]
        return f"{valid} of {needed} approvals"
    if code == "approvals.changes_requested":
        return blocker.message.rstrip(".")
    if code == "base.moved":
        return str(blocker.extra.get("said", "something else went live since it was opened"))
    if name := check_of(blocker):
        state = code.rpartition(".")[2]
        is_starting = state in RUN_WHEN_OPENED and blocker.who_can_clear == ("time",)
        return f"{called(name, titles)} {STARTING if is_starting else CHECK_REASONS.get(state, state)}"
    return REASONS.get(code, blocker.message.rstrip("."))


def overridden(blockers: Sequence[Mapping[str, JSON]], titles: Mapping[str, str]) -> tuple[str, ...]:
    """What stood in the way of something that went live over it: what was so, without what could have been done about it."""
    return tuple(f"{said[0].upper()}{said[1:]}." for said in (_was(one, titles) for one in blockers) if said)


def _was(one: Mapping[str, JSON], titles: Mapping[str, str]) -> str:
    code, message = str(one["code"]), str(one["message"])
    if code == "approvals.insufficient" or code.startswith("check."):
        return reason_of(Blocker(code, Level.SOFT, message, (), dict(one)), titles)
    for advice in (ADVICE, ": attach one as required", " The author can acknowledge it"):
        message = message.replace(f"{advice}.", "")
    return message.rstrip(".")


def counted(reasons: list[str]) -> str:
    """The first reasons, and how many more there are."""
    if len(reasons) > NAMED:
        reasons = [*reasons[: NAMED - 1], f"{len(reasons) - NAMED + 1} more"]
    return listed(reasons)
