"""The reader's inbox."""

from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.notifications import mark_page, mark_read
from registry.core.notification_queries import inbox
from registry.core.pages import page
from registry.core.web import PageRequest


@page("GET", "HEAD", "POST")
def notifications(request: PageRequest) -> HttpResponse:
    """The inbox, by what the lines are about; posting marks everything as read."""
    if request.method == "POST":
        mark_read(request.user, request.workspace.pk)
        return redirect("notifications", request.workspace.slug)
    is_unread = request.GET.get("unread") == "1"
    found = inbox(request.user, request.workspace.pk, unread_only=is_unread, page=request.GET.get("page"))
    return render(request, "registry/notifications.html", {"inbox": found, "is_unread": is_unread})


@page("POST")
def notification_mark(request: PageRequest, pk: int) -> HttpResponse:
    """Mark a line, and the others about the same thing, as read or as unread."""
    mark_page(request.user, request.workspace.pk, pk=pk, is_read=request.POST.get("read") != "0")
    return redirect("notifications", request.workspace.slug)
