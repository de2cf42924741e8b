"""The inbox as its reader meets it: one entry a page that the lines lead to, the newest line first."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, CharField, Count, F, Max, Q, Value, When
from django.db.models.functions import Cast, Concat

from registry.core.models import Notification, User

PAGE_SIZE = 40
MOST_LINES = 12


@dataclass(frozen=True)
class Thread:
    """Lines about the same thing; `earlier` are those before the newest, at most twelve of them."""

    newest: Notification
    earlier: tuple[Notification, ...]
    unread: int
    count: int


@dataclass(frozen=True)
class Inbox:
    """One page of threads, the last touched first."""

    threads: tuple[Thread, ...]
    page: "Page[Any]"


def unread_count(user: User, workspace_id: int) -> int:
    """How many lines somebody has not read; one query."""
    return Notification.objects.filter(user=user, workspace_id=workspace_id, read_at=None).count()


def inbox(user: User, workspace_id: int, *, unread_only: bool = False, page: str | int | None = 1) -> Inbox:
    """A page of one's inbox, without what one did oneself; three queries."""
    mine = Notification.objects.news().filter(user=user, workspace_id=workspace_id)
    alone = Concat(Value("#"), Cast("pk", CharField()))
    threads = (
        mine.annotate(thread=Case(When(url="", then=alone), default=F("url"), output_field=CharField()))
        .values("thread")
        .annotate(last=Max("pk"), count=Count("pk"), unread=Count("pk", filter=Q(read_at=None)))
        .order_by("-last")
    )
    found: Page[Any] = Paginator(threads.filter(unread__gt=0) if unread_only else threads, PAGE_SIZE).get_page(page)
    shown = list(found.object_list)
    lines: dict[str, list[Notification]] = defaultdict(list)
    urls = [str(one["thread"]) for one in shown]
    for row in mine.filter(Q(url__in=urls) | Q(pk__in=[one["last"] for one in shown])).order_by("-pk"):
        lines[row.url or f"#{row.pk}"].append(row)
    made = [
        Thread(rows[0], tuple(rows[1 : MOST_LINES + 1]), one["unread"], one["count"])
        for one in shown
        if (rows := lines[str(one["thread"])])
    ]
    return Inbox(tuple(made), found)
