"""The board: all prompts, and what is live where."""

from django.http import HttpResponse
from django.shortcuts import render

from prompts_app.board_queries import Search, all_tags, board
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


@page()
def board_page(request: PageRequest) -> HttpResponse:
    """The board, or for htmx only its table."""
    require(request.actor, Permission.READ)
    search = Search(
        text=request.GET.get("q", "").replace("\0", ""),
        tag=request.GET.get("tag", ""),
        folder=request.GET.get("folder", ""),
        archived=request.GET.get("archived") == "1",
    )
    context = {"search": search, "board": board(request.workspace.pk, search, page=request.GET.get("page"))}
    if request.htmx:
        return render(request, "prompts/board.html#list", context)
    return render(request, "prompts/board.html", context | {"tags": all_tags(request.workspace.pk)})
