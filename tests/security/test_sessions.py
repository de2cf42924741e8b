"""Requirements 33 to 35: saying again who one is, and the ends of sessions."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from prompts_app.actions.promotions import open_promotion
from prompts_app.models import Deployment, PolicyVersion
from registry.core.actions.sessions import create_sign_in_link, redeem_link
from registry.core.errors import Unauthenticated
from registry.core.models import ApiKey, Member, User
from registry.core.signing_in import SEEN, SIGNED_IN
from tests import builders
from tests.api.client import Api
from tests.builders import Cast, signed_in
from tests.scenes import policy

PASSWORD = "lanterns over a quiet harbour"
KEY = {"name": "checkout", "kind": "ci", "scopes": ["read", "run"], "lifetime": "30"}


def with_password(cast: Cast, name: str) -> User:
    user = Member.objects.select_related("user").get(pk=getattr(cast, name).member_id).user
    user.set_password(PASSWORD)
    user.save()
    return user


def stale(cast: Cast, name: str = "olga", *, minutes: float = 16) -> Client:
    """A session of somebody with a password, begun some minutes ago."""
    return signed_in(Client(), with_password(cast, name), minutes_ago=minutes)


def hidden(page: str) -> dict[str, list[str]]:
    """What the question carries on."""
    from tests.pages.forms import Form

    form = Form(page, page.partition('method="post" action="')[2].partition('"')[0])
    found: dict[str, list[str]] = {}
    for name, value in form.fields:
        found.setdefault(name, []).append(value)
    return found


def test_33__key_made_within_15_minutes_of_signing_in__asks_nothing(cast: Cast) -> None:
    assert stale(cast, minutes=14).post("/w/acme/settings/keys", KEY).status_code == 201


def test_33__key_made_later__asks_first_and_goes_on_with_all_that_was_typed(cast: Cast) -> None:
    client = stale(cast)

    asked = client.post("/w/acme/settings/keys", KEY)
    kept = hidden(asked.content.decode())
    wrong = client.post("/w/acme/settings/keys", {**kept, "confirm_password": "guess"})
    again = hidden(wrong.content.decode())
    made = client.post("/w/acme/settings/keys", {**again, "confirm_password": PASSWORD})

    assert asked.status_code == 403 and "Confirm that it is you" in asked.content.decode()
    assert asked["Cache-Control"] == "no-store" and not ApiKey.objects.filter(name="later").exists()
    assert wrong.status_code == 422 and "That is not your password." in wrong.content.decode()
    assert made.status_code == 201, made.content
    row = ApiKey.objects.get()
    assert (row.name, row.scopes, row.expires_at is not None) == ("checkout", ["read", "run"], True)
    assert client.post("/w/acme/settings/keys", {**KEY, "name": "next"}).status_code == 201, "it was asked once"


def test_33__rules_changed_later__are_asked_about_and_a_new_label_is_not(cast: Cast) -> None:
    client = stale(cast)
    api = Api(cast.olga)
    signed_in(api.http, User.objects.get(email="olga@example.com"), minutes_ago=16)

    label = client.post(
        "/w/acme/settings/environments/staging", {"label": "S", "colour": "red", "rank": "1", "description": ""}
    )
    page = client.post(
        "/w/acme/environments/staging/policy", {"approvals": "0", "soak_minutes": "0", "min_suites": "0"}
    )
    over_api = api.patch("environments/production", {"policy": {"approvals": 0}})

    assert label.status_code == 302
    assert page.status_code in {403, 422}
    assert (over_api.status, over_api.code) == (403, "session.unconfirmed")
    assert set(PolicyVersion.objects.values_list("number", flat=True)) == {1}


def test_33__promotion_to_a_protected_stage__asks_and_to_another_does_not(cast: Cast) -> None:
    loose: dict[str, Any] = {"require_predecessor": False, "require_suites": False, "min_suites": 0, "approvals": 0}
    policy(cast, "production", **loose)
    policy(cast, "staging", **loose)
    prompt = builders.prompt(cast.ada, "support/triage")
    version = prompt.versions.select_related("prompt").get()
    client = stale(cast, "rosa")
    for name, status in (("staging", 302), ("production", 403)):
        promotion = open_promotion(cast.ada, version, cast.environment(name))
        address = f"/w/acme/promotions/{promotion.pk}/apply"
        answer = client.post(address, {"stamp": str(promotion.stamp)})
        assert answer.status_code == status, (name, answer.content)
    assert Deployment.objects.filter(environment__name="production").count() == 0

    client.post(address, {**hidden(answer.content.decode()), "confirm_password": PASSWORD})

    assert Deployment.objects.filter(environment__name="production").count() == 1


def test_33__first_password_in_an_old_session__is_refused(cast: Cast) -> None:
    user = Member.objects.select_related("user").get(pk=cast.vera.member_id).user
    client = signed_in(Client(), user, minutes_ago=16)

    answer = client.post("/w/acme/settings/profile/password", {"password": PASSWORD})

    assert answer.status_code == 403 and "no password yet" in answer.content.decode()
    assert not User.objects.get(pk=user.pk).has_usable_password()


def test_33__answer_in_a_form_of_nobody__is_no_way_in(cast: Cast) -> None:
    with_password(cast, "olga")
    answer = Client().post("/w/acme/settings/keys", {**KEY, "confirm_password": PASSWORD})
    assert answer.status_code == 302 and answer["Location"].startswith("/sign-in")


def test_34__signing_in__gives_the_session_a_new_id(cast: Cast) -> None:
    user, client = with_password(cast, "ada"), Client()
    session = client.session
    session["kept"] = "from before"
    session.save()
    before = session.session_key

    client.post("/sign-in", {"email": user.email, "password": PASSWORD})

    assert client.session.session_key != before and not Session.objects.filter(pk=before).exists()


@pytest.mark.parametrize("onward", ["nowhere", "board", "w"])
def test_18__next_that_reads_like_the_name_of_a_page__signs_in_all_the_same(cast: Cast, onward: str) -> None:
    user, client = with_password(cast, "ada"), Client()
    answer = client.post("/sign-in", {"email": user.email, "password": PASSWORD, "next": onward})
    assert (answer.status_code, answer["Location"]) == (302, onward)
    assert client.get("/w/acme/").status_code == 200


def test_34__password_changed__ends_other_sessions_and_open_links(cast: Cast) -> None:
    user = with_password(cast, "ada")
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/sign-in", {"email": user.email, "password": PASSWORD})
    token = create_sign_in_link(user)

    here.post("/w/acme/settings/profile/password", {"current": PASSWORD, "password": "another road through hills"})

    assert here.get("/w/acme/").status_code == 200
    assert there.get("/w/acme/").status_code == 302
    with pytest.raises(Unauthenticated):
        redeem_link(token, address="192.0.2.1")


def test_34__signing_out_and_disabling__end_the_session_on_the_server(cast: Cast) -> None:
    user, client = with_password(cast, "ada"), Client()
    client.post("/sign-in", {"email": user.email, "password": PASSWORD})
    stolen = client.cookies["session"].value
    client.post("/sign-out")
    thief = Client()
    thief.cookies["session"] = stolen
    assert thief.get("/w/acme/").status_code == 302

    client.post("/sign-in", {"email": user.email, "password": PASSWORD})
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/w/acme/").status_code == 302


def test_35__session__ends_after_three_days_of_rest_and_after_fourteen_however_it_is_used(cast: Cast) -> None:
    user = with_password(cast, "ada")
    resting, busy, unattended = Client(), Client(), Client()
    for client in (resting, busy, unattended):
        assert client.post("/sign-in", {"email": user.email, "password": PASSWORD}).status_code == 302
    began = timezone.now()
    for day in range(1, 14):
        with time_machine.travel(began + timedelta(days=day), tick=False):
            assert busy.get("/w/acme/").status_code == 200, day
            # A page that stays open asks by itself what waits: that is no use, and no sign-in page is drawn over it.
            unattended.get("/w/acme/waiting?watch=1")
            for looked_at in ("runs/1/events", "runs/batches/1/progress", "promotions/1/evidence?moving=1"):
                unattended.get(f"/w/acme/{looked_at}")
    assert busy.session[SEEN] > busy.session[SIGNED_IN]

    with time_machine.travel(began + timedelta(days=4), tick=False):
        assert resting.get("/w/acme/").status_code == 302
        assert unattended.get("/w/acme/").status_code == 302
    with time_machine.travel(began + timedelta(days=14, minutes=1), tick=False):
        assert busy.get("/w/acme/").status_code == 302


def test_35__page_whose_name_ends_like_what_looks_again__is_use(cast: Cast) -> None:
    builders.prompt(cast.ada, "support/events")
    reader = signed_in(Client(), Member.objects.get(pk=cast.ada.member_id).user)
    began = timezone.now()
    for day in range(1, 6):
        with time_machine.travel(began + timedelta(days=day), tick=False):
            assert reader.get("/w/acme/prompts/support/events").status_code == 200, day
