"""The inbox: what waits for the reader, what they asked for, what went stale."""

from django.http import HttpResponse
from django.shortcuts import render

from prompts_app.inbox_queries import inbox as read_inbox
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


@page()
def inbox(request: PageRequest) -> HttpResponse:
    """Promotions that the reader can move on."""
    require(request.actor, Permission.READ)
    return render(request, "prompts/reviews.html", {"inbox": read_inbox(request.actor)})
