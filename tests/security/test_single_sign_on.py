"""Single sign-on against a provider on loopback: who comes in, with which role, and what is refused."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.sessions.models import Session
from django.test import Client

from registry.core.actions.invitations import create_invitation
from registry.core.actions.sessions import create_sign_in_link, peek_link
from registry.core.actions.single_sign_on import SAID_OF_TYING
from registry.core.actions.workspaces import add_member, find_or_create_user
from registry.core.actor import Role
from registry.core.models import AuditEvent, ExternalIdentity, Member, Notification, User
from registry.env import read_environment
from tests.builders import Cast
from tests.security.provider import CLIENT, SECRET, Provider, serving
from tests.security.test_second_factor import PASSWORD, equip

PUBLIC = "http://127.0.0.1:8000"
RULES = (("staff", "editor"), ("leads", "releaser"), ("admins", "admin"))


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """A provider that this server trusts: `staff` may edit, `leads` release and `admins` administer in acme."""
    made = Provider()
    with serving(made) as address:
        settings.OIDC_ISSUER = address
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT, SECRET
        settings.OIDC_ROLES = tuple(("acme", *rule) for rule in RULES)
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


def test_sso__an_account_made_before_with_a_colleagues_address__is_no_way_in_any_more(
    cast: Cast, provider: Provider
) -> None:
    """Whoever comes by an invitation chooses an address that nobody verifies: a leader's, and waits for the leader."""
    waiting = Client()
    join = create_invitation(cast.olga, role=Role.VIEWER).address.partition(PUBLIC)[2]
    waiting.post(join, {"name": "Nina", "email": "nina@example.com", "password": PASSWORD})
    user = User.objects.get(email="nina@example.com")
    link = create_sign_in_link(user)
    assert waiting.get("/w/acme/").status_code == 200

    nina = Client()
    arrive(provider, nina, groups=["leads"])

    assert nina.get("/w/acme/").status_code == 200
    assert waiting.get("/w/acme/").status_code == 302 and peek_link(link) is None
    assert Client().post("/sign-in", {"email": user.email, "password": PASSWORD}).status_code == 422
    assert Member.objects.get(user=user, workspace=cast.workspace).role == "releaser"
    assert AuditEvent.objects.filter(event="member.single_sign_on_tied").count() == 1
    assert Notification.objects.get(user=user).text == SAID_OF_TYING


def test_sso__an_account_with_a_second_factor__is_tied_once_that_was_right(cast: Cast, provider: Provider) -> None:
    secret, codes = equip(cast.ada)
    client, somebody = Client(), Client()

    asked = arrive(provider, client, email="ada@example.com", groups=["leads"])
    before = (ExternalIdentity.objects.count(), Member.objects.get(pk=cast.ada.member_id).role)
    wrong = client.post("/sign-in/code", {"code": "000000"})
    arrive(provider, somebody, email="ada@example.com", groups=["leads"])
    right = client.post("/sign-in/code", {"code": codes[0]})

    assert asked["Location"] == "/sign-in/code" and wrong.status_code == 422
    assert before == (0, "editor")
    assert right["Location"] == "/w/acme/reviews" and client.get("/w/acme/").status_code == 200
    assert Member.objects.get(pk=cast.ada.member_id).role == "releaser"
    assert ExternalIdentity.objects.get().user.has_usable_password(), "who showed the second factor made the account"
    assert somebody.get("/w/acme/").status_code == 302 and secret


def test_sso__an_address_that_the_database_takes_for_anothers__is_another_one(cast: Cast, provider: Provider) -> None:
    """The dotless i has the capital I, the Kelvin sign the small k: neither is Kim's."""
    add_member(cast.olga, find_or_create_user("kim@example.com"), role=Role.ADMIN)
    for email in ("k\u0131m@example.com", "\u212aim@example.com"):
        assert arrive(provider, Client(), email=email, sub=email, groups=[]).status_code == 401
    assert arrive(provider, Client(), email="KIM@example.com", groups=["staff"]).status_code == 302
    assert ExternalIdentity.objects.get().user.email == "kim@example.com"


@pytest.mark.parametrize(
    ("query", "ago", "is_confirmed"),
    [("", None, False), ("", 3600, False), ("", 60, True), ("?again=1", None, True), ("?again=1", 3600, False)],
)
def test_sso__a_session_there_that_is_old__does_not_say_again_who_somebody_is(
    cast: Cast, provider: Provider, query: str, ago: int | None, is_confirmed: bool
) -> None:
    """A browser that was left alone goes there and back without a question; only what was proved lately counts."""
    said = {} if ago is None else {"auth_time": int(time.time()) - ago}
    provider.claims |= {"groups": ["admins"], **said}
    client = Client()
    away = client.get(f"/sign-in/sso{query}")["Location"]
    client.get(provider.authorize(away))

    asked = client.post("/w/acme/settings/keys", {"kind": "ci", "name": "mine"})

    assert ("prompt=login" in away, "max_age=0" in away) == (bool(query), bool(query))
    assert (asked.status_code == 403 and "Confirm that it is you" in asked.content.decode()) is not is_confirmed


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
        {"sub": "u" * 256, "groups": ["staff"]},
        {"sub": "u\0", "groups": ["staff"]},
        {"email": f"{'n' * 250}@example.com", "groups": ["staff"]},
        {"email": "nina\0@example.com", "groups": ["staff"]},
    ],
)
def test_sso__a_token_that_says_anything_else__lets_nobody_in(
    cast: Cast, provider: Provider, claims: dict[str, Any]
) -> None:
    client = Client()
    assert arrive(provider, client, **claims).status_code == 401
    assert client.get("/w/acme/").status_code == 302 and not User.objects.filter(email="nina@example.com").exists()


def test_sso__a_name_longer_than_is_kept__is_shortened(cast: Cast, provider: Provider) -> None:
    assert arrive(provider, Client(), groups=["staff"], name=f"  Nina {'of the House ' * 20}").status_code == 302
    name = User.objects.get(email="nina@example.com").name
    assert name.startswith("Nina of the House") and len(name) == 120


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


def test_25__setting_out_again_and_again__is_slowed_and_keeps_no_more_sessions(cast: Cast, provider: Provider) -> None:
    told = [Client(REMOTE_ADDR="192.0.2.77").get("/sign-in/sso") for _ in range(260)]  # a minute may turn meanwhile
    refused = [answer for answer in told if answer.status_code == 429]
    assert refused and 1 <= int(refused[0]["Retry-After"]) <= 60
    assert Session.objects.count() == len(told) - len(refused)
    assert Client(REMOTE_ADDR="192.0.2.78").get("/sign-in/sso").status_code == 302


def test_sso__not_configured__is_not_there(cast: Cast) -> None:
    assert Client().get("/sign-in/sso").status_code == 404
    assert "/sign-in/sso" not in Client().get("/sign-in").content.decode()


def test_sso__role_rules__are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_ROLES", "acme:cn=admins:eu=admin, other:staff=viewer")
    assert read_environment().oidc_roles == (("acme", "cn=admins:eu", "admin"), ("other", "staff", "viewer"))
    monkeypatch.setenv("OIDC_ROLES", "acme:staff=god")
    with pytest.raises(ValueError, match="OIDC_ROLES"):
        read_environment()
