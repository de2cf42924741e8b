"""The board: all prompts, and what is live where."""

from django.http import HttpResponse
from django.shortcuts import render

from prompts_app.board_queries import Search, all_tags, board
from prompts_app.step_queries import first_steps
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest


@page()
def board_page(request: PageRequest) -> HttpResponse:
    """The board, or for htmx only its table."""
    require(request.actor, Permission.READ)
    search = Search(
        text=request.GET.get("q", "").replace("\0", ""),
        tag=request.GET.get("tag", "").replace("\0", ""),
        folder=request.GET.get("folder", "").replace("\0", "").strip("/"),
        archived=request.GET.get("archived") == "1",
        drift=request.GET.get("drift") == "1",
        mine=request.member.pk if request.GET.get("mine") == "1" else 0,
    )
    context = {"search": search, "board": board(request.workspace.pk, search, page=request.GET.get("page"))}
    if request.htmx:
        return render(request, "prompts/board.html#list", context)
    may_write = allows(request.actor, Permission.WRITE)
    context["steps"] = first_steps(request.member, request.workspace) if may_write and not search.is_narrow else None
    return render(request, "prompts/board.html", context | {"tags": all_tags(request.workspace.pk)})
