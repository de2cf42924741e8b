"""Single sign-on against a provider on loopback: who comes in, with which role, and what is refused."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client

from registry.core.models import AuditEvent, ExternalIdentity, Member, User
from registry.env import read_environment
from tests.builders import Cast
from tests.security.provider import CLIENT, SECRET, Provider, serving


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """A provider that this server trusts: `staff` may edit and `leads` may release in acme."""
    made = Provider()
    with serving(made) as address:
        settings.OIDC_ISSUER = address
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
        settings.OIDC_ROLES = (("acme", "staff", "editor"), ("acme", "leads", "releaser"))
        settings.OUTBOUND_ALLOW = frozenset({address.removeprefix("http://")})
        yield made


def arrive(provider: Provider, client: Client, **claims: Any) -> Any:
    """Go there and come back as somebody with these claims."""
    provider.claims |= claims
    away = client.get("/sign-in/sso", {"next": "/w/acme/reviews"})
    return client.get(provider.authorize(away["Location"]))


def test_sso__somebody_new_with_a_group__comes_in_with_its_role(cast: Cast, provider: Provider) -> None:
    client = Client()

    answer = arrive(provider, client, groups=["staff", "leads", "other"])

    assert answer["Location"] == "/w/acme/reviews" and client.get("/w/acme/").status_code == 200
    member = Member.objects.select_related("user").get(user__email="nina@example.com")
    assert (member.role, member.user.name, member.user.has_usable_password()) == ("releaser", "Nina", False)
    row = AuditEvent.objects.filter(event="member.added").latest("pk")
    assert (row.actor_kind, row.actor_name) == ("system", "single sign-on")
    assert provider.asked[0]["code_verifier"] and "client_secret" not in provider.asked[0]


def test_sso__roles__follow_the_groups_at_each_sign_in_and_end_with_them(cast: Cast, provider: Provider) -> None:
    arrive(provider, Client(), groups="staff")
    arrive(provider, Client(), groups=["leads"])
    assert Member.objects.get(user__email="nina@example.com").role == "releaser"

    client = Client()
    arrive(provider, client, groups=[])

    assert not Member.objects.get(user__email="nina@example.com").is_active
    assert client.get("/w/acme/").status_code == 404


def test_sso__somebody_who_is_here__is_found_by_the_verified_address_and_then_by_subject(
    cast: Cast, provider: Provider
) -> None:
    arrive(provider, Client(), email="Ada@example.com", sub="ada-1", groups=["staff"])
    arrive(provider, Client(), email="ada.new@example.com", sub="ada-1", groups=["staff"])
    other = arrive(provider, Client(), email="ada@example.com", sub="ada-2", groups=["staff"])

    identity = ExternalIdentity.objects.get()
    assert identity.user.email == "ada@example.com"
    assert other.status_code == 401 and not User.objects.filter(email="ada.new@example.com").exists()


def test_sso__last_owner_without_a_group__stays_the_owner(cast: Cast, provider: Provider) -> None:
    arrive(provider, Client(), email="olga@example.com", sub="olga", groups=["staff"])
    assert Member.objects.get(pk=cast.olga.member_id).role == "owner"


@pytest.mark.parametrize(
    "claims",
    [
        {"groups": []},
        {"groups": ["unknown"]},
        {"email_verified": False, "groups": ["staff"]},
        {"email_verified": "true", "groups": ["staff"]},
        {"email": None, "groups": ["staff"]},
        {"aud": "another", "groups": ["staff"]},
        {"aud": [CLIENT, "another"], "groups": ["staff"]},
        {"iss": "https://evil.example", "groups": ["staff"]},
        {"nonce": "replayed", "groups": ["staff"]},
        {"exp": int(time.time()) - 600, "groups": ["staff"]},
    ],
)
def test_sso__a_token_that_says_anything_else__lets_nobody_in(
    cast: Cast, provider: Provider, claims: dict[str, Any]
) -> None:
    client = Client()
    assert arrive(provider, client, **claims).status_code == 401
    assert client.get("/w/acme/").status_code == 302 and not User.objects.filter(email="nina@example.com").exists()


def test_sso__a_token_signed_by_another_key_or_by_none__lets_nobody_in(cast: Cast, provider: Provider) -> None:
    provider.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert arrive(provider, Client(), groups=["staff"]).status_code == 401
    provider.signs_with, provider.algorithm = "", "none"
    assert arrive(provider, Client(), groups=["staff"]).status_code == 401


def test_sso__coming_back__works_once_and_only_in_the_browser_that_went(cast: Cast, provider: Provider) -> None:
    provider.claims["groups"] = ["staff"]
    client = Client()
    back = provider.authorize(client.get("/sign-in/sso")["Location"])

    assert Client().get(back).status_code == 401
    assert client.get(back.replace("state=", "state=x")).status_code == 401
    assert client.get(back).status_code == 401, "one try for each journey"
    again = provider.authorize(client.get("/sign-in/sso")["Location"])
    assert client.get(again).status_code == 302
    assert client.get(again).status_code == 401
    assert client.get("/sign-in/sso/back?error=access_denied&state=x").status_code == 401


def test_sso__next_on_another_host__leads_home(cast: Cast, provider: Provider) -> None:
    provider.claims["groups"] = ["staff"]
    client = Client()
    away = client.get("/sign-in/sso", {"next": "https://evil.example"})
    assert client.get(provider.authorize(away["Location"]))["Location"] == "/"


def test_sso__provider_away_or_not_permitted__says_so(cast: Cast, provider: Provider, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = frozenset()
    assert Client().get("/sign-in/sso").status_code == 503


def test_sso__not_configured__is_not_there(cast: Cast) -> None:
    assert Client().get("/sign-in/sso").status_code == 404
    assert "/sign-in/sso" not in Client().get("/sign-in").content.decode()


def test_sso__role_rules__are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ROLES", "acme:cn=admins:eu=admin, other:staff=viewer")
    assert read_environment().oidc_roles == (("acme", "cn=admins:eu", "admin"), ("other", "staff", "viewer"))
    monkeypatch.setenv("OIDC_ROLES", "acme:staff=god")
    with pytest.raises(ValueError, match="OIDC_ROLES"):
        read_environment()
