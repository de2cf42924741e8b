"""Requirement 30: guessing is slow, nobody is locked out by somebody else, unknown people are told and timed the same."""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import pytest
from django.test import Client

from registry.core.actions import sessions
from registry.core.actions.sessions import check_credentials
from registry.core.errors import TooManyRequests, Unauthenticated
from registry.core.models import Member, User
from registry.core.sign_in_limits import PER_ACCOUNT, PER_ADDRESS, PER_PLACE, know_browser, network_of
from tests.builders import Cast

PASSWORD = "lanterns over a quiet harbour"


@pytest.fixture
def ada(cast: Cast) -> User:
    """Ada, with a password."""
    user = Member.objects.select_related("user").get(pk=cast.ada.member_id).user
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture(autouse=True)
def one_minute() -> Iterator[None]:
    """No minute turns while tries are counted; Valkey is this test's own."""
    with patch("registry.core.limits.time.time", return_value=1_800_000_000.0):
        yield


@pytest.fixture
def quick() -> Iterator[None]:
    """Guesses that cost nothing: the work of hashing is not what is counted."""
    with (
        patch.object(sessions, "check_password", lambda given, kept: given == PASSWORD),
        patch.object(sessions, "make_password", lambda given: given),
    ):
        yield


def refused(tries: int, guess: Callable[[int], object]) -> int:
    """How many of the tries were slowed down; the others were wrong."""
    slowed = 0
    for n in range(tries):
        with pytest.raises((Unauthenticated, TooManyRequests)) as said:
            guess(n)
        slowed += said.type is TooManyRequests
    return slowed


def test_30__guesses_from_one_address__are_slowed_and_the_owner_elsewhere_is_not(ada: User, quick: None) -> None:
    slowed = refused(PER_PLACE + 5, lambda n: check_credentials(ada.email, f"guess {n}", address="192.0.2.1"))

    assert slowed == 5
    assert check_credentials(ada.email, PASSWORD, address="192.0.2.2") == ada
    with pytest.raises(TooManyRequests):
        check_credentials(ada.email, PASSWORD, address="192.0.2.1")


def test_30__guesses_from_everywhere__are_slowed_and_the_owners_browser_is_not(ada: User, quick: None) -> None:
    slowed = refused(PER_ACCOUNT + 7, lambda n: check_credentials(ada.email, "guess", address=f"198.51.100.{n}"))

    assert slowed == 7
    with pytest.raises(TooManyRequests):
        check_credentials(ada.email, PASSWORD, address="203.0.113.9")
    known = know_browser(ada.email)
    assert check_credentials(ada.email, PASSWORD, address="203.0.113.9", browser=known) == ada
    assert refused(PER_PLACE, lambda n: check_credentials(ada.email, "x", address="203.0.113.9", browser=known)) == 1


def test_30__many_accounts_from_one_address_or_one_ipv6_network__are_slowed(ada: User, quick: None) -> None:
    def at(n: int) -> str:
        return f"2001:db8:1:2::{n:x}"

    assert refused(PER_ADDRESS + 3, lambda n: check_credentials(f"p{n}@example.com", "guess", address=at(n))) == 3
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"


def test_30__a_browser_known_by_another_account_or_forged__is_a_stranger(ada: User, quick: None) -> None:
    for browser in (know_browser("grace@example.com"), "nonsense", ":", ""):
        assert refused(
            PER_PLACE + 1, lambda n, kept=browser: check_credentials(ada.email, "x", address="192.0.2.9", browser=kept)
        )


def test_30__unknown_wrong_and_passwordless_people__cost_one_hash_each_and_are_told_the_same(ada: User) -> None:
    hashed: list[str] = []
    real = sessions.make_password, sessions.check_password
    told = set()
    with (
        patch.object(sessions, "make_password", lambda given: hashed.append(given) or real[0](given)),
        patch.object(sessions, "check_password", lambda given, kept: hashed.append(given) or real[1](given, kept)),
    ):
        for email in (ada.email, "nobody@example.com", "grace@example.com"):
            answer = Client().post("/sign-in", {"email": email, "password": "guess"})
            told.add((answer.status_code, answer.content.decode().count("That is not right")))

    assert hashed == ["guess"] * 3 and told == {(422, 1)}


def test_30__a_browser_that_signed_in__is_known_by_a_cookie_that_opens_nothing(ada: User) -> None:
    client = Client()
    client.post("/sign-in", {"email": ada.email, "password": PASSWORD})
    kept = client.cookies["browser"]

    assert kept["httponly"] and kept["samesite"] == "Lax"
    stranger = Client()
    stranger.cookies["browser"] = kept.value
    assert stranger.get("/w/acme/").status_code == 302
