"""Requirements 12 to 18 and 68: what answers tell a browser."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from registry.core.actions.sessions import create_sign_in_link
from registry.core.models import Member
from tests.builders import Cast, prompt, signed_in
from tests.pages.conftest import SignedIn

ROOT = Path(__file__).parents[2]
PAGES = (
    "/sign-in",
    "/w/acme/",
    "/w/acme/settings/keys",
    "/w/acme/settings/profile",
    "/w/acme/prompts/nothing",
    "/nowhere",
)
POLICY = {
    "default-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
}


@pytest.mark.parametrize("address", PAGES)
def test_12__every_page__has_a_policy_without_inline_code(cast: Cast, as_: SignedIn, address: str) -> None:
    answer = as_(cast.olga).get(address)
    rules = {rule.strip() for rule in answer["Content-Security-Policy"].split(";")}
    page = answer.content.decode()

    assert rules >= POLICY and "unsafe" not in answer["Content-Security-Policy"]
    assert any(re.fullmatch(r"script-src 'self' 'nonce-[\w+/=-]{16,}'", rule) for rule in rules), rules
    assert not re.search(r"<[^>]+\s(?:style|on\w+)=", page)
    assert all("nonce=" in tag and "src=" in tag for tag in re.findall(r"<script\b[^>]*>", page) if "json" not in tag)


def test_13__htmx__is_kept_to_this_origin_and_writes_no_style() -> None:
    base = (ROOT / "templates" / "base.html").read_text()
    found = re.search(r"name=\"htmx-config\" content='([^']+)'", base)
    assert found
    config = json.loads(found[1])
    assert (config["mode"], config["includeIndicatorCSS"]) == ("same-origin", False)
    assert 'hx-headers:inherited=\'{"X-CSRFToken"' in base


def test_14__htmx_writes__without_the_token_are_refused(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True, headers={"HX-Request": "true"})
    signed_in(client, Member.objects.select_related("user").get(pk=cast.ada.member_id).user)
    prompt(cast.ada, "support/triage")

    assert client.post("/w/acme/prompts/support/triage/drafts/edit", {"text": "x"}).status_code == 403


def test_15__no_answer_of_the_api__opens_it_to_other_origins(cast: Cast) -> None:
    answer = Client().get("/api/v1/prompts", headers={**cast.key().headers, "Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert "Authorization" in answer["Vary"]


def test_16_17__cookies_and_headers__where_people_use_https() -> None:
    import runpy

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLOWED_HOSTS", "other.example")
        patch.setenv("PUBLIC_URL", "https://greenroom.example")
        made = runpy.run_path(str(ROOT / "registry" / "settings.py"))
        patch.setenv("PUBLIC_URL", "http://127.0.0.1:8000")
        plain = runpy.run_path(str(ROOT / "registry" / "settings.py"))

    names = [made[f"{name}_COOKIE_NAME"] for name in ("SESSION", "CSRF", "BROWSER", "MESSAGE")]
    assert all(name.startswith("__Host-") for name in names)
    for name in ("SESSION", "CSRF"):
        assert (made[f"{name}_COOKIE_SECURE"], made[f"{name}_COOKIE_HTTPONLY"]) == (True, True)
        assert made[f"{name}_COOKIE_SAMESITE"] == "Lax"
    assert made["SECURE_HSTS_SECONDS"] >= 31_536_000 and made["SECURE_SSL_REDIRECT"]
    assert settings.SESSION_COOKIE_NAME == plain["SESSION_COOKIE_NAME"] == "session"
    assert {"greenroom.example", "other.example"} < set(made["ALLOWED_HOSTS"])
    assert set(plain["ALLOWED_HOSTS"]) == {"localhost", "127.0.0.1", "[::1]"}, "in clear the machine itself alone"


def test_16__every_cookie_of_ours__is_out_of_reach_of_scripts_and_named_by_the_settings(
    cast: Cast, settings: Any
) -> None:
    """The theme's alone holds no secret, and belongs to the browser."""
    settings.BROWSER_COOKIE_NAME, settings.MESSAGE_COOKIE_NAME = "__Host-browser", "__Host-messages"
    user = Member.objects.select_related("user").get(pk=cast.ada.member_id).user
    user.set_password("lanterns over a quiet harbour")
    user.save()
    client = Client()
    client.get("/sign-in")
    client.post("/sign-in", {"email": user.email, "password": "lanterns over a quiet harbour"})
    client.post("/w/acme/settings/profile/look", {"theme": "dark", "time_zone": ""})

    names = {getattr(settings, f"{name}_COOKIE_NAME") for name in ("SESSION", "CSRF", "BROWSER", "MESSAGE")}
    ours = {name: cookie for name, cookie in client.cookies.items() if name != "theme"}
    assert set(ours) == names
    assert {(cookie["httponly"], cookie["samesite"], cookie["path"]) for cookie in ours.values()} == {
        (True, "Lax", "/")
    }


def test_17__every_answer__carries_the_headers_that_browsers_heed(cast: Cast, as_: SignedIn) -> None:
    answer = as_(cast.olga).get("/w/acme/")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("address", ["/w/acme/", "/w/acme/settings/keys", "/w/acme/settings/profile", "/sign-in"])
def test_68__pages_of_a_session__are_kept_by_no_cache(cast: Cast, as_: SignedIn, address: str) -> None:
    assert "no-store" in as_(cast.olga).get(address)["Cache-Control"]


def test_18__way_back_from_an_error__leads_to_no_other_host(db: None) -> None:
    """Two slashes at the beginning of an address are another host to a browser."""
    page = Client().get("/nothing", headers={"Referer": "http://testserver//evil.example/x"}).content.decode()
    assert 'href="/%2Fevil.example/x"' in page and 'href="//' not in page


def test_25__forms_that_one_person_sends__are_counted_and_reading_is_not(cast: Cast, settings: Any) -> None:
    settings.API_REQUESTS_PER_MINUTE = 2
    client = signed_in(Client(), Member.objects.select_related("user").get(pk=cast.ada.member_id).user)
    told = [client.post("/w/acme/settings/profile/name", {"name": "Ada"}) for _ in range(6)]
    refused = [one for one in told if one.status_code == 429]
    assert {one.status_code for one in told} == {302, 429} and 1 <= int(refused[0]["Retry-After"]) <= 60
    assert refused[0]["RateLimit"] == f'"minute";r=0;t={refused[0]["Retry-After"]}'
    assert client.get("/w/acme/settings/profile").status_code == 200


def test_14__session_asked_for_by_a_page_of_another_site__is_refused(cast: Cast) -> None:
    """Who is signed in unawares, as somebody of the site's choice, would type their prompts into that account."""
    user = Member.objects.select_related("user").get(pk=cast.ada.member_id).user
    for origin, status in (("https://evil.example", 403), ("null", 403), (settings.PUBLIC_URL, 200)):
        body = {"token": create_sign_in_link(user)}
        answer = Client().post("/api/v1/session", body, content_type="application/json", headers={"Origin": origin})
        assert answer.status_code == status, origin
