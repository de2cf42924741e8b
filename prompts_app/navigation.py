"""The pages of a workspace that have a place of their own: in the side navigation, in the palette, behind a key."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from registry.core.actor import Actor
from registry.core.permissions import Permission, allows


@dataclass(frozen=True)
class Page:
    """A page by its URL name; `below` are the first words of the URL names of the pages under it.

    `key` follows `g` on the keyboard; `also` are other words by which people look for it; `fragment` is a part of it;
    `takes_prompt`: it can be about one prompt, which its address names.
    """

    label: str
    icon: str
    name: str
    below: tuple[str, ...] = ()
    key: str = ""
    also: str = ""
    needs: Permission = Permission.READ
    fragment: str = ""
    takes_prompt: bool = False

    @property
    def keys(self) -> str:
        """The keys that lead there, as they are written."""
        return f"g {self.key}" if self.key else ""


REVIEWS = "r"
MAIN = (
    Page("Prompts", "layers", "board", ("board", "prompt", "version", "compare"), "p", "board home"),
    Page("Reviews", "inbox", "reviews", ("reviews",), REVIEWS, "approve approvals"),
    Page("Promotions", "git-pull-request", "promotions", ("promotion",), "m", "deploy release"),
    Page("Suites", "list-checks", "suites", ("suite", "case"), "s", "tests evaluations"),
    Page("Runs", "flask-conical", "runs", ("run",), "u", "evaluations"),
    Page("Usage", "activity", "usage", ("usage",), "a", "cost tokens"),
)
ADMIN = Permission.ADMINISTER
SETTINGS = (
    Page("Members", "users", "settings_members", ("settings_members", "member"), "t", "team people roles", ADMIN),
    Page("Keys", "key-round", "settings_keys", ("settings_keys", "key"), "k", "API tokens secrets", ADMIN),
    Page("Environments", "rocket", "settings_environments", ("settings_environments",), "e", "stages settings", ADMIN),
    Page("Providers", "server", "settings_providers", ("settings_providers", "provider"), "v", "models", ADMIN),
    Page("Webhooks", "link", "settings_webhooks", ("settings_webhook", "webhook"), "w", "events Slack chat", ADMIN),
    Page(
        "Retention",
        "archive",
        "settings_retention",
        ("settings_retention", "retention"),
        "d",
        "purge erase delete personal data privacy",
        ADMIN,
    ),
    Page("Audit log", "scroll-text", "settings_audit", ("settings_audit",), "l", "history chain", ADMIN),
)
OTHER = (
    Page("New prompt", "plus", "prompt_new", also="create write begin", needs=Permission.WRITE),
    Page("New suite", "plus", "suite_new", also="create write begin", needs=Permission.WRITE, takes_prompt=True),
    Page("Start a run", "play", "run_new", also="evaluate new", needs=Permission.RUN, takes_prompt=True),
    Page("Import prompts", "upload", "prompt_import", also="CSV Prompty Langfuse files", needs=Permission.WRITE),
    Page("Notifications", "bell", "notifications", key="i", also="inbox news"),
    Page("Profile", "user", "settings_profile", also="password time zone theme sessions"),
    Page(
        "Security",
        "key-round",
        "settings_security",
        also="second factor MFA 2FA TOTP authenticator passkey WebAuthn recovery codes",
    ),
    Page("New workspace", "plus", "settings_profile", also="create switch team tenant", fragment="#workspaces"),
    Page("Invite a member", "plus", "settings_members", also="new add people", needs=ADMIN, fragment="#invite"),
    Page("New key", "plus", "settings_keys", also="API token add create", needs=ADMIN, fragment="#new"),
    Page("New environment", "plus", "settings_environments", also="stage add create", needs=ADMIN, fragment="#new"),
)


def pages_of(actor: Actor) -> Iterator[Page]:
    """Every page with a place of its own that the actor may open."""
    for page in (*MAIN, *OTHER, *SETTINGS):
        if allows(actor, page.needs) and is_there(page):
            yield page


def is_there(page: Page) -> bool:
    """False for a page of an app that is switched off."""
    try:
        reverse(page.name, args=["any"])
    except NoReverseMatch:
        return False
    return True
