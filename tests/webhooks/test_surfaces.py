"""Webhooks over the API and on their pages."""

import re
from pathlib import Path

import jsonschema
import pytest
from django.test import Client

from registry.core import events
from registry.core.models import Member, Webhook, WebhookDelivery
from tests.api.client import Api, document
from tests.builders import Cast, signed_in

URL = "https://example.com/hooks?key=hidden"


@pytest.fixture
def browser(cast: Cast) -> Client:
    """Olga, signed in."""
    return signed_in(Client(), Member.objects.get(pk=cast.olga.member_id).user)


def test_api__from_the_first_to_the_last__shows_the_secret_once(cast: Cast) -> None:
    olga = Api(cast.olga)
    made = olga.post("webhooks", {"url": URL, "events": ["promotion.applied"], "environments": ["production"]})
    assert made.status == 201 and made.json["secret"].startswith("whsec_") and made.json["name"] == "example.com"
    at = f"webhooks/{made.json['id']}"
    assert "secret" not in olga.get(at).json
    assert olga.patch(at, {"url": "https://example.org/"}).status == 422
    assert (
        olga.patch(at, {"url": "https://example.org/", "secret": made.json["secret"]}).json["url"]
        == "https://example.org/"
    )
    assert olga.post(f"{at}/rotate", {}).json["secret"] != made.json["secret"]
    assert olga.patch(at, {"is_active": False}).json["state"] == "paused"
    assert olga.post(f"{at}/test", {}).code == "webhook.inactive"
    assert olga.patch(at, {"is_active": True}).json["state"] == "active"
    sent = olga.post(f"{at}/test", {})
    assert sent.status == 202 and sent.json["type"] == "webhook.test"
    [line] = olga.get(f"{at}/deliveries").json["results"]
    assert (line["id"], line["state"], line["tries"]) == (sent.json["id"], "queued", [])
    assert olga.post(f"{at}/deliveries/{line['id']}/redeliver", {}).status == 202
    assert olga.call("DELETE", at, None).status == 204 and not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "http://127.0.0.1/"}, "url"),
        ({"url": "https://u:p@example.com/"}, "url"),
        ({"url": "https://example.com:22/"}, "url"),
        ({"url": URL, "events": ["nothing.happened"]}, "events"),
        ({"url": URL, "environments": ["nowhere"]}, "environments"),
        ({"url": URL, "secret": "short"}, "secret"),
        ({"url": URL, "name": "a\r\nb"}, "name"),
        ({"url": URL, "unknown": 1}, "unknown"),
    ],
)
def test_api__what_is_not_acceptable__is_refused_at_its_field(cast: Cast, body: dict, field: str) -> None:
    refused = Api(cast.olga).post("webhooks", body)
    assert refused.status == 422 and field in {error["field"] for error in refused.json["errors"]}


def test_page__makes_changes_tests_and_deletes_an_endpoint(cast: Cast, browser: Client) -> None:
    at = "/w/acme/settings/webhooks"
    assert "No webhook yet" in browser.get(at).content.decode()
    made = browser.post(at, {"url": URL, "format": "event"})
    row = Webhook.objects.get()
    assert f"{row.host}, events as JSON" in browser.get(at).content.decode()
    assert made.status_code == 201 and "whsec_" in made.content.decode()
    assert "whsec_" not in browser.get(f"{at}/{row.pk}").content.decode().replace("whsec_…", "")
    same = {"url": URL, "name": "chat", "format": "text", "is_active": "on", "events": ["run.finished"]}
    assert browser.post(f"{at}/{row.pk}", same).status_code == 302
    chosen = re.findall(r'name="events" value="([^"]+)" checked', browser.get(f"{at}/{row.pk}").content.decode())
    assert chosen == ["run.finished"]
    refused = browser.post(f"{at}/{row.pk}", {**same, "url": "https://example.org/"})
    assert refused.status_code == 422 and "Enter the secret again" in refused.content.decode()
    browser.post(f"{at}/{row.pk}/test")
    shown = browser.get(f"{at}/{row.pk}").content.decode()
    assert "webhook.test" in shown and "not sent yet" in shown
    sent = WebhookDelivery.objects.get()
    assert browser.post(f"{at}/{row.pk}/deliveries/{sent.pk}/redeliver").status_code == 302
    assert "whsec_" in browser.post(f"{at}/{row.pk}/rotate").content.decode()
    assert browser.post(f"{at}/{row.pk}/delete").status_code == 302 and not Webhook.objects.exists()


def test_catalogue__is_in_the_document_and_in_the_documentation() -> None:
    told = document()["webhooks"]
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
    for kind in events.types():
        schema = told[kind.name]["post"]["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator.check_schema(schema)
        assert f"| `{kind.name}` |" in page
