"""Around every page: the way back from a detour, and the side navigation, the workspace's pages, and its environments in the order of their stages."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from prompts_app.detours import came_from
from prompts_app.models import Environment
from prompts_app.navigation import MAIN, REVIEWS, SETTINGS, Page, is_there
from prompts_app.waiting_queries import marks, waiting_count
from registry.core.actor import Actor
from registry.core.permissions import Permission, allows


@dataclass(frozen=True)
class Entry:
    """One line of the navigation; `title` opens a new group above it, `key` follows `g` on the keyboard; `count` is what
    waits there for the reader; `name` is an environment's."""

    label: str
    url: str
    is_current: bool
    is_exact: bool = False
    icon: str = ""
    color: str = ""
    title: str = ""
    key: str = ""
    count: int = 0
    name: str = ""


def navigation(request: HttpRequest) -> dict[str, Any]:
    """`navigation`, how much in it waits for the reader and the environments in it by name: made when a template first asks
    for it, one query; the way back for who is on a detour; and whether the reader may write, by which pages offer what only those who may can open."""
    actor = getattr(request, "actor", None)
    if not isinstance(actor, Actor):
        return {}
    made: list[Entry] = []

    def entries() -> list[Entry]:
        if not made:
            made.extend(_entries(request, actor))
        return made

    return {
        "navigation": entries,
        "for_you": lambda: sum(entry.count for entry in entries()),
        "places": lambda: {entry.name: entry for entry in entries() if entry.name},
        "came_from": came_from(request),
        "may_write": allows(actor, Permission.WRITE),
    }


def _entries(request: HttpRequest, actor: Actor) -> Iterator[Entry]:
    match = request.resolver_match
    here = match.url_name if match else None
    slug = match.kwargs["workspace"] if match else ""
    marked = marks()
    rows = Environment.objects.in_workspace(actor.workspace_id).annotate(**marked)
    places = list(rows.values_list("label", "name", "colour", *marked))
    waiting = waiting_count(actor, tuple(place[3:] for place in places))
    for entry in _fixed(MAIN, slug, here or ""):
        yield replace(entry, count=waiting) if entry.key == REVIEWS else entry
    named = match.kwargs.get("environment") if match else None
    title = "Environments"
    for label, name, colour, *_ in places:
        address = reverse("environment", args=[slug, name])
        yield Entry(label, address, named == name, here == "environment", color=colour, title=title, name=name)
        title = ""
    if allows(actor, Permission.ADMINISTER):
        yield from _fixed(SETTINGS, slug, here or "", title="Settings")


def _fixed(pages: Iterable[Page], slug: str, here: str, title: str = "") -> Iterator[Entry]:
    for page in filter(is_there, pages):
        address = reverse(page.name, args=[slug])
        is_current = here.startswith(page.below)
        yield Entry(page.label, address, is_current, here == page.name, icon=page.icon, title=title, key=page.key)
        title = ""
