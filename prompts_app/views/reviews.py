"""The inbox: what waits for the reader, what they asked for, what went stale; and how much of it every page tells."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from prompts_app.inbox_queries import inbox as read_inbox
from prompts_app.pending_queries import INBOX_SIZE
from prompts_app.waiting_queries import waits_for
from registry.core.notification_queries import unread_count
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

SECTIONS = ("waiting", "stale", "overridden", "to_apply", "asked")
SHOWN = 25


@page()
def waiting(request: PageRequest) -> HttpResponse:
    """What waits for the reader, in the frame of a page that stays open: unread notifications and promotions they can
    move on. Nothing is answered while `unread` and `votes` are what they were when the page was drawn."""
    require(request.actor, Permission.READ)
    unread, votes = unread_count(request.user, request.workspace.pk), waits_for(request.actor)
    if (request.GET.get("unread"), request.GET.get("votes")) == (str(unread), str(votes)):
        return HttpResponse(status=204)
    return render(request, "ui/waiting.html", {"unread_notifications": unread, "for_you": votes})


@page()
def inbox(request: PageRequest) -> HttpResponse:
    """Promotions that the reader can move on: the first of each kind, or with `kind` those of one, page by page."""
    require(request.actor, Permission.READ)
    found = read_inbox(request.actor)
    asked = request.GET.get("kind", "")
    kind = asked if asked in SECTIONS else ""
    number = request.GET.get("page") if kind else None
    pages = {name: Paginator(getattr(found, name), SHOWN).get_page(number) for name in SECTIONS if kind in ("", name)}
    context = {"pages": pages, "kind": kind, "is_cut": found.is_cut, "most": INBOX_SIZE}
    return render(request, "prompts/reviews.html", context)
