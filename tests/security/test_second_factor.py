"""Requirement 32: an authenticator whose codes work once, recovery codes that are kept as hashes, and who must have them."""

import time
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.reviews import vote
from prompts_app.facts import subject_of
from prompts_app.models import Vote
from registry.core.actions.second_factors import (
    add_authenticator,
    begin_authenticator,
    check_factor,
    recovery_codes_left,
    remove_authenticator,
    renew_recovery_codes,
)
from registry.core.actions.sessions import create_sign_in_link, peek_link
from registry.core.actions.workspaces import require_second_factor
from registry.core.actor import Actor
from registry.core.errors import Conflict, Forbidden, Invalid, TooManyRequests, Unauthenticated
from registry.core.models import Authenticator, Member, RecoveryCode, User
from registry.core.totp import code_at, new_secret, step_of
from tests import builders
from tests.api.client import Api
from tests.builders import Cast, again, signed_in
from tests.pages.conftest import SignedIn
from tests.scenes import policy, valid

PASSWORD = "lanterns over a quiet harbour"
NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def standing_clock() -> Iterator[None]:
    """No minute and no code turns meanwhile, and no earlier test's tries count."""
    with patch("registry.core.limits.time.time", return_value=NOW):
        yield


def user_of(actor: Actor) -> User:
    return Member.objects.select_related("user").get(pk=actor.member_id).user


def code(secret: str, *, later: int = 0) -> str:
    """The app's code now, or some steps of 30 seconds later."""
    return code_at(secret, int(time.time()) // 30 + later)


def equip(actor: Actor) -> tuple[str, list[str]]:
    """Set up an app; returns its secret and the recovery codes."""
    user = user_of(actor)
    user.set_password(PASSWORD)
    user.save()
    secret = begin_authenticator(user)
    return secret, add_authenticator(actor, user, code=code(secret))


def test_32__codes__are_those_of_rfc_6238() -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for at, expected in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert code_at(secret, at // 30) == expected
        assert step_of(secret, f"{expected[:3]} {expected[3:]}", at=at) == at // 30
    assert step_of(new_secret(), "०१२३४५", at=NOW) is None


def test_32__codes__wrong_all_day__are_a_hundred_at_most(cast: Cast) -> None:
    """Of a million codes three are right at a time: five tries a minute all day would be one chance in fifty."""
    equip(cast.grace)
    user, tried = user_of(cast.grace), 0
    for minute in range(60):
        with patch("registry.core.limits.time.time", return_value=NOW - NOW % 86_400 + 60 * minute):
            for _ in range(4):
                with pytest.raises((Unauthenticated, TooManyRequests)) as refused:
                    check_factor(user, "000000", address="")
                tried += refused.type is Unauthenticated
    assert tried <= 100


def test_32__a_code__works_once_and_no_earlier_one_after_it(cast: Cast) -> None:
    secret, _ = equip(cast.grace)
    user = user_of(cast.grace)

    with pytest.raises(Unauthenticated):
        check_factor(user, code(secret), address="")  # setting up used it
    check_factor(user, code(secret, later=1), address="")
    for used in (code(secret, later=1), code(secret)):
        with pytest.raises(Unauthenticated):
            check_factor(user, used, address="")


def test_32__recovery_codes__are_hashed_work_once_and_are_replaced(cast: Cast) -> None:
    _, codes = equip(cast.grace)
    user = user_of(cast.grace)
    kept = "".join(RecoveryCode.objects.values_list("code_hash", flat=True))

    assert len(set(codes)) == 10 and not any(one.replace("-", "") in kept for one in codes)
    check_factor(user, codes[0].upper().replace("-", " "), address="")
    with pytest.raises(Unauthenticated):
        check_factor(user, codes[0], address="")
    assert recovery_codes_left(user) == 9
    fresh = renew_recovery_codes(cast.grace, user)
    with pytest.raises(Unauthenticated):
        check_factor(user, codes[1], address="")
    check_factor(user, fresh[1], address="")


def test_32__guesses_of_codes__are_slowed_and_the_secret_is_sealed(cast: Cast) -> None:
    secret, _ = equip(cast.grace)
    assert secret not in Authenticator.objects.get().secret
    said = []
    for n in range(8):
        with pytest.raises((Unauthenticated, TooManyRequests)) as refused:
            check_factor(user_of(cast.grace), f"00000{n}", address="")
        said.append(refused.type)
    assert said[-1] is TooManyRequests


def test_32__first_code_wrong__nothing_is_set_up(cast: Cast) -> None:
    user = user_of(cast.grace)
    secret = begin_authenticator(user)
    assert begin_authenticator(user) == secret
    with pytest.raises(Invalid):
        add_authenticator(cast.grace, user, code="000000" if code(secret) != "000000" else "000001")
    assert not user_of(cast.grace).has_second_factor and recovery_codes_left(user) == 0


def test_32__signing_in__asks_for_the_code_before_there_is_a_session(cast: Cast) -> None:
    secret, codes = equip(cast.grace)
    client = Client()

    half = client.post(
        "/sign-in", {"email": "grace@example.com", "password": PASSWORD, "next": "/w/acme/settings/security"}
    )
    outside = client.get("/w/acme/")
    wrong = client.post("/sign-in/code", {"code": "12"})
    done = client.post("/sign-in/code", {"code": code(secret, later=1)})

    assert half["Location"] == "/sign-in/code" and outside.status_code == 302
    assert wrong.status_code == 422 and "not right" in wrong.content.decode()
    assert done["Location"] == "/w/acme/settings/security" and client.get("/w/acme/").status_code == 200
    assert Client().get("/sign-in/code")["Location"] == "/sign-in"
    by_link = Client()
    by_link.post(f"/sign-in/{create_sign_in_link(user_of(cast.grace))}")
    assert by_link.get("/w/acme/").status_code == 302
    by_link.post("/sign-in/code", {"code": codes[0]})
    assert by_link.get("/w/acme/").status_code == 200


def test_32__signing_in_over_the_api__needs_the_code_and_keeps_the_link(cast: Cast) -> None:
    secret, _ = equip(cast.grace)
    token = create_sign_in_link(user_of(cast.grace))

    missing = Api().post("session", {"token": token})
    wrong = Api().post("session", {"token": token, "code": "no"})
    right = Api().post("session", {"token": token, "code": code(secret, later=1)})

    assert (missing.status, missing.code) == (401, "session.second_factor")
    assert (wrong.status, wrong.code, right.status) == (401, "session.refused", 200)
    assert peek_link(token) is None


def test_32__required__stops_who_lacks_one_from_approving_promoting_and_administering(
    cast: Cast, as_: SignedIn
) -> None:
    with pytest.raises(Conflict):
        require_second_factor(cast.olga, required=True)
    equip(cast.olga)
    require_second_factor(cast.olga, required=True)
    version = builders.prompt(cast.ada).versions.select_related("prompt").get()
    promotion = open_promotion(cast.ada, version, cast.environment("staging"))

    refused = as_(cast.grace).post(f"/w/acme/promotions/{promotion.pk}/approve", {"subject_hash": "x"})
    with pytest.raises(Forbidden) as said:
        vote(again(cast.grace), promotion, Vote.APPROVE, stamp=None, subject_hash=subject_of(promotion).hash)
    page = as_(cast.grace).get("/w/acme/settings/security").content.decode()

    assert refused.status_code == 403 and said.value.code == "actor.second_factor"
    assert "asks a second factor of you" in page
    assert as_(cast.grace).get("/w/acme/").status_code == 200
    assert again(cast.ada).lacks_factor is False, "editors are not asked"
    assert as_(cast.olga).get("/w/acme/settings/members").status_code == 200
    equip(cast.grace)
    vote(again(cast.grace), promotion, Vote.APPROVE, stamp=None, subject_hash=subject_of(promotion).hash)


def test_32__required_after_an_approval__the_approval_waits_for_the_factor(cast: Cast) -> None:
    policy(cast, "staging", approvals=1)
    version = builders.prompt(cast.ada).versions.select_related("prompt").get()
    promotion = open_promotion(cast.ada, version, cast.environment("staging"))
    vote(cast.grace, promotion, Vote.APPROVE, stamp=None, subject_hash=subject_of(promotion).hash)
    assert valid(promotion, cast.rosa) == {"Grace"}
    equip(cast.olga)

    require_second_factor(cast.olga, required=True)
    assert valid(promotion, cast.rosa) == set()
    equip(cast.grace)
    assert valid(promotion, cast.rosa) == {"Grace"}


def test_32__required_by_the_installation__counts_in_every_workspace(cast: Cast, settings: object) -> None:
    assert not again(cast.olga).lacks_factor
    settings.REQUIRE_MFA = True  # type: ignore[attr-defined]
    assert again(cast.olga).lacks_factor and not again(cast.vera).lacks_factor


def test_33__secret_of_an_app__is_shown_to_no_old_session_however_it_asks(cast: Cast) -> None:
    user = user_of(cast.grace)
    user.set_password(PASSWORD)
    user.save()
    client = signed_in(Client(), user, minutes_ago=16)
    for verb, given in (("begin", {}), ("add", {"code": ""}), ("add", {"code": "000000"})):
        assert client.post(f"/w/acme/settings/security/{verb}", given).status_code == 403, verb
    assert not Authenticator.objects.exists()


def test_32__secret_that_waits__is_another_one_after_an_hour(cast: Cast) -> None:
    """Whoever saw it in an unattended browser would know every code of the app that is set up later."""
    user = user_of(cast.grace)
    seen = begin_authenticator(user)
    assert begin_authenticator(user) == seen

    Authenticator.objects.update(created_at=timezone.now() - timedelta(minutes=61))

    assert begin_authenticator(user) != seen


def test_33__password_changed_in_an_old_session__says_nothing_of_the_second_factor(cast: Cast) -> None:
    equip(cast.grace)
    client = signed_in(Client(), user_of(cast.grace), minutes_ago=16)

    changed = client.post(
        "/w/acme/settings/profile/password", {"current": PASSWORD, "password": "another road through hills"}
    )

    assert changed.status_code == 302 and client.post("/w/acme/settings/security/remove").status_code == 403
    assert user_of(cast.grace).has_second_factor


def test_34__password_changed_between_the_factors__ends_the_sign_in(cast: Cast) -> None:
    secret, _ = equip(cast.grace)
    client = Client()
    client.post("/sign-in", {"email": "grace@example.com", "password": PASSWORD})
    user = user_of(cast.grace)
    user.set_password("another road through hills")
    user.save()

    answer = client.post("/sign-in/code", {"code": code(secret, later=1)})

    assert answer["Location"] == "/sign-in" and client.get("/w/acme/").status_code == 302


def test_34__somebody_else_half_signed_in__leaves_no_session_that_its_owner_cannot_end(cast: Cast) -> None:
    equip(cast.grace)
    user = user_of(cast.ada)
    user.set_password(PASSWORD)
    user.save()
    home, elsewhere = Client(), Client()
    for client in (home, elsewhere):
        client.post("/sign-in", {"email": user.email, "password": PASSWORD})

    elsewhere.post("/sign-in", {"email": "grace@example.com", "password": PASSWORD})
    home.post("/w/acme/settings/profile/sessions/0")

    assert home.get("/w/acme/").status_code == 200
    assert elsewhere.get("/w/acme/").status_code == 302


def test_33__removing_a_factor__asks_again_for_password_and_code(cast: Cast) -> None:
    secret, _ = equip(cast.grace)
    client = signed_in(Client(), user_of(cast.grace), minutes_ago=16)
    address = "/w/acme/settings/security/remove"

    asked = client.post(address)
    half = client.post(address, {"confirm_username": "x", "confirm_password": PASSWORD, "confirm_code": "no"})
    still = user_of(cast.grace).has_second_factor
    given = {"confirm_username": "x", "confirm_password": PASSWORD, "confirm_code": code(secret, later=1)}
    done = client.post(address, given)

    assert (asked.status_code, half.status_code, done.status_code) == (403, 422, 302)
    assert still and not user_of(cast.grace).has_second_factor and not RecoveryCode.objects.exists()


def test_32__page__sets_up_shows_codes_once_and_removes(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.grace)
    begun = client.post("/w/acme/settings/security/begin")
    secret = begin_authenticator(user_of(cast.grace))
    added = client.post("/w/acme/settings/security/add", {"code": code(secret)}).content.decode()
    later = client.get("/w/acme/settings/security").content.decode()

    assert secret[:4] in begun.content.decode() and begun["Cache-Control"] == "no-store"
    assert "Your recovery codes" in added and "Your recovery codes" not in later and "10 of 10" in later
    remove_authenticator(cast.grace, user_of(cast.grace))
    assert "Set up an app" in client.get("/w/acme/settings/security").content.decode()
    assert client.post("/w/acme/settings/security/nothing").status_code == 404
