"""Lines in people's inboxes, and what of them goes out by e-mail."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models.functions import Now

from registry.core import audit, jobs, news
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import NotFound, invalid_field
from registry.core.models import JobState, Mail, Member, Notification, User

INBOX, MAIL, OFF = "inbox", "mail", "off"
CHOICES = (INBOX, MAIL, OFF)
LEASE_S = 120.0
RETRY_DELAY_S = 30.0
MOST_SUBJECT = 180


def notify(
    workspace_id: int,
    user_ids: Iterable[int],
    *,
    event_id: UUID,
    topic: str,
    text: str,
    url: str,
    known_to: AbstractSet[int] = frozenset(),
) -> None:
    """Tell each person once per event, however often this is called for it: in their inbox unless they muted the
    topic, and by e-mail where they asked for that. To those it is `known_to` the line counts as read, and no mail goes
    out. Call it inside a transaction."""
    members = (
        Member.objects.active().filter(workspace=workspace_id, user__in=set(user_ids)).exclude(muted__contains=[topic])
    )
    told = list(members.order_by("user").values_list("user_id", "mailed"))
    line = {"workspace_id": workspace_id, "event_id": event_id, "topic": topic, "text": text, "url": url}
    Notification.objects.bulk_create(
        [Notification(**line, user_id=pk, read_at=Now() if pk in known_to else None) for pk, _ in told],
        ignore_conflicts=True,
    )
    mails = [
        Mail(user_id=pk, event_id=event_id, subject=one_line(text), text=f"{text}\n\n{settings.PUBLIC_URL}{url}\n")
        for pk, mailed in told
        if topic in mailed and pk not in known_to
    ]
    Mail.objects.bulk_create(mails, ignore_conflicts=True)
    if mails:
        jobs.hint_all_after_commit(list(Mail.objects.filter(event_id=event_id, state=JobState.QUEUED)))


def one_line(text: str) -> str:
    """A subject: no line ends, which would be headers of their own, and not too long."""
    return " ".join(text.split())[:MOST_SUBJECT]


def deliver_mail(pk: int, *, owner: str) -> bool:
    """Send one mail, at most once: tried again where the server refused it, given up where a sender was lost while
    sending, since it may have arrived. The inbox has the same line in any case."""
    row = jobs.claim(Mail, pk, owner=owner, lease_s=LEASE_S)
    if row is None:
        return False
    if row.attempt > 1 and not row.error:
        return jobs.finish(row, state=JobState.ERROR, error="its sender was lost while sending: it may have arrived")
    headers = {"Message-ID": f"<{row.event_id}.{row.user_id}@greenroom>", "Auto-Submitted": "auto-generated"}
    try:
        EmailMessage(row.subject, row.text, to=[row.user.email], headers=headers).send()
    except OSError as refused:
        jobs.release(row, error=f"not sent: {type(refused).__name__}", delay_s=RETRY_DELAY_S * 4**row.attempt)
        return False
    return jobs.finish(row)


def mark_read(user: User, workspace_id: int) -> int:
    """Empty the unread list; returns how many there were."""
    return Notification.objects.filter(user=user, workspace_id=workspace_id, read_at=None).update(read_at=Now())


def mark_page(user: User, workspace_id: int, *, pk: int, is_read: bool) -> int:
    """Mark a line, and all others that lead to the same page, as read or unread; returns how many changed."""
    mine = Notification.objects.news().filter(user=user, workspace_id=workspace_id)
    url = mine.filter(pk=pk).values_list("url", flat=True).first()
    if url is None:
        raise NotFound("notification.not_found", "Your inbox has no such line.")
    rows = mine.filter(url=url) if url else mine.filter(pk=pk)
    return rows.filter(read_at__isnull=is_read).update(read_at=Now() if is_read else None)


@transaction.atomic
def choose_news(actor: Actor, member: Member, choices: Mapping[str, str]) -> Member:
    """How somebody hears of each kind of news: in the inbox, by e-mail too, or not at all. What is left out stays."""
    member = Member.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=member.pk)
    known = {kind.topic for kind in news.kinds()}
    for topic, choice in choices.items():
        if topic not in known or choice not in CHOICES:
            raise invalid_field(topic, "choice", f"One of: {', '.join(CHOICES)}.")
    muted = (set(member.muted) - set(choices)) | {topic for topic, choice in choices.items() if choice == OFF}
    mailed = (set(member.mailed) - set(choices)) | {topic for topic, choice in choices.items() if choice == MAIL}
    member.muted, member.mailed = sorted(muted), sorted(mailed)
    member.save(update_fields=["muted", "mailed"])
    detail: dict[str, JSON] = {"muted": list(member.muted), "mailed": list(member.mailed)}
    audit.record(
        actor,
        "member.news_chosen",
        subject_type="member",
        subject_id=member.pk,
        subject_name=member.user.email,
        detail=detail,
    )
    return member


def hide_hint(member: Member, name: str) -> None:
    """Put a hint away for good; twice is the same as once."""
    with transaction.atomic():
        row = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
        if name not in row.hidden:
            row.hidden = [*row.hidden, name]
            row.save(update_fields=["hidden"])
