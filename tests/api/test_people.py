"""Members, keys, the audit log and inboxes over REST."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.core.models import User
from tests.api.client import Api
from tests.builders import Cast, Key, deliver, prompt


@pytest.fixture
def olga(cast: Cast) -> Api:
    return Api(cast.olga)


def test_member__invited_changed_deactivated(cast: Cast, olga: Api, settings):
    made = olga.post("members", {"email": "New.One@example.com", "role": "reviewer", "grants": []})
    assert made.status == 201
    assert (made.json["email"], made.json["name"]) == ("New.One@example.com", "New One")
    assert made.json["sign_in_url"].startswith(f"{settings.PUBLIC_URL}/sign-in/")
    assert olga.post("members", {"email": "new.one@example.com", "role": "viewer"}).code == "member.exists"
    for body in ({"email": "x", "role": "viewer"}, {"email": "a@example.com", "role": "king"}, {"role": "viewer"}):
        assert olga.post("members", body).status == 422
    where = "members/NEW.one@example.com"
    assert olga.patch(where, {"role": "releaser", "grants": ["override"]}).json["grants"] == ["override"]
    assert olga.get(where).json["role"] == "releaser"
    assert olga.delete(where).status == 204
    assert olga.get(where).json["is_active"] is False
    assert olga.delete("members/olga@example.com").code == "member.last_owner"
    assert olga.get("members/nobody@example.com").status == 404
    assert olga.get("members/%00").status == 404
    assert len(olga.get("members").json["results"]) == 6


def test_member__known_elsewhere_or_here_before__gets_no_way_into_their_account(cast: Cast, olga: Api, settings):
    plain = f"{settings.PUBLIC_URL}/sign-in"
    linus = olga.post("members", {"email": "linus@example.com", "role": "viewer"})
    assert linus.json["sign_in_url"] == plain
    olga.post("members", {"email": "new@example.com", "role": "viewer"})
    olga.delete("members/new@example.com")
    User.objects.filter(email="new@example.com").update(last_login=timezone.now())
    assert olga.post("members", {"email": "new@example.com", "role": "viewer"}).json["sign_in_url"] == plain


def test_key__made__is_shown_once_and_opens_what_it_says(cast: Cast, olga: Api):
    prompt(cast.ada)
    made = olga.post("keys", {"kind": "service", "name": "shop", "environment": "development"})
    assert made.status == 201 and made.headers["Cache-Control"] == "no-store"
    assert made.json["secret"].startswith("gr_")
    assert made.json["responsible"] == "olga@example.com"
    pair = made.json["basic"]
    assert pair["public_key"].startswith("pk-gr-") and pair["secret_key"].startswith("sk-gr-")
    service = Api(Key(made.json["secret"], made.json["id"]))
    assert service.get("environments/development/prompts/support/triage").status == 200
    read = olga.get(f"keys/{made.json['id']}")
    assert made.json["secret"] not in read.body.decode() and "secret" not in read.json
    assert read.json["last_used_at"] and made.json["secret"].startswith(read.json["prefix"])
    listed = olga.get("keys")
    assert listed.json["results"] == [read.json]

    rotated = olga.post(f"keys/{made.json['id']}/rotate")
    assert (rotated.status, rotated.json["rotated_from"]) == (201, made.json["id"])
    assert service.get("environments/development/prompts/support/triage").status == 200, "the old key overlaps"
    assert olga.delete(f"keys/{made.json['id']}").status == 204
    assert service.get("environments/development/prompts/support/triage").code == "key.unknown"
    assert olga.post(f"keys/{made.json['id']}/rotate").code == "key.ended"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "ci"},
        {"kind": "ci", "name": "x", "environment": "staging"},
        {"kind": "service", "name": "x"},
        {"kind": "service", "name": "x", "environment": "nowhere"},
        {"kind": "service", "name": "x", "environment": "staging", "scopes": ["read"]},
        {"kind": "ci", "name": "x", "scopes": ["everything"]},
        {"kind": "ci", "name": "x", "responsible": "linus@example.com"},
        {"kind": "ci", "name": "x", "expires_at": (timezone.now() - timedelta(days=1)).isoformat()},
        {"kind": "ci", "name": ""},
    ],
)
def test_key__that_makes_no_sense__is_refused(olga: Api, body: dict[str, object]):
    assert olga.post("keys", body).status == 422


def test_key__of_ci__has_all_scopes_but_promote(cast: Cast, olga: Api):
    made = olga.post("keys", {"kind": "ci", "name": "ci", "responsible": "ada@example.com"})
    assert made.json["scopes"] == ["check", "read", "run", "write"]
    assert (made.json["environment"], made.json["responsible"]) == (None, "ada@example.com")


def test_key__repeated_with_an_idempotency_key__makes_one_and_keeps_no_secret(cast: Cast, olga: Api):
    body = {"kind": "ci", "name": "ci"}
    assert olga.post("keys", body, Idempotency_Key="once").status == 201
    assert olga.post("keys", body, Idempotency_Key="once").code == "idempotency.not_kept"
    assert len(olga.get("keys").json["results"]) == 1


def test_audit__what_was_done__is_listed_filtered_and_verified(cast: Cast, olga: Api):
    prompt(cast.ada)
    newest = olga.get("audit").json["results"][0]
    assert (newest["event"], newest["actor"]["name"]) == ("version.created", "Ada")
    assert newest["subject"]["name"] == "support/triage" and newest["detail"]["version"] == 1
    assert [one["event"] for one in olga.get("audit?event=prompt.created&actor=Ada").json["results"]] == [
        "prompt.created"
    ]
    assert olga.get("audit?actor=nobody").json["results"] == []
    assert olga.get("audit/verify").json == {"ok": True, "rows": newest["sequence"], "first_bad": None}
    assert Api(cast.rosa).get("audit").status == 403
    assert Api(cast.key()).get("audit/verify").code == "actor.key"


def test_notifications__a_reviewers_inbox__is_listed_and_emptied(cast: Cast, olga: Api):
    prompt(cast.ada)
    Api(cast.ada).post("promotions", {"prompt": "support/triage", "version": 1, "environment": "production"})
    deliver()
    grace = Api(cast.grace)
    [line] = grace.get("notifications?unread=true").json["results"]
    assert "Ada asks to promote" in line["text"] and line["read_at"] is None
    assert grace.post("notifications/mark-read").json == {"marked": 1}
    assert grace.get("notifications?unread=true").json["results"] == []
    assert Api(cast.key()).get("notifications").code == "actor.key"
