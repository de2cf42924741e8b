"""The side navigation: the workspace's pages, and its environments from the most to the least exposed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from prompts_app.models import Environment
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows


@dataclass(frozen=True)
class Entry:
    """One line of the navigation; `title` opens a new group above it."""

    label: str
    url: str
    is_current: bool
    is_exact: bool = False
    icon: str = ""
    color: str = ""
    title: str = ""


# label, icon, URL name, first words of the URL names of the pages below it
MAIN = (
    ("Prompts", "layers", "board", ("board", "prompt", "version", "compare")),
    ("Reviews", "inbox", "reviews", ("reviews",)),
    ("Promotions", "git-pull-request", "promotions", ("promotion",)),
    ("Suites", "list-checks", "suites", ("suite", "case")),
    ("Runs", "flask-conical", "runs", ("run",)),
    ("Usage", "activity", "usage", ("usage",)),
)
SETTINGS = (
    ("Members", "users", "settings_members", ("settings_members", "member")),
    ("Keys", "key-round", "settings_keys", ("settings_keys", "key")),
    ("Environments", "layers", "settings_environments", ("settings_environments",)),
    ("Providers", "server", "settings_providers", ("settings_providers", "provider")),
    ("Audit log", "scroll-text", "settings_audit", ("settings_audit",)),
)


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`navigation`: made when a template asks for it, one query."""
    actor = getattr(request, "actor", None)
    return {"navigation": lambda: list(_entries(request, actor))} if isinstance(actor, Actor) else {}


def _entries(request: HttpRequest, actor: Actor) -> Iterator[Entry]:
    match = request.resolver_match
    here = match.url_name if match else None
    slug = match.kwargs["workspace"] if match else ""
    yield from _fixed(MAIN, slug, here or "")
    named = match.kwargs.get("environment") if match else None
    title = "Environments"
    for environment in reversed(Environment.objects.in_workspace(actor.workspace_id)):
        is_here = named == environment.name
        address = reverse("environment", args=[slug, environment.name])
        yield Entry(environment.label, address, is_here, here == "environment", color=environment.colour, title=title)
        title = ""
    if allows(actor, Permission.ADMINISTER):
        yield from _fixed(SETTINGS, slug, here or "", title="Settings")


def _fixed(
    rows: tuple[tuple[str, str, str, tuple[str, ...]], ...], slug: str, here: str, title: str = ""
) -> Iterator[Entry]:
    for label, icon, name, below in rows:
        try:
            address = reverse(name, args=[slug])
        except NoReverseMatch:
            continue
        yield Entry(label, address, here.startswith(below), here == name, icon=icon, title=title)
        title = ""
