"""Requirement 32: passkeys, as a second factor and as a way in; and what somebody tries who has none that counts."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from registry.core import relying_party
from registry.core.actions.passkeys import WRONG, add_passkey, check_passkey, remove_passkey
from registry.core.actions.second_factors import check_factor, recovery_codes_left
from registry.core.actions.sessions import create_sign_in_link
from registry.core.actions.workspaces import require_second_factor
from registry.core.actor import Actor
from registry.core.ceremonies import CEREMONY
from registry.core.errors import ConfirmationNeeded, NotFound, TooManyRequests, Unauthenticated
from registry.core.models import ApiKey, AuditEvent, Notification, Passkey, RecoveryCode, User
from registry.core.passkey_queries import passkeys_of
from registry.core.relying_party import Ceremony, new_ceremony, new_handle
from tests.builders import Cast, again, signed_in
from tests.pages.conftest import SignedIn
from tests.security.authenticator import Device, encoded
from tests.security.test_second_factor import NOW, PASSWORD, code, equip, user_of

SECURITY = "/w/acme/settings/security"
OPTIONS = "/sign-in/passkey/options"


@pytest.fixture(autouse=True)
def named_server(settings: Any) -> Iterator[None]:
    """The server has a name, no minute turns meanwhile, and no earlier test's tries count."""
    settings.PUBLIC_URL = "http://localhost:8000"
    with patch("registry.core.limits.time.time", return_value=NOW):
        yield


def options(client: Client, purpose: str) -> dict[str, Any]:
    answer = client.post(OPTIONS, {"purpose": purpose})
    assert answer.status_code == 200 and answer["Cache-Control"].startswith("max-age=0"), answer.content
    given: dict[str, Any] = json.loads(answer.content)
    return given


def add(client: Client, device: Device, *, name: str = "Phone") -> Any:
    """Add the device's passkey on the page Security."""
    made = device.create(options(client, "add"))
    return client.post(f"{SECURITY}/passkey-add", {"name": name, "credential": made})


def sign_in(device: Device, client: Client | None = None, **fields: str) -> Any:
    """Sign in by the device alone."""
    client = client or Client()
    answer = device.get(options(client, "sign-in"))
    return client.post("/sign-in/passkey", {"credential": answer, **fields})


def is_in(client: Client) -> bool:
    return client.get("/w/acme/").status_code == 200


def enrolled(actor: Actor, device: Device | None = None) -> Device:
    """The device's passkey, added by the action."""
    device = device or Device()
    ceremony = new_ceremony(handle=new_handle())
    asked = json.loads(relying_party.creation_options(ceremony, account="a", person="A", known=()))
    add_passkey(actor, user_of(actor), name="Phone", answer=device.create(asked), ceremony=ceremony)
    return device


def asked(ceremony: Ceremony) -> dict[str, Any]:
    given: dict[str, Any] = json.loads(relying_party.request_options(ceremony, known=()))
    return given


def test_32__passkey__is_added_named_listed_renamed_and_removed(cast: Cast, as_: SignedIn) -> None:
    client, device = as_(cast.grace), Device()
    form = client.post(f"{SECURITY}/passkey").content.decode()
    given = options(client, "add")
    client.post(f"{SECURITY}/passkey-add", {"name": "Phone", "credential": device.create(given)})
    row = Passkey.objects.get()
    listed = client.get(SECURITY).content.decode()
    client.post(f"{SECURITY}/passkey-rename", {"passkey": row.pk, "name": "Old phone"})
    renamed = client.get(SECURITY).content.decode()
    second = options(client, "add")
    client.post(f"{SECURITY}/passkey-remove", {"passkey": row.pk})

    assert 'data-passkey="create"' in form and given["rp"] == {"name": "Greenroom", "id": "localhost"}
    assert given["authenticatorSelection"]["userVerification"] == "required"
    assert given["authenticatorSelection"]["residentKey"] == "preferred"
    assert "grace" not in given["user"]["id"] and row.transports == ["internal"]
    assert "Phone" in listed and "not used yet" in listed and "Old phone" in renamed
    assert second["excludeCredentials"][0]["id"] == encoded(device.id) and second["user"]["id"] == given["user"]["id"]
    assert not Passkey.objects.exists() and not user_of(cast.grace).has_second_factor
    events = AuditEvent.objects.filter(event__startswith="member.passkey").order_by("pk")
    assert [(row.event, json.loads(row.detail)["passkey"]) for row in events] == [
        ("member.passkey_added", "Phone"),
        ("member.passkey_renamed", "Old phone"),
        ("member.passkey_removed", "Old phone"),
    ]
    told = Notification.objects.filter(user=user_of(cast.grace), topic="factor.changed").order_by("pk")
    assert [row.text for row in told] == [
        "The passkey “Phone” was added to your account.",
        "The passkey “Old phone” was removed from your account.",
    ]


def test_32__first_second_factor__gives_recovery_codes_and_the_last_one_takes_them_away(cast: Cast) -> None:
    user = user_of(cast.grace)
    enrolled(cast.grace)
    assert recovery_codes_left(user) == 10 and user_of(cast.grace).has_second_factor
    kept = set(RecoveryCode.objects.values_list("code_hash", flat=True))

    _, codes = equip(cast.grace)
    assert codes == [] and set(RecoveryCode.objects.values_list("code_hash", flat=True)) == kept
    remove_passkey(cast.grace, user, passkeys_of(user)[0].pk)
    assert user_of(cast.grace).has_second_factor and recovery_codes_left(user) == 10


def test_32__sign_in__by_a_passkey_alone_is_both_factors(cast: Cast) -> None:
    device, client = enrolled(cast.grace), Client()
    equip(cast.grace)

    given = options(client, "sign-in")
    before = client.session.session_key
    done = client.post("/sign-in/passkey", {"credential": device.get(given), "next": SECURITY})

    assert given["allowCredentials"] == [] and given["userVerification"] == "required"
    assert done["Location"] == SECURITY and is_in(client) and client.session.session_key != before
    assert "Cache-Control" in done and Passkey.objects.get().last_used_at is not None
    assert sign_in(device, next="https://elsewhere.example/")["Location"] == "/"


def test_32__sign_in__by_password_then_a_passkey(cast: Cast) -> None:
    device = enrolled(cast.grace, Device(says_who=False))
    user = user_of(cast.grace)
    user.set_password(PASSWORD)
    user.save()
    client = Client()

    half = client.post("/sign-in", {"email": user.email, "password": PASSWORD, "next": SECURITY})
    page = client.get("/sign-in/code").content.decode()
    given = options(client, "code")
    outside = is_in(client)
    done = client.post("/sign-in/code", {"credential": device.get(given)})

    assert half["Location"] == "/sign-in/code" and "Use a passkey" in page and "Recovery code" in page
    assert [one["id"] for one in given["allowCredentials"]] == [encoded(device.id)] and not outside
    assert done["Location"] == SECURITY and is_in(client)
    assert Client().post(OPTIONS, {"purpose": "code"}).status_code == 401, "nobody is told of anybody's passkeys"


def test_32__passkey__is_the_second_factor_that_a_workspace_asks_for(cast: Cast) -> None:
    enrolled(cast.olga)
    require_second_factor(cast.olga, required=True)
    assert again(cast.grace).lacks_factor
    enrolled(cast.grace)
    assert not again(cast.grace).lacks_factor and not again(cast.olga).lacks_factor


def test_33__saying_again_who_one_is__by_a_passkey_goes_on_with_what_was_typed(cast: Cast) -> None:
    device = enrolled(cast.olga)
    client = signed_in(Client(), user_of(cast.olga), minutes_ago=16)
    key = {"name": "checkout", "kind": "ci", "scopes": ["read"], "lifetime": "30"}

    question = client.post("/w/acme/settings/keys", key)
    spoilt = {**key, "confirm_username": "x", "confirm_passkey": Device().get(options(client, "confirm"))}
    refused = client.post("/w/acme/settings/keys", spoilt)
    answer = {**key, "confirm_username": "x", "confirm_passkey": device.get(options(client, "confirm"))}
    done = client.post("/w/acme/settings/keys", answer)

    assert question.status_code == 403 and "Confirm with a passkey" in question.content.decode()
    assert refused.status_code == 422 and WRONG in refused.content.decode()
    assert done.status_code == 201 and ApiKey.objects.get().name == "checkout"


def test_33__adding_and_removing_a_passkey__asks_again(cast: Cast) -> None:
    device = enrolled(cast.olga)
    client = signed_in(Client(), user_of(cast.olga), minutes_ago=16)
    pk = Passkey.objects.get().pk

    assert client.post(OPTIONS, {"purpose": "add"}).status_code == 403
    for verb, body in (("passkey", {}), ("passkey-add", {"name": "b"}), ("passkey-remove", {"passkey": pk})):
        assert "Confirm that it is you" in client.post(f"{SECURITY}/{verb}", body).content.decode()
    with pytest.raises(ConfirmationNeeded):
        remove_passkey(stale(cast.olga), user_of(cast.olga), pk)
    assert device.handle == Passkey.objects.get().handle


def stale(actor: Actor) -> Actor:
    return replace(actor, is_confirmed=False)


SPOILT = {
    "of another origin": {"origin": "http://localhost.example:8000"},
    "of another port": {"origin": "http://localhost:8001"},
    "for another relying party": {"rp_id": "example.com"},
    "whose owner nobody made sure of": {"verifies": False},
    "inside somebody else's page": {"framed": True},
    "that does not say who": {"says_who": False},
    "of another account": {"handle": encoded(b"somebody else")},
    "by another device": {"id": b"another"},
    "signed by another key": {"key": Device().key},
    "counting back": {"count": 0},
}


@pytest.mark.parametrize("how", SPOILT)
def test_32__answer_of_a_passkey__spoilt__signs_nobody_in(cast: Cast, how: str) -> None:
    device = enrolled(cast.grace, Device(count=5))
    for name, value in SPOILT[how].items():
        setattr(device, name, value)
    client = Client()

    refused = sign_in(device, client)

    assert refused.status_code == 422 and WRONG in refused.content.decode() and not is_in(client)
    assert CEREMONY not in client.session and Passkey.objects.get().last_used_at is None


@pytest.mark.parametrize("how", ["of another origin", "for another relying party", "whose owner nobody made sure of"])
def test_32__passkey_made__spoilt__is_not_added(cast: Cast, as_: SignedIn, how: str) -> None:
    refused = add(as_(cast.grace), Device(**SPOILT[how]))  # type: ignore[arg-type]
    assert refused.status_code == 422 and not Passkey.objects.exists()
    assert not user_of(cast.grace).has_second_factor


def test_32__challenge__is_good_once_for_one_purpose_in_one_browser_for_five_minutes(cast: Cast) -> None:
    device, client = enrolled(cast.grace), Client()
    device.counts = False
    first = device.get(options(client, "sign-in"))
    kept = client.session[CEREMONY]
    assert client.post("/sign-in/passkey", {"credential": first}).status_code == 302

    def statuses() -> Iterator[int]:
        yield client.post("/sign-in/passkey", {"credential": first}).status_code
        stolen = Client()
        options(stolen, "sign-in")
        yield stolen.post("/sign-in/passkey", {"credential": first}).status_code
        beside = Client()  # the same session, read before the first answer had used it up
        options(beside, "sign-in")
        session = beside.session
        session[CEREMONY] = kept
        session.save()
        yield beside.post("/sign-in/passkey", {"credential": first}).status_code
        other = signed_in(Client(), user_of(cast.grace))
        confirming = device.get(options(other, "confirm"))
        yield other.post("/sign-in/passkey", {"credential": confirming}).status_code
        late = Client()
        answer = device.get(options(late, "sign-in"))
        with time_machine.travel(timezone.now() + timedelta(seconds=301), tick=False):
            yield late.post("/sign-in/passkey", {"credential": answer}).status_code

    assert list(statuses()) == [422] * 5


def test_32__passkey_of_somebody_else__confirms_completes_and_changes_nothing(cast: Cast, as_: SignedIn) -> None:
    hers, his = enrolled(cast.grace), enrolled(cast.linus)
    grace, linus = user_of(cast.grace), user_of(cast.linus)
    ceremony = new_ceremony()
    with pytest.raises(Unauthenticated):
        check_passkey(his.get(asked(ceremony)), ceremony, user=grace, address="")
    with pytest.raises(NotFound):
        remove_passkey(cast.grace, grace, passkeys_of(linus)[0].pk)
    client = as_(cast.grace)
    for verb in ("passkey-remove", "passkey-rename"):
        for pk in (passkeys_of(linus)[0].pk, "x", ""):
            assert client.post(f"{SECURITY}/{verb}", {"passkey": pk, "name": "mine"}).status_code == 404
    stranger = Client()
    assert sign_in(his, stranger).status_code == 302
    assert not is_in(stranger), "whoever signs in is in their own workspaces alone"
    assert add(client, his).status_code == 422, "a passkey belongs to one account"
    assert [row.name for row in passkeys_of(linus)] == ["Phone"]
    assert check_passkey(hers.get(asked(ceremony)), ceremony, user=None, address="") == grace


def test_32__person_disabled__is_signed_in_by_no_passkey(cast: Cast) -> None:
    device = enrolled(cast.grace)
    User.objects.filter(pk=user_of(cast.grace).pk).update(is_active=False)
    assert sign_in(device).status_code == 422


def test_32__nonsense__is_the_same_refusal(cast: Cast) -> None:
    enrolled(cast.grace)
    good = json.loads(Device().get(asked(new_ceremony())))
    for text in ("", "{}", "[" * 9000, "null", "x" * 30_000, json.dumps({**good, "response": {}}), '{"id":1}'):
        client = Client()
        options(client, "sign-in")
        refused = client.post("/sign-in/passkey", {"credential": text})
        assert refused.status_code == 422 and WRONG in refused.content.decode(), text[:40]
    made = json.loads(
        Device().create(
            json.loads(
                relying_party.creation_options(new_ceremony(handle=new_handle()), account="a", person="A", known=())
            )
        )
    )
    for broken in (encoded(b"\x81" * 5000), encoded(b""), "%%%"):
        made["response"]["attestationObject"] = broken
        with pytest.raises(relying_party.AnswerRefused):
            relying_party.read_registration(json.dumps(made), new_ceremony())


def test_32__tries_of_passkeys__are_slowed_by_account_and_by_address(cast: Cast) -> None:
    user, device = user_of(cast.grace), enrolled(cast.grace)
    stranger = Device()
    said: list[type[Exception]] = []
    for _ in range(5):
        with pytest.raises((Unauthenticated, TooManyRequests)) as refused:
            check_passkey(stranger.get(asked(new_ceremony())), None, user=user, address="192.0.2.1")
        said.append(refused.type)
    assert said[-1] is TooManyRequests, "adding the passkey was the first of five"
    with pytest.raises(TooManyRequests):
        check_factor(user, "000000", address="192.0.2.1")
    with patch("registry.core.sign_in_limits.PER_ADDRESS", 3):
        for _ in range(3):
            with pytest.raises(Unauthenticated):
                check_passkey("", None, user=None, address="192.0.2.1")
        ceremony = new_ceremony()
        with pytest.raises(TooManyRequests):
            check_passkey(device.get(asked(ceremony)), ceremony, user=None, address="192.0.2.1")
        assert check_passkey(device.get(asked(ceremony)), ceremony, user=None, address="192.0.2.9") == user
        client = Client()
        statuses = [client.post(OPTIONS, {"purpose": "sign-in"}).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]


def test_32__server_without_a_name__offers_no_passkeys(cast: Cast, as_: SignedIn, settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    page = as_(cast.grace).get(SECURITY).content.decode()

    assert "Sign in with a passkey" not in Client().get("/sign-in").content.decode()
    assert "reached at 127.0.0.1" in page and "Add a passkey" not in page
    assert Client().post(OPTIONS, {"purpose": "sign-in"}).status_code == 404
    settings.PUBLIC_URL = "https://Greenroom.Example:443/"
    assert relying_party.is_offered()
    assert (relying_party.relying_party_id(), relying_party.origin()) == (
        "greenroom.example",
        "https://greenroom.example",
    )


def test_32__recovery_code__lets_in_whoever_lost_the_passkey(cast: Cast) -> None:
    ceremony = new_ceremony(handle=new_handle())
    given = json.loads(relying_party.creation_options(ceremony, account="a", person="A", known=()))
    made = Device().create(given)
    added = add_passkey(cast.grace, user_of(cast.grace), name="Phone", answer=made, ceremony=ceremony)
    check_factor(user_of(cast.grace), added.codes[0], address="")
    with pytest.raises(Unauthenticated):
        check_factor(user_of(cast.grace), code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), address="")


def test_32__session_over_the_api__of_whoever_has_passkeys_alone__takes_a_recovery_code_and_nothing_less(
    cast: Cast,
) -> None:
    """A passkey is for browsers; the API has no way past it, and takes the session of one who signed in there."""
    device = Device()
    ceremony = new_ceremony(handle=new_handle())
    asked = json.loads(relying_party.creation_options(ceremony, account="a", person="A", known=()))
    added = add_passkey(cast.grace, user_of(cast.grace), name="Phone", answer=device.create(asked), ceremony=ceremony)
    user = user_of(cast.grace)
    user.set_password(PASSWORD)
    user.save()
    token = create_sign_in_link(user)
    api = Client()

    def post(**given: str) -> Any:
        return api.post("/api/v1/session", given, content_type="application/json")

    by_password = {"email": user.email, "password": PASSWORD}
    for given in (by_password, {"token": token}):
        refused = post(**given)
        assert (refused.status_code, refused.json()["code"]) == (401, "session.second_factor")
        assert "/sign-in" in refused.json()["detail"]
        assert post(**given, code="123456").json()["code"] == "session.refused"
    answer = device.get(options(api, "sign-in"))
    assert post(**by_password, credential=answer).status_code == 422
    assert not is_in(api), "nothing of that was a way in"
    assert post(token=token, code=added.codes[0]).status_code == 200 and is_in(api)
    assert post(**by_password, code=added.codes[0]).status_code == 401, "a recovery code works once"

    browser = Client()
    assert sign_in(device, browser).status_code == 302
    assert browser.get("/api/v1/prompts").status_code == 200
