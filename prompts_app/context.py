"""The side navigation: the workspace's pages, and its environments from the most to the least exposed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from prompts_app.models import Environment
from prompts_app.navigation import MAIN, SETTINGS, Page, is_there
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows


@dataclass(frozen=True)
class Entry:
    """One line of the navigation; `title` opens a new group above it, `key` follows `g` on the keyboard."""

    label: str
    url: str
    is_current: bool
    is_exact: bool = False
    icon: str = ""
    color: str = ""
    title: str = ""
    key: str = ""


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`navigation`: made when a template first asks for it, one query."""
    actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor):
        return {}
    made: list[Entry] = []

    def entries() -> list[Entry]:
        if not made:
            made.extend(_entries(request, actor))
        return made

    return {"navigation": entries}


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


def _fixed(pages: Iterable[Page], slug: str, here: str, title: str = "") -> Iterator[Entry]:
    for page in filter(is_there, pages):
        address = reverse(page.name, args=[slug])
        is_current = here.startswith(page.below)
        yield Entry(page.label, address, is_current, here == page.name, icon=page.icon, title=title, key=page.key)
        title = ""
