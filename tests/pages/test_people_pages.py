"""Coming in by a link, going, and what people choose for themselves."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import open_promotion, reopen
from registry.core.actions.invitations import create_invitation, found_by_invitation
from registry.core.actor import Actor, Role
from registry.core.models import ApiKey, Invitation, Member, PersonSession, User, Workspace
from tests import builders, scenes
from tests.builders import Cast
from tests.pages.conftest import SignedIn

PASSWORD = "lanterns over a quiet harbour"
NEW = {"name": "Nina", "email": "nina@example.com", "password": PASSWORD}


def user_of(actor: Actor) -> User:
    return Member.objects.select_related("user").get(pk=actor.member_id).user


def invited(cast: Cast, role: Role = Role.EDITOR) -> str:
    """The path of a fresh invitation."""
    return "/join/" + create_invitation(cast.olga, role=role).address.rpartition("/")[2]


def test_invitation__made_on_the_page__is_shown_once_and_listed_until_revoked(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    answer = client.post("/w/acme/settings/invitations", {"role": "reviewer", "days": "7", "note": "Nina"})
    listed = client.get("/w/acme/settings/members").content.decode()
    row = Invitation.objects.get()
    client.post(f"/w/acme/settings/invitations/{row.pk}/revoke")

    assert answer.status_code == 201 and "/join/" in answer.content.decode()
    assert "for Nina" in listed and "/join/" not in listed
    assert "for Nina" not in client.get("/w/acme/settings/members").content.decode()
    assert as_(cast.ada).post("/w/acme/settings/invitations", {"role": "viewer", "days": "7"}).status_code == 403


def test_join__by_somebody_new__makes_the_account_signs_in_and_uses_the_link_up(cast: Cast) -> None:
    path, client = invited(cast), Client()

    page = client.get(path)
    weak = client.post(path, {**NEW, "password": "short"})
    joined = client.post(path, NEW)

    assert page.status_code == 200 and "Join Acme" in page.content.decode()
    assert weak.status_code == 422 and "too short" in weak.content.decode() and "Nina" in weak.content.decode()
    assert joined["Location"] == "/w/acme/" and client.get("/w/acme/").status_code == 200
    assert Client().get(path).status_code == 410
    assert Client().post("/sign-in", {"email": NEW["email"], "password": PASSWORD}).status_code == 302


def test_join__where_something_waits_for_a_vote__says_so_on_the_board_and_names_no_step_of_others(
    cast: Cast, as_: SignedIn
) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    scenes.go_live(cast, made.versions.get(), "staging")
    path, client, owner = invited(cast, Role.REVIEWER), Client(), as_(cast.olga)
    client.post(path, NEW)
    for one in (client, owner):
        one.post("/w/acme/hints/suite")
    waits = '<a href="/w/acme/reviews">1 promotion waits for you in Reviews</a>'

    before = client.get("/w/acme/").content.decode()
    scenes.policy(cast, "production", approvals=1, require_suites=False, min_suites=0, soak_minutes=0)
    asked = open_promotion(cast.ada, made.versions.get(), cast.environment("production"))
    board = client.get("/w/acme/")
    Member.objects.filter(user__email=NEW["email"]).update(created_at=timezone.now() - timedelta(days=2))

    assert waits not in before and waits in board.content.decode()
    assert waits not in client.get("/w/acme/").content.decode(), (
        "who is here for a while knows the number beside Reviews"
    )
    assert "Fetch it from a service" not in {step.title for step in board.context["steps"].steps}
    assert f"See promotion {asked.pk}" in dict(board.context["steps"].now.links)
    fetching = owner.get("/w/acme/").context["steps"].now
    assert fetching.title == "Fetch it from a service" and fetching.links, "an admin makes the key"


def test_join__by_somebody_signed_in__joins_as_them(cast: Cast, as_: SignedIn) -> None:
    path, client = invited(cast), as_(cast.linus)

    assert "Join as Linus" in client.get(path).content.decode()
    client.post(path)

    assert client.get("/w/acme/").status_code == 200


def test_setup__of_a_fresh_installation__leads_to_the_first_steps_and_works_once(db: None) -> None:
    path, client = "/setup/" + found_by_invitation().rpartition("/")[2], Client()

    assert "Set up Greenroom" in client.get(path).content.decode()
    made = client.post(path, {**NEW, "workspace": "Support Team"})

    assert made["Location"] == "/w/support-team/"
    page = client.get("/w/support-team/").content.decode()
    assert "First steps" in page and "Write or import a prompt" in page
    assert Client().post(path, {**NEW, "workspace": "Other"}).status_code == 410
    assert list(Workspace.objects.values_list("slug", flat=True)) == ["support-team"]


def test_first_steps__each_done__show_the_next_and_can_be_put_away(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)
    builders.prompt(cast.ada, "support/triage")

    after_writing = client.get("/w/acme/").context["steps"]
    client.post("/w/acme/hints/suite")
    after_waiving = client.get("/w/acme/").context["steps"]
    client.post("/w/acme/hints/steps")

    assert after_writing.now.title == "Say what good answers are"
    assert after_waiving.now.title == "Promote it"
    assert client.get("/w/acme/").context["steps"] is None
    assert as_(cast.vera).get("/w/acme/").context["steps"] is None, "who may only read has nothing to do"
    assert client.post("/w/acme/hints/nothing").status_code == 404


def test_first_steps__three_of_them_done__are_one_line_that_opens(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    client = as_(cast.olga)
    client.post("/w/acme/hints/suite")
    before = client.get("/w/acme/").content.decode()

    scenes.go_live(cast, made.versions.get(), "staging")

    after = client.get("/w/acme/").content.decode()
    assert '<section class="steps" data-line' not in before
    assert (
        '<section class="steps" data-line' in after
        and "3 of 5 done" in after
        and ", next: fetch it from a service" in after
    )
    assert 'href="/w/acme/settings/keys?environment=staging' in after, "the next step stays one press away"


def test_next_step__on_a_prompts_page__is_told_to_who_can_take_it_until_they_hide_it(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "billing/refund")
    made = builders.prompt(cast.ada, "support/triage")
    scenes.go_live(cast, made.versions.get(), "staging")
    owner, editor = as_(cast.olga), as_(cast.ada)
    for client in (owner, editor):
        client.post("/w/acme/hints/suite")

    def told(client: Client, name: str = "support/triage") -> bool:
        return "Next: " in client.get(f"/w/acme/prompts/{name}").content.decode()

    assert told(owner) and not told(owner, "billing/refund"), "it is about one prompt"
    assert (
        "settings/keys?environment=staging&amp;back=%2Fw%2Facme%2Fprompts%2Fsupport%2Ftriage#new"
        in owner.get("/w/acme/prompts/support/triage").content.decode()
    )
    assert "Next: promote to production" in editor.get("/w/acme/prompts/support/triage").content.decode(), "no keys"
    back = "/w/acme/prompts/support/triage"
    hidden = owner.post("/w/acme/hints/next", {"back": back})
    assert hidden["Location"] == back and not told(owner)
    assert owner.get("/w/acme/").context["steps"], "the board still lists the steps"
    for address in ("https://example.com/", "/w/other/", "//example.com/w/acme/"):
        assert owner.post("/w/acme/hints/next", {"back": address})["Location"] == "/w/acme/"


def test_first_steps__with_a_prompt_on_its_way__stay_with_it_when_others_are_imported(
    cast: Cast, as_: SignedIn
) -> None:
    builders.prompt(cast.ada, "support/triage")
    client = as_(cast.ada)
    client.post("/w/acme/hints/suite")
    raw = b"name,text\nbilling/refund,Answer {{question}}\n"
    client.post("/w/acme/import", {"step": "file", "file": SimpleUploadedFile("prompts.csv", raw)})
    client.post("/w/acme/import", {"step": "take"})

    assert "Promote support/triage to Staging" in dict(client.get("/w/acme/").context["steps"].now.links)


def test_first_steps__once_something_was_fetched__stay_until_production_is_reached(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    scenes.go_live(cast, made.versions.get(), "staging")
    builders.version(cast.ada, made, "Hello again {{ name }}")
    cast.key("service", environment="staging")
    owner, editor = as_(cast.olga), as_(cast.ada)
    for client in (owner, editor):
        client.post("/w/acme/hints/suite")

    def steps(client: Client) -> Any:
        return client.get("/w/acme/").context["steps"]

    before = steps(owner)
    ApiKey.objects.update(last_used_at=timezone.now())
    to_open = steps(owner)
    asked = open_promotion(cast.ada, made.versions.get(number=1), cast.environment("production"))
    opened = steps(editor)
    scenes.policy(cast, "production", approvals=0, require_suites=False, min_suites=0)
    apply_promotion(cast.rosa, reopen(cast.ada, asked, stamp=None), stamp=None)

    assert before.now.title == "Fetch it from a service"
    assert [step.title for step in before.steps][-1] == to_open.now.title == "Promote to Production"
    assert "Somebody else approves it." in to_open.now.text and to_open.done == 4
    [promote, invite] = to_open.now.links
    assert promote[1].endswith("?version=1&environment=production"), "what is live in the stage below"
    assert invite[0] == "Invite somebody"
    assert opened.now.links == ((f"See promotion {asked.pk}", f"/w/acme/promotions/{asked.pk}"),)
    assert steps(owner) is None and steps(editor) is None


def test_first_steps__in_production_but_never_fetched__still_say_how_to_fetch(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    asks_nothing = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}
    scenes.policy(cast, "production", **asks_nothing)
    as_(cast.olga).post("/w/acme/hints/suite")
    scenes.go_live(cast, made.versions.get(), "production")

    found = as_(cast.olga).get("/w/acme/").context["steps"]

    assert found.now.title == "Fetch it from a service" and found.steps[-1].is_done


def test_deactivate__asked_for__shows_what_hangs_on_them_and_wants_a_word_on_their_keys(
    cast: Cast, as_: SignedIn
) -> None:
    client, address = as_(cast.olga), "/w/acme/settings/members/ada@example.com/deactivate"
    made = builders.prompt(cast.ada, "support/triage")
    open_promotion(cast.ada, made.versions.get(), cast.environment("staging"))
    ada = Member.objects.select_related("user").get(pk=cast.ada.member_id)
    key = cast.key("ci", name="pipeline", responsible=ada)

    page = client.get(address).content.decode()
    unsaid = client.post(address)
    done = client.post(address, {"keys": str(cast.olga.member_id)})

    assert "support/triage v1" in page and "pipeline" in page
    assert unsaid.status_code == 422 and done.status_code == 302
    assert not Member.objects.get(pk=ada.pk).is_active
    assert key.actor.member_id == cast.olga.member_id
    assert as_(cast.grace).get(address).status_code == 403


def test_leave__by_the_last_owner__is_refused_and_by_others_works(cast: Cast, as_: SignedIn) -> None:
    assert "The last owner cannot go" in as_(cast.olga).get("/w/acme/settings/leave").content.decode()
    assert as_(cast.olga).post("/w/acme/settings/leave").status_code == 409
    client = as_(cast.ada)

    client.post("/w/acme/settings/leave")

    assert client.get("/w/acme/").status_code == 404


def test_time_zone__chosen__is_what_pages_show_without_a_script(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)
    builders.prompt(cast.ada, "support/triage")

    client.post("/w/acme/settings/profile/look", {"time_zone": "Asia/Tokyo", "theme": "dark"})
    page = client.get("/w/acme/settings/audit").content.decode()
    refused = client.post("/w/acme/settings/profile/look", {"time_zone": "Mars/Olympus"})

    assert 'data-zone="Asia/Tokyo"' in page and " JST</time>" in page and 'data-theme="dark"' in page
    assert refused.status_code == 422 and user_of(cast.olga).time_zone == "Asia/Tokyo"


def test_sessions__listed_and_ended__are_over_at_once(cast: Cast) -> None:
    user = user_of(cast.ada)
    user.set_password(PASSWORD)
    user.save()
    here, there = Client(), Client(headers={"User-Agent": "Another browser"})
    for client in (here, there):
        client.post("/sign-in", {"email": user.email, "password": PASSWORD})
    row = PersonSession.objects.get(agent="Another browser")

    page = here.get("/w/acme/settings/profile").content.decode()
    here.post(f"/w/acme/settings/profile/sessions/{row.pk}")

    assert "Another browser" in page and "this browser" in page
    assert there.get("/w/acme/").status_code == 302 and here.get("/w/acme/").status_code == 200
    assert here.post(f"/w/acme/settings/profile/sessions/{row.pk}").status_code == 404


def test_password__changed__ends_every_other_session(cast: Cast) -> None:
    user = user_of(cast.ada)
    user.set_password(PASSWORD)
    user.save()
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/sign-in", {"email": user.email, "password": PASSWORD})

    here.post("/w/acme/settings/profile/password", {"current": PASSWORD, "password": "a raft of paper cranes"})

    assert there.get("/w/acme/").status_code == 302 and here.get("/w/acme/").status_code == 200
    assert PersonSession.objects.filter(user=user).count() == 1


def test_follow__and_unfollow__are_on_the_prompts_page(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")
    client = as_(cast.vera)

    client.post("/w/acme/prompts/support/triage/drafts/follow", {"follow": "1"})
    assert "Unfollow" in client.get("/w/acme/prompts/support/triage").content.decode()
    client.post("/w/acme/prompts/support/triage/drafts/follow", {"follow": "0"})
    assert "Unfollow" not in client.get("/w/acme/prompts/support/triage").content.decode()


def test_environments__moved__change_places(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    client.post("/w/acme/settings/environments/production/move", {"up": "1"})
    names = [one.name for one in client.get("/w/acme/settings/environments").context["environments"]]

    assert names == ["development", "production", "staging"]
    assert as_(cast.rosa).post("/w/acme/settings/environments/production/move", {"up": "1"}).status_code == 403


@pytest.mark.parametrize("way", ["off", "mail"])
def test_news__chosen_on_the_profile__is_kept(cast: Cast, as_: SignedIn, way: str) -> None:
    as_(cast.ada).post("/w/acme/settings/profile/news", {"promotion.voted": way, "nonsense": "off"})

    row = Member.objects.get(pk=cast.ada.member_id)
    assert (row.muted, row.mailed) == ((["promotion.voted"], []) if way == "off" else ([], ["promotion.voted"]))
