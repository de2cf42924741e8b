"""Webhooks, sent for real to a receiver on loopback: signatures, retries, the log, and what is never told."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.conf import settings
from django.db.models.functions import Now
from django.test import override_settings

from registry.core import events, outbox, signing
from registry.core.actions.deliveries import DELAYS_S, DISABLED_AFTER, deliver_webhook
from registry.core.actions.people import rename_person
from registry.core.actions.webhooks import (
    change_webhook,
    create_webhook,
    redeliver,
    rotate_webhook_secret,
    send_test_event,
    settings_of,
)
from registry.core.errors import Invalid
from registry.core.models import (
    AuditEvent,
    JobState,
    Member,
    Notification,
    OutboxMessage,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    WebhookTry,
)
from registry.core.posting import post
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.builders import Cast, again, deliver, prompt
from tests.scenes import go_live
from tests.webhooks.receiver import Got, Receiver, receiver

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
[VERIFYING] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def far() -> Iterator[Receiver]:
    """A receiver that the operator allows."""
    with receiver() as made, override_settings(OUTBOUND_ALLOW=frozenset({made.allow})):
        yield made


def hook(cast: Cast, far: Receiver, **fields: Any) -> Webhook:
    """An endpoint at the receiver, with the known secret, that has missed what made the cast."""
    deliver()
    return create_webhook(cast.olga, WebhookInput(WebhookSettings("far", far.url, **fields), SECRET)).row


def send_all() -> None:
    """What is due now, tried once each."""
    due = WebhookDelivery.objects.filter(state=JobState.QUEUED, not_before__lte=Now())
    for pk in list(due.order_by("pk").values_list("pk", flat=True)):
        deliver_webhook(pk, owner="test")


def make_due() -> None:
    WebhookDelivery.objects.filter(state=JobState.QUEUED).update(not_before=Now())


def fits(got: Got, secret: str) -> bool:
    """Verified by the lines that the documentation gives to receivers."""
    names: dict[str, Any] = {}
    exec(VERIFYING, names)
    return bool(names["is_genuine"](secret, got.headers, got.body))


def test_event__of_a_saved_version__arrives_signed_and_says_names_but_no_text(cast: Cast, far: Receiver) -> None:
    hook(cast, far)
    made = prompt(cast.ada, text="the secret sauce {{ name }}")
    deliver()
    send_all()
    bodies = [json.loads(got.body) for got in far.got]
    assert sorted(body["type"] for body in bodies) == ["promotion.applied", "prompt.created", "version.created"]
    assert all(fits(got, SECRET) for got in far.got)
    assert b"sauce" not in b"".join(got.body for got in far.got)
    [saved] = [body for body in bodies if body["type"] == "version.created"]
    assert saved["data"]["digest"] == made.versions.get().digest
    ids = [got.headers["webhook-id"] for got in far.got]
    assert ids == sorted(ids) == [body["id"] for body in bodies]
    assert WebhookDelivery.objects.exclude(state=JobState.DONE).count() == 0


def test_texts__only_where_chosen__are_sent(cast: Cast, far: Receiver) -> None:
    hook(cast, far, events=("version.created",), with_content=True)
    prompt(cast.ada, text="the secret sauce")
    deliver()
    send_all()
    [got] = far.got
    assert json.loads(got.body)["data"]["content"]["text"] == "the secret sauce"


def test_every_event__fits_its_schema_in_the_catalogue(free: Cast, far: Receiver) -> None:
    hook(free, far)
    made = prompt(free.ada)
    go_live(free, made.versions.get(), "development")
    deliver()
    send_all()
    schemas = {kind.name: events.schema_of(kind) for kind in events.types()}
    for got in far.got:
        body = json.loads(got.body)
        jsonschema.validate(body, schemas[body["type"]])
    assert {json.loads(got.body)["type"] for got in far.got} >= {
        "version.created",
        "promotion.opened",
        "promotion.applied",
    }


def test_environment__that_is_not_chosen__is_not_told_of(free: Cast, far: Receiver) -> None:
    hook(free, far, environments=("production",))
    go_live(free, prompt(free.ada).versions.get(), "development")
    deliver()
    assert not WebhookEvent.objects.exclude(environment="").exists()
    assert WebhookEvent.objects.filter(type="version.created").exists()


def test_chat_form__is_one_line_with_a_link(cast: Cast, far: Receiver) -> None:
    hook(cast, far, format="text", events=("version.created",))
    prompt(cast.ada, "greet")
    deliver()
    send_all()
    [got] = far.got
    assert json.loads(got.body) == {"text": f"Ada saved greet v1 {settings.PUBLIC_URL}/w/acme/prompts/greet/versions/1"}


def test_chat_form__names_in_it__make_no_link_and_call_nobody(cast: Cast, far: Receiver) -> None:
    """Chat tools read `<https://…|words>` and `<!channel>` as they read ours, and people choose their names."""
    hook(cast, far, format="text", events=("version.created",))
    ada = Member.objects.get(pk=cast.ada.member_id)
    rename_person(cast.ada, ada.user, name="<!channel> <https://evil.example|Approve> @Here & <@U1>")
    prompt(again(cast.ada), "greet")
    deliver()
    send_all()
    said = json.loads(far.got[0].body)["text"]
    assert said.startswith("&lt;!channel&gt; &lt;https://evil.example|Approve&gt; @\u2060Here &amp; &lt;@U1&gt; saved")


def test_message__handed_over_twice__is_recorded_once(cast: Cast, far: Receiver) -> None:
    hook(cast, far)
    older = OutboxMessage.objects.latest("pk").pk
    prompt(cast.ada)
    deliver()
    before = WebhookEvent.objects.count()
    OutboxMessage.objects.filter(pk__gt=older).update(state=JobState.QUEUED, attempt=0)
    for pk in list(OutboxMessage.objects.filter(pk__gt=older).values_list("pk", flat=True)):
        assert outbox.dispatch(pk, owner="again")
    assert (WebhookEvent.objects.count(), WebhookDelivery.objects.count()) == (before, before)


def test_failure__is_tried_again_by_the_same_id_after_longer_and_longer(cast: Cast, far: Receiver) -> None:
    hook(cast, far, events=("version.created",))
    prompt(cast.ada)
    deliver()
    far.status, far.body = 500, b"no \x00 luck"
    for _ in range(3):
        make_due()
        send_all()
    row = WebhookDelivery.objects.get()
    assert (row.state, row.tries, row.attempt) == (JobState.QUEUED, 3, 0)
    assert len({got.headers["webhook-id"] for got in far.got}) == 1 and len(far.got) == 3
    assert row.not_before - row.log.all()[0].created_at > timedelta(seconds=DELAYS_S[2] * 0.7)
    assert row.log.all()[0].answer == "no \ufffd luck"
    far.status = 200
    make_due()
    send_all()
    assert WebhookDelivery.objects.get().state == JobState.DONE
    assert Webhook.objects.get().failing_since is None


def test_tries__of_three_days__end_in_an_error_and_can_be_sent_again(cast: Cast, far: Receiver) -> None:
    assert 70 <= sum(DELAYS_S) / 3600 <= 80
    hook(cast, far)
    sent = send_test_event(cast.olga, Webhook.objects.get())
    far.status = 503
    for _ in range(len(DELAYS_S) + 1):
        make_due()
        send_all()
    row = WebhookDelivery.objects.get()
    assert row.state == JobState.ERROR and row.log.count() == len(DELAYS_S) + 1
    far.status = 200
    redeliver(cast.olga, row)
    send_all()
    row.refresh_from_db()
    assert (row.pk, row.state) == (sent.pk, JobState.DONE)
    assert len({got.headers["webhook-id"] for got in far.got}) == 1


def test_endpoint__that_fails_for_days__is_disabled_and_admins_are_told(cast: Cast, far: Receiver) -> None:
    row = hook(cast, far)
    send_test_event(cast.olga, row)
    Webhook.objects.update(failing_since=Now() - DISABLED_AFTER)
    far.status = 500
    send_all()
    row.refresh_from_db()
    assert row.state == "disabled" and "500" in row.disabled_why
    told = Notification.objects.get(topic="webhook.disabled")
    assert told.user.email == "olga@example.com" and told.url == f"/w/acme/settings/webhooks/{row.pk}"
    make_due()
    send_all()
    assert WebhookDelivery.objects.get().state == JobState.CANCELLED and len(far.got) == 1
    row = change_webhook(cast.olga, row, WebhookInput(WebhookSettings("far", far.url), None))
    assert row.state == "active" and row.failing_since is None


def test_endpoint__that_is_gone__is_disabled_at_once_and_its_deliveries_end(cast: Cast, far: Receiver) -> None:
    row = hook(cast, far)
    send_test_event(cast.olga, row)
    far.status = 410
    send_all()
    row.refresh_from_db()
    assert row.state == "disabled" and row.disabled_why == "answered 410"
    make_due()
    send_all()
    assert WebhookDelivery.objects.get().state == JobState.CANCELLED and len(far.got) == 1


@pytest.mark.parametrize(("asked", "least", "most"), [("", 4, 7), ("900", 890, 910), ("86400", 3590, 3610)])
def test_failure__that_says_when_to_come_back__is_not_tried_before_but_within_an_hour(
    cast: Cast, far: Receiver, asked: str, least: int, most: int
) -> None:
    hook(cast, far)
    send_test_event(cast.olga, Webhook.objects.get())
    far.status, far.headers = 503, {"Retry-After": asked} if asked else {}
    send_all()
    row = WebhookDelivery.objects.get()
    assert least < (row.not_before - row.log.get().created_at).total_seconds() < most


@pytest.mark.parametrize(
    ("body", "kept"),
    [(f"{'x' * 980}{SECRET}", "x" * 980 + "…"), ('{"path": "\\/hook?key=k"}', '{"path": "…"}')],
    ids=["cut off within it", "as JSON may have it"],
)
def test_answer__that_repeats_secret_or_path__is_kept_without_it(
    cast: Cast, far: Receiver, body: str, kept: str
) -> None:
    send_test_event(cast.olga, hook(cast, far))
    far.status, far.body = 500, body.encode()
    send_all()
    assert WebhookDelivery.objects.get().log.get().answer == kept


def test_rotation__signs_with_both_for_a_day_and_with_the_new_one_after(cast: Cast, far: Receiver) -> None:
    row = hook(cast, far)
    new = rotate_webhook_secret(cast.olga, row).secret
    send_test_event(cast.olga, row)
    send_all()
    assert fits(far.got[0], SECRET) and fits(far.got[0], new)
    Webhook.objects.update(old_secret_until=Now())
    send_test_event(cast.olga, row)
    send_all()
    assert fits(far.got[1], new) and not fits(far.got[1], SECRET)


def test_address__changed_without_the_secret__is_refused(cast: Cast, far: Receiver) -> None:
    row = hook(cast, far)
    elsewhere = WebhookSettings("far", "https://example.com/other")
    with pytest.raises(Invalid) as refused:
        change_webhook(cast.olga, row, WebhookInput(elsewhere, None))
    assert refused.value.errors[0].field == "secret"
    assert change_webhook(cast.olga, row, WebhookInput(elsewhere, SECRET)).url == elsewhere.url


def test_address__allowed_when_saved_and_not_when_sent__is_not_reached(cast: Cast, far: Receiver) -> None:
    send_test_event(cast.olga, hook(cast, far))
    with override_settings(OUTBOUND_ALLOW=frozenset()):
        send_all()
    assert far.got == [] and "not allowed" in WebhookTry.objects.get().error


def test_secret__of_an_endpoint__is_in_no_log_no_audit_row_and_no_answer(cast: Cast, far: Receiver) -> None:
    row = hook(cast, far)
    send_test_event(cast.olga, row)
    send_all()
    assert SECRET[8:] not in row.sealed_secret
    assert settings_of(row).url == far.url
    told = "".join(AuditEvent.objects.filter(subject_type="webhook").values_list("detail", flat=True))
    assert SECRET not in told and "key=k" not in told and "127.0.0.1" in told


def test_redirect__to_another_origin__goes_without_the_signature_and_is_checked(far: Receiver) -> None:
    with receiver() as other:
        far.status, far.headers = 307, {"Location": other.url}
        own = {"webhook-signature": "v1,x"}
        refused = post(far.url, b"{}", headers={}, own=own, allow=frozenset({far.allow}))
        assert "not allowed" in refused.error and other.got == []
        answered = post(far.url, b"{}", headers={}, own=own, allow=frozenset({far.allow, other.allow}))
        assert answered.status == 204 and far.got[-1].headers["webhook-signature"] == "v1,x"
        assert "webhook-signature" not in other.got[0].headers and other.got[0].body == b"{}"
        far.headers = {"Location": "/again"}
        looped = post(far.url, b"{}", headers={}, own=own, allow=frozenset({far.allow}))
        assert "redirects more than" in looped.error
        for location in ("http://169.254.169.254/", "http://[::1", "http://example.com:x/", "ftp://example.com/"):
            far.headers = {"Location": location}
            assert "not allowed" in post(far.url, b"{}", headers={}, own=own, allow=frozenset({far.allow})).error


def test_answer__that_drips_or_never_ends__is_ended_at_the_deadline(far: Receiver) -> None:
    def drip(write: Callable[[bytes], object]) -> None:
        write(b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            for _ in range(100):
                write(b"X-A: b\r\n")
                time.sleep(0.1)

    far.write = drip
    posted = post(far.url, b"{}", headers={}, own={}, allow=frozenset({far.allow}), deadline_s=0.5)
    assert (posted.status, posted.error) == (0, "took too long")


def test_answer__of_any_size__is_kept_short(far: Receiver) -> None:
    far.status, far.body = 500, b"x" * 500_000
    posted = post(far.url, b"{}", headers={}, own={}, allow=frozenset({far.allow}))
    assert posted.status == 500 and len(posted.answer) == 1000


def test_signature__is_that_of_the_published_example() -> None:
    made = signing.headers(
        [SECRET], message_id="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330, body=b'{"test": 2432232314}'
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_lines_for_receivers__take_what_is_ours_and_nothing_else() -> None:
    def got(*, secret: str = SECRET, seconds_ago: int = 0, body: bytes = b"{}") -> Got:
        at = int(time.time()) - seconds_ago
        return Got(
            "/", signing.headers([secret, signing.generate_secret()], message_id="m", timestamp=at, body=b"{}"), body
        )

    assert fits(got(), SECRET)
    others = (got(seconds_ago=301), got(seconds_ago=-301), got(body=b"[]"), got(secret=signing.generate_secret()))
    assert [fits(one, SECRET) for one in others] == [False] * 4


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_abc", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "A" * 200])
def test_secret__of_another_form__is_none(text: str) -> None:
    assert not signing.is_secret(text)
    assert signing.is_secret(SECRET) and signing.is_secret(signing.generate_secret())
