"""The board: all prompts, and what is live where."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from prompts_app.board_queries import Search, all_tags, board, has_archived
from prompts_app.step_queries import FirstSteps, first_steps
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.signing_in import lacks_way_back
from registry.core.web import PageRequest

# For how long the board itself says to somebody who has joined that something waits for them.
NEW_HERE = timedelta(days=1)


@page()
def board_page(request: PageRequest) -> HttpResponse:
    """The board, or for htmx only its table."""
    require(request.actor, Permission.READ)
    search = Search(
        text=request.GET.get("q", ""),
        tag=request.GET.get("tag", ""),
        folder=request.GET.get("folder", "").strip("/"),
        archived=request.GET.get("archived") == "1",
        drift=request.GET.get("drift") == "1",
        mine=request.member.pk if request.GET.get("mine") == "1" else 0,
    )
    found = board(request.workspace.pk, search, page=request.GET.get("page"))
    context: dict[str, object] = {
        "search": search,
        "board": found,
        "is_all_archived": not found.total and search.is_everything and has_archived(request.workspace.pk),
    }
    others = request.GET.copy()
    for name in ("tag", "page"):
        others.pop(name, None)
    context["without_tag"] = f"{others.urlencode()}&" if others else ""
    if request.htmx:
        return render(request, "prompts/board.html#list", context)
    context["advises_password"] = "password" not in request.member.hidden and lacks_way_back(request, request.user)
    context["is_new_here"] = timezone.now() - request.member.created_at < NEW_HERE
    context["steps"] = None if search.is_narrow or search.folder else steps_of(request)
    return render(request, "prompts/board.html", context | {"tags": all_tags(request.workspace.pk)})


def steps_of(request: PageRequest) -> FirstSteps | None:
    """The first steps that are left to whoever may take them."""
    if not allows(request.actor, Permission.WRITE):
        return None
    may_administer = allows(request.actor, Permission.ADMINISTER)
    return first_steps(request.member, request.workspace, may_administer=may_administer, back=request.path)
