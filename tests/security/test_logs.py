"""Requirement 64 (and 39 for what people type): sign-ins and refusals are in the log, secrets and forged lines are not."""

import base64
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from django.test import Client, override_settings

from evals_app import scripted_provider
from evals_app.actions.runs import start_run
from evals_app.scripted_provider import Rule
from registry.core.actions.deliveries import deliver_webhook
from registry.core.actions.sessions import create_sign_in_link
from registry.core.actions.webhooks import create_webhook, send_test_event
from registry.core.models import AuditEvent, Member, User, WebhookTry
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from registry.logs import line_of
from tests.api.client import Api
from tests.builders import Cast, prompt, signed_in
from tests.evals import building
from tests.webhooks.receiver import receiver

PASSWORD = "canary-of-the-password-7f3a"
TYPED = "canary-typed-as-address-91bd"


class Lines(logging.Handler):
    """Every line of every logger, as it is written in production."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged meanwhile, down to DEBUG, formatted as JSON."""
    handler = Lines()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *line_of("json")]
        )
    )
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def ada(cast: Cast) -> User:
    user = Member.objects.select_related("user").get(pk=cast.ada.member_id).user
    user.set_password(PASSWORD)
    user.save()
    return user


def events(lines: list[str], name: str) -> list[dict[str, object]]:
    """The lines of one event."""
    return [row for row in map(json.loads, lines) if row.get("event") == name]


def test_64__sign_ins__are_logged_right_or_wrong_without_what_was_typed(ada: User, lines: list[str]) -> None:
    client = Client()
    client.post("/sign-in", {"email": ada.email, "password": "canary-wrong-55"})
    client.post("/sign-in", {"email": f"{TYPED}@example.com", "password": PASSWORD})
    client.post("/sign-in", {"email": ada.email, "password": PASSWORD}, headers={"X-Request-Id": "request-0001"})

    assert [row["user_id"] for row in events(lines, "sign_in.refused")] == [ada.pk, None]
    [accepted] = events(lines, "sign_in.accepted")
    assert (accepted["user_id"], accepted["address"], accepted["request_id"]) == (ada.pk, "127.0.0.1", "request-0001")
    assert "canary" not in "\n".join(lines)


def test_64__refusals__name_who_where_and_what(cast: Cast, ada: User, lines: list[str]) -> None:
    signed_in(client := Client(), ada)
    client.get("/w/acme/settings/keys")
    Api(cast.key("service", environment="production")).get("members")

    by_page, by_key = events(lines, "request.refused")
    assert (by_page["code"], by_page["actor_id"], by_page["actor_kind"]) == ("actor.role", cast.ada.id, "member")
    assert by_page["route"] == "/w/<slug:workspace>/settings/keys"
    assert (by_key["actor_kind"], by_key["workspace_id"], by_key["status"]) == ("key", cast.workspace.pk, 403)


def test_64__what_programs_send_past_the_rules__is_noted_without_a_word_of_it(cast: Cast, lines: list[str]) -> None:
    api = Api(cast.key())
    api.post("prompts", {"name": "a", "kind": "text", "canary-owner": "canary-root"})
    api.post("preview", {"kind": "text", "text": "{{ 'canary'.__class__ }}", "variables": {}})
    noted = events(lines, "request.invalid")
    assert [(one["route"], one["status"], one["actor_kind"]) for one in noted] == [
        ("/api/v1/prompts", 422, "key"),
        ("/api/v1/preview", 422, "key"),
    ]
    assert noted[1]["code"] == "template.refused" and "canary" not in "\n".join(lines)


def test_39__tokens_keys_and_links__are_in_no_line(cast: Cast, ada: User, lines: list[str]) -> None:
    link, key = create_sign_in_link(ada), cast.key()
    client = Client(raise_request_exception=False)
    client.get(f"/sign-in/{link}")
    client.post(f"/sign-in/{link}")
    client.post(f"/sign-in/{link}")
    session = client.cookies["session"].value
    Api(key).get("prompts")
    Client().get("/api/v1/prompts", headers={"Authorization": f"Bearer {key.token[:-1]}x"})
    client.post("/w/acme/settings/profile/password", {"current": PASSWORD, "password": "canary-of-a-new-one-1"})

    text = "\n".join(lines)
    assert text
    for secret in (link, session, key.token, key.token[15:47], PASSWORD, "canary"):
        assert secret not in text, secret


def test_39__secrets_of_providers_and_webhooks__are_in_no_line_and_no_event(
    cast: Cast, ada: User, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent, refused by who repeats them, asked for again, and unreadable: what libraries log of it down to DEBUG too."""
    key, secret = "sk-canary-of-a-provider-19", "whsec_" + base64.b64encode(b"canary of an endpoint, long").decode()
    told = json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}).encode()
    monkeypatch.setitem(scripted_provider.BODIES, "repeats", ("application/json", told, ""))
    repeats = Rule(status=401, fault="repeats")
    olga = signed_in(Client(raise_request_exception=False), Member.objects.get(pk=cast.olga.member_id).user)
    with building.scripted(repeats) as provider, receiver() as far:
        building.add_provider(cast, provider, api_key=key)
        suite = building.suite(cast.ada, of=building.cases(2))
        version = prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()
        run = building.work(start_run(cast.ada, version, suite, baseline=None))
        olga.post("/w/acme/settings/providers/scripted/test")
        far.status, far.body = 500, f"Cannot POST /hook?key=k with {secret}".encode()
        with override_settings(OUTBOUND_ALLOW=frozenset({far.allow})):
            hook = create_webhook(cast.olga, WebhookInput(WebhookSettings("far", far.url), secret)).row
            deliver_webhook(send_test_event(cast.olga, hook).pk, owner="test")
            with override_settings(ENCRYPTION_KEYS=()):
                deliver_webhook(send_test_event(cast.olga, hook).pk, owner="test")
                olga.post("/w/acme/settings/providers/scripted/test")
    assert provider.calls > 2 and len(far.got) == 1 and run.results.filter(error="rejected").exists()
    kept = "\n".join([*lines, *AuditEvent.objects.values_list("detail", flat=True)])
    tries = list(WebhookTry.objects.order_by("pk").values_list("answer", flat=True))
    assert tries == ["Cannot POST … with …", ""]
    answers = list(run.results.values_list("output", flat=True))
    assert "Incorrect API key provided: [key]" in answers[0]
    kept += "\n".join(answers)
    for one in (key, secret, secret.removeprefix("whsec_"), "key=k"):
        assert one not in kept, one


def test_39__a_bug_where_a_password_is_in_hand__is_logged_without_it(
    ada: User, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(given: str, kept: str) -> bool:
        copied = given
        raise RuntimeError(f"broken after {len(copied)} characters")

    monkeypatch.setattr("registry.core.actions.sessions.check_password", broken)
    link = create_sign_in_link(ada)
    monkeypatch.setattr("registry.core.views.sessions.redeem_link", broken)
    client = Client(raise_request_exception=False)
    failed = client.post("/sign-in", {"email": ada.email, "password": PASSWORD})
    client.post(f"/sign-in/{link}")

    text = "\n".join(lines)
    assert failed.status_code == 500 and "broken after" in text and "/sign-in/…" in text
    assert "canary" not in text and link not in text


def test_64__what_is_sent__cannot_forge_a_line(cast: Cast, ada: User, lines: list[str]) -> None:
    forged = 'x\n{"event": "sign_in.accepted", "user_id": 1}'
    signed_in(client := Client(headers={"User-Agent": forged}), ada)
    client.get("/w/acme/settings/keys", {"q": forged})
    Client(headers={"User-Agent": forged}).post("/sign-in", {"email": forged, "password": forged})

    assert all("\n" not in line for line in lines)
    assert events(lines, "sign_in.accepted") == []
