"""What becomes of a promotion once it is opened, by the rules of where it goes. Pure."""

from collections.abc import Sequence

from prompts_app.policy import Policy
from registry.core.people_queries import either, listed


def how_it_opens(policy: Policy) -> str:
    """What whoever opens a promotion does, before what it promotes: nobody is asked where no approval is needed."""
    return "asks to promote" if policy.approvals else "opened a promotion of"


def what_follows(policy: Policy, place: str, *, lower: str, appliers: Sequence[str]) -> str:
    """What has to come before it is live, and who makes it so; `appliers` is empty where the reader can."""
    applied = f"{either(appliers)} has promoted it" if appliers else "you have promoted it"
    asked = _asked(policy, lower)
    conditions = f"{', '.join(asked)}, and {applied}" if asked else applied
    by_itself = "" if appliers else " Or press “Promote when ready” on its page: it goes live by itself then."
    return f"Opening it changes nothing yet. It is live in {place} once {conditions}.{by_itself}"


def _asked(policy: Policy, lower: str) -> list[str]:
    asked = []
    if policy.require_predecessor and lower:
        soak = f" for {policy.soak}" if policy.soak_minutes else ""
        asked.append(f"it has been live in {lower}{soak}")
    if policy.require_suites or policy.min_suites:
        least = f", {policy.min_suites} at least," if policy.min_suites else ""
        asked.append(f"its required suites{least} have passed")
    if policy.external_checks:
        names = listed([name.removeprefix("external/") for name in policy.external_checks])
        asked.append(f"{names} {'has' if len(policy.external_checks) == 1 else 'have'} passed")
    if policy.approvals:
        people = "somebody else has" if policy.approvals == 1 else f"{policy.approvals} others have"
        asked.append(f"{people} approved it")
    return asked
