"""From a task to the settings and back: the way back is offered on arrival and after saving, and leads nowhere else."""

import re
from html import unescape

import pytest
from django.test import Client

from prompts_app.actions.promotions import open_promotion
from tests import builders, scenes
from tests.builders import Cast
from tests.pages.conftest import SignedIn

TRY = "/w/acme/prompts/support/triage/drafts/try"
BACK_TO_TRY = f'href="{TRY}">'
OFFERED = "Back to trying support/triage"
GIVEN = {
    "name": "small",
    "base_url": "http://127.0.0.1:9/v1",
    "models": "one",
    "concurrency": "1",
    "timeout_s": "5",
    "default": "on",
}


RULES = {"approvals": "1", "soak_minutes": "0", "min_suites": "0", "max_age_days": "7"}


def page(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_try__without_a_provider__leads_to_adding_one_and_back(cast: Cast, as_: SignedIn, settings: object) -> None:
    settings.OUTBOUND_ALLOW = frozenset({"127.0.0.1:9"})  # type: ignore[attr-defined]
    builders.prompt(cast.ada, "support/triage")
    client = as_(cast.olga)
    there = f"/w/acme/settings/providers?back={TRY.replace('/', '%2F')}"

    assert f'href="{there}"' in page(client, TRY)
    assert BACK_TO_TRY in page(client, there)
    saved = client.post(there, GIVEN, follow=True)
    shown = saved.content.decode()
    changed = client.post(f"/w/acme/settings/providers/small?back={TRY}", {**GIVEN, "models": "two"}, follow=True)

    assert saved.redirect_chain[0][0].startswith("/w/acme/settings/providers/small?back=")
    assert BACK_TO_TRY in shown and OFFERED in shown
    assert BACK_TO_TRY in changed.content.decode() and "is changed" in changed.content.decode()


def test_promotion__that_an_admin_can_clear_elsewhere__is_led_back_to(cast: Cast, as_: SignedIn) -> None:
    scenes.policy(cast, "production", require_predecessor=False, require_suites=True, min_suites=1)
    made = builders.prompt(cast.ada, "support/triage")
    version = made.versions.select_related("prompt").get()
    asked = open_promotion(cast.ada, version, cast.environment("production"))
    client = as_(cast.olga)
    query = f"?back=%2Fw%2Facme%2Fpromotions%2F{asked.pk}"

    assert f'href="/w/acme/prompts/support/triage{query}#checks-panel"' in page(
        client, f"/w/acme/promotions/{asked.pk}"
    )
    for place in ("prompts/support/triage", "environments/production", "settings/members", "settings/keys"):
        assert f"Back to promotion {asked.pk}" in page(client, f"/w/acme/{place}{query}"), place
    moved = client.post(f"/w/acme/environments/production/policy{query}", RULES)
    invited = client.post(f"/w/acme/settings/members{query}", {"email": "new@example.com", "role": "reviewer"})

    assert moved["Location"] == f"/w/acme/environments/production{query}"
    assert f"Back to promotion {asked.pk}" in invited.content.decode()


def test_invite__from_where_somebody_is_missing__begins_with_the_role_that_is(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")
    client, place = as_(cast.olga), "/w/acme/settings/members"
    client.post("/w/acme/hints/suite")

    def chosen(address: str) -> list[str]:
        return re.findall(r'<option value="(\w+)" selected>', page(client, address).partition('id="invite"')[2])

    invite = re.search(rf'href="({place}[^"]*)#invite">Invite somebody<', page(client, "/w/acme/"))

    assert invite and set(chosen(unescape(invite[1]))) >= {"reviewer"} and "editor" not in chosen(unescape(invite[1]))
    assert "editor" in chosen(place) and "editor" in chosen(f"{place}?role=emperor")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/w/acme/",
        "//evil.example/w/acme/",
        "/\\evil.example/w/acme/",
        "javascript:alert(1)",
        "/w/not-acme/",
        "/w/acme/nothing/here",
        "/w/acme/promotions/1/apply",
        "/sign-in",
        "http://[",
        "",
    ],
)
def test_way_back__to_anything_but_a_task_of_this_workspace__is_not_offered(
    cast: Cast, as_: SignedIn, elsewhere: str
) -> None:
    answer = as_(cast.olga).get("/w/acme/settings/keys", {"back": elsewhere})

    assert answer.status_code == 200
    assert "came-from" not in answer.content.decode()
