"""Ways in and out."""

import pytest
from django.test import Client

from registry.core.actions.sessions import create_sign_in_link
from registry.core.actor import Actor
from registry.core.models import Member, User
from registry.core.signing_in import CONFIRMED, CONFIRMED_FOR
from tests.builders import Cast
from tests.pages.conftest import SignedIn

PASSWORD = "correct horse battery"


def user_of(actor: Actor) -> User:
    return Member.objects.select_related("user").get(pk=actor.member_id).user


def with_password(actor: Actor) -> User:
    user = user_of(actor)
    user.set_password(PASSWORD)
    user.save()
    return user


def test_sign_in__right_password__leads_to_the_page_asked_for(cast: Cast) -> None:
    user = with_password(cast.ada)
    given = {"email": user.email.upper(), "password": PASSWORD, "next": "/w/acme/reviews"}

    answer = Client().post("/sign-in", given)

    assert (answer.status_code, answer["Location"]) == (302, "/w/acme/reviews")


def test_sign_in__next_on_another_host__leads_home(cast: Cast) -> None:
    user = with_password(cast.ada)

    for onward in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = Client().post("/sign-in", {"email": user.email, "password": PASSWORD, "next": onward})
        assert answer["Location"] == "/"


def test_sign_in__wrong_password_or_unknown_person__is_told_the_same_and_keeps_the_address(cast: Cast) -> None:
    user = with_password(cast.ada)

    pages = [
        Client().post("/sign-in", {"email": email, "password": "wrong"}) for email in (user.email, "nobody@example.com")
    ]

    assert [page.status_code for page in pages] == [422, 422]
    assert user.email in pages[0].content.decode()
    assert all("That is not right" in page.content.decode() for page in pages)


def test_sign_in_link__read__changes_nothing_and_pressing_the_button_works_once(cast: Cast) -> None:
    token = create_sign_in_link(user_of(cast.ada))
    client = Client()

    assert "Welcome, Ada" in client.get(f"/sign-in/{token}").content.decode()
    assert client.get(f"/sign-in/{token}").status_code == 200
    answer = client.post(f"/sign-in/{token}")

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert Client().post(f"/sign-in/{token}").status_code == 401
    assert Client().get(f"/sign-in/{token}").status_code == 404


@pytest.mark.parametrize("ends", ["hidden", "set", "old"])
def test_board__after_a_link__advises_a_password_until_it_is_set_hidden_or_too_late(cast: Cast, ends: str) -> None:
    client, advice = Client(), 'settings/profile#password">Set a password</a>'
    first = client.post(f"/sign-in/{create_sign_in_link(user_of(cast.vera))}", follow=True)
    assert first.redirect_chain[-1][0] == "/w/acme/" and advice in first.content.decode()

    if ends == "hidden":
        client.post("/w/acme/hints/password")
    elif ends == "set":
        client.post("/w/acme/settings/profile/password", {"password": PASSWORD})
    else:
        session = client.session
        session[CONFIRMED] -= CONFIRMED_FOR.total_seconds() + 1
        session.save()

    assert advice not in client.get("/w/acme/").content.decode()


def test_board__of_who_signed_in_otherwise__advises_no_password(cast: Cast, as_: SignedIn) -> None:
    assert not user_of(cast.vera).has_usable_password()
    assert "Set a password" not in as_(cast.vera).get("/w/acme/").content.decode()


def test_password__chosen_after_the_link__lets_in_next_time_and_keeps_this_session(cast: Cast) -> None:
    client = Client()
    client.post(f"/sign-in/{create_sign_in_link(user_of(cast.ada))}")

    weak = client.post("/w/acme/settings/profile/password", {"password": "short"})
    client.post("/w/acme/settings/profile/password", {"password": PASSWORD})

    assert weak.status_code == 422 and "too short" in weak.content.decode()
    assert client.get("/w/acme/").status_code == 200
    assert Client().post("/sign-in", {"email": "ada@example.com", "password": PASSWORD}).status_code == 302


def test_password__changed_without_the_present_one__is_refused(cast: Cast) -> None:
    client = Client()
    client.force_login(with_password(cast.ada))

    answer = client.post("/w/acme/settings/profile/password", {"current": "guess", "password": "another good one 17"})

    assert answer.status_code == 422 and "not your present password" in answer.content.decode()


def test_sign_out__by_get__is_refused_and_by_post_ends_the_session(cast: Cast) -> None:
    client = Client()
    client.force_login(user_of(cast.ada))

    assert client.get("/sign-out").status_code == 405
    client.post("/sign-out")

    assert client.get("/w/acme/").status_code == 302


def test_home__signed_in__leads_to_the_board_and_otherwise_to_signing_in(cast: Cast) -> None:
    client = Client()

    assert client.get("/")["Location"] == "/sign-in"
    client.force_login(user_of(cast.ada))
    assert client.get("/")["Location"] == "/w/acme/"


def test_any_write__without_the_csrf_token__is_refused(cast: Cast) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_of(cast.olga))

    answers = [client.post(path) for path in ("/sign-out", "/w/acme/new", "/w/acme/settings/keys")]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert "csrf.failed" in answers[0].content.decode()


def test_pages__of_a_workspace__are_kept_by_no_cache(cast: Cast) -> None:
    client = Client()
    client.force_login(user_of(cast.olga))

    assert client.get("/w/acme/settings/keys")["Cache-Control"] == "no-store"


def test_sign_in__before_anybody_has_an_account__says_where_the_first_one_is_made(db: None) -> None:
    page = Client().get("/sign-in").content.decode()

    assert "Nobody has an account here yet" in page and "setup_link" in page and "Ask an admin" not in page
