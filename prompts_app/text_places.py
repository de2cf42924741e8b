"""The tables of prompts and promotions that hold texts of people: what is history stays."""

from prompts_app.models import (
    Approval,
    Comment,
    Deployment,
    Draft,
    Freeze,
    Override,
    PendingPrompts,
    Promotion,
    Prompt,
    PromptVersion,
    Quarantine,
    VersionCheck,
    VersionYank,
)
from registry.core.texts import Fate, Place, keep_in_mind


def offer_all() -> None:
    """Let erasures look through them; called once, when the app is ready."""
    of_prompt = "prompt__workspace"
    keep_in_mind(
        Place("drafts of prompts", Draft, ("content", "message"), Fate.DELETED, of_prompt),
        Place("waiting imports", PendingPrompts, ("text", "name"), Fate.DELETED, "member__workspace"),
        Place("comments", Comment, ("body", "quote"), Fate.EMPTIED, "promotion__prompt__workspace"),
        Place("versions of prompts", PromptVersion, ("content", "source", "message"), Fate.KEPT, of_prompt),
        Place("descriptions of prompts", Prompt, ("name", "description"), Fate.KEPT),
        Place("promotions", Promotion, ("title", "note"), Fate.KEPT, of_prompt),
        Place("votes", Approval, ("comment",), Fate.KEPT, "promotion__prompt__workspace"),
        Place("deployments", Deployment, ("reason",), Fate.KEPT, of_prompt),
        Place("checks", VersionCheck, ("summary",), Fate.KEPT, of_prompt),
        Place("overrides", Override, ("reason", "blockers"), Fate.KEPT, "promotion__prompt__workspace"),
        Place("yanked versions", VersionYank, ("reason",), Fate.KEPT, "version__prompt__workspace"),
        Place("quarantines", Quarantine, ("clear_reason",), Fate.KEPT, of_prompt),
        Place("freezes", Freeze, ("reason",), Fate.KEPT, "environment__workspace"),
    )
