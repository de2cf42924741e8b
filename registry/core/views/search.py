"""Search over everything: a page of its own, and the list that the command palette shows."""

from django.http import HttpResponse
from django.shortcuts import render

from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.searching import Asked, Place, search
from registry.core.timelimit import at_most
from registry.core.web import PageRequest

IN_PALETTE, ON_PAGE = 6, 25
LONGEST_S = 2


@page()
def search_page(request: PageRequest) -> HttpResponse:
    """What fits `q`; with `palette` only the list, as options of a listbox."""
    require(request.actor, Permission.READ)
    asked = Asked.read(request.GET.get("q", ""))
    is_palette = "palette" in request.GET
    place = Place(request.actor, request.workspace.slug, request.GET.get("prompt", "").replace("\0", ""))
    with at_most(LONGEST_S):
        groups = search(place, asked, most=IN_PALETTE if is_palette else ON_PAGE)
    context = {"asked": asked, "groups": groups, "count": sum(len(group.found) for group in groups)}
    return render(request, "registry/search.html#options" if is_palette else "registry/search.html", context)
