import uuid
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction

from registry.core.actions.notifications import choose_news, deliver_mail, mark_page, notify
from registry.core.actor import Actor
from registry.core.errors import Invalid, NotFound
from registry.core.models import JobState, Mail, Member, Notification
from registry.core.notification_queries import inbox
from tests.builders import Cast

TOPIC = "promotion.voted"


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user", "workspace").get(pk=actor.member_id)


def tell(cast: Cast, text: str = "Grace approved it", *, url: str = "/w/acme/promotions/1", event: Any = None) -> None:
    with transaction.atomic():
        people = [member(one).user_id for one in (cast.ada, cast.vera)]
        notify(cast.workspace.pk, people, event_id=event or uuid.uuid4(), topic=TOPIC, text=text, url=url)


def test_news__muted__reaches_the_others_only(free: Cast) -> None:
    choose_news(free.ada, member(free.ada), {TOPIC: "off"})

    tell(free)

    assert list(Notification.objects.values_list("user__name", flat=True)) == ["Vera"]


def test_news__by_mail__is_sent_once_however_often_it_is_told_and_sent(free: Cast) -> None:
    choose_news(free.ada, member(free.ada), {TOPIC: "mail"})
    event = uuid.uuid4()
    for _ in range(2):
        tell(free, "Grace approved it\r\nBcc: all@example.com", event=event)
    row = Mail.objects.get()

    assert deliver_mail(row.pk, owner="one")
    assert not deliver_mail(row.pk, owner="two")

    [sent] = mail.outbox
    assert sent.to == ["ada@example.com"] and "\n" not in sent.subject and "/w/acme/promotions/1" in sent.body
    assert sent.extra_headers["Message-ID"].startswith(f"<{event}.")


def test_mail__refused_by_its_server__is_sent_later(free: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    choose_news(free.ada, member(free.ada), {TOPIC: "mail"})
    tell(free)
    row = Mail.objects.get()
    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", lambda *_: (_ for _ in ()).throw(ConnectionRefusedError()))
        assert not deliver_mail(row.pk, owner="one")
    Mail.objects.update(not_before=row.created_at)

    assert deliver_mail(row.pk, owner="two")
    assert len(mail.outbox) == 1


def test_mail__whose_sender_was_lost_while_sending__is_not_sent_again(free: Cast) -> None:
    choose_news(free.ada, member(free.ada), {TOPIC: "mail"})
    tell(free)
    row = Mail.objects.get()
    Mail.objects.update(state=JobState.RUNNING, owner="lost", attempt=1, lease_until=row.created_at)

    deliver_mail(row.pk, owner="two")

    row.refresh_from_db()
    assert mail.outbox == [] and row.state == JobState.ERROR and "may have arrived" in row.error


def test_choice__of_an_unknown_kind_or_way__is_invalid_and_what_is_left_out_stays(free: Cast) -> None:
    choose_news(free.ada, member(free.ada), {TOPIC: "mail", "check.finished": "off"})
    for wrong in ({"no.such": "off"}, {TOPIC: "pigeon"}):
        with pytest.raises(Invalid):
            choose_news(free.ada, member(free.ada), wrong)
    row = choose_news(free.ada, member(free.ada), {TOPIC: "inbox"})

    assert (row.muted, row.mailed) == (["check.finished"], [])


def test_inbox__lines_about_one_thing__are_one_thread_read_and_unread_together(free: Cast) -> None:
    user = member(free.ada).user
    for text, url in (("first", "/a"), ("other", "/b"), ("second", "/a"), ("alone", ""), ("alone too", "")):
        tell(free, text, url=url)

    threads = inbox(user, free.workspace.pk).threads
    assert [one.newest.text for one in threads] == ["alone too", "alone", "second", "other"]
    assert [row.text for row in threads[2].earlier] == ["first"] and threads[2].unread == 2

    assert mark_page(user, free.workspace.pk, pk=threads[2].newest.pk, is_read=True) == 2
    unread = inbox(user, free.workspace.pk, unread_only=True).threads
    assert [one.newest.text for one in unread] == ["alone too", "alone", "other"]
    assert mark_page(user, free.workspace.pk, pk=threads[2].newest.pk, is_read=False) == 2
    with pytest.raises(NotFound):
        mark_page(member(free.linus).user, free.linus.workspace_id, pk=threads[2].newest.pk, is_read=True)
