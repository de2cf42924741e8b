"""From a task to the settings and back: the way back is offered on arrival and after saving, and leads nowhere else."""

import re
from html import unescape

import pytest
from django.test import Client

from evals_app.actions.suites import attach_suite, save_suite_version
from evals_app.models import Suite, SuiteAttachment
from evals_app.scripted_provider import ScriptedProvider
from prompts_app.actions.promotions import open_promotion
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.forms import Form

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


def test_editor__without_a_provider__says_so_at_the_model_and_leads_to_adding_one_and_back(
    cast: Cast, as_: SignedIn
) -> None:
    builders.prompt(cast.ada, "support/triage")
    editor = "/w/acme/prompts/support/triage/drafts/edit"
    there = f"/w/acme/settings/providers?back={editor.replace('/', '%2F')}"
    client = as_(cast.olga)

    shown, of_ada = page(client, editor), page(as_(cast.ada), editor)
    back = page(client, there)
    with ScriptedProvider() as provider:
        building.add_provider(cast, provider)

    assert "The workspace's default: none yet" in shown and f'href="{there}">Add a provider' in shown
    assert "An admin of this workspace adds a provider" in of_ada and there not in of_ada
    assert "Back to the editor of support/triage" in back
    assert "none yet" not in page(client, editor) and there not in page(client, editor)


def test_promotion__that_an_admin_can_clear_elsewhere__is_led_back_to(cast: Cast, as_: SignedIn) -> None:
    scenes.policy(cast, "production", require_predecessor=False, require_suites=True, min_suites=1)
    made = builders.prompt(cast.ada, "support/triage")
    building.suite(cast.ada)
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


def test_suite__required_where_a_promotion_asks_for_one__leads_back_and_is_lifted_by_who_may(
    cast: Cast, as_: SignedIn
) -> None:
    scenes.policy(cast, "production", require_predecessor=False, require_suites=True, min_suites=1)
    made = builders.prompt(cast.ada, "support/triage")
    attach_suite(cast.ada, building.suite(cast.ada, "numbers"), made)
    version = made.versions.select_related("prompt").get()
    asked = open_promotion(cast.ada, version, cast.environment("production"))
    ada, grace = as_(cast.ada), as_(cast.grace)
    query, checks = f"?back=%2Fw%2Facme%2Fpromotions%2F{asked.pk}", "/w/acme/prompts/support/triage/checks"

    def forms(client: Client, address: str) -> list[tuple[str, str]]:
        return re.findall(r'action="([^"]*)">(?:(?!</form>).)*?</svg>((?:Do not r|R)equire it)<', page(client, address))

    offered = forms(ada, f"{checks}{query}")
    done = ada.post(f"{checks}/attach{query}", {"suite": "numbers", "run_on": "new_version", "required": "on"})
    shown = page(ada, done["Location"])
    to_lift = [forms(client, f"{checks}{query}") for client in (grace, ada, as_(cast.vera))]
    rows = page(grace, f"{checks}{query}").partition('id="checks-panel"')[2].partition('class="card-foot row"')[0]
    of_suite = [page(client, "/w/acme/suites/numbers") for client in (grace, ada)]
    lifted = grace.post(f"{checks}/attach{query}", {"suite": "numbers", "run_on": "new_version"})

    assert offered == [(f"{checks}/attach{query}", "Require it")]
    assert done["Location"] == f"/w/acme/prompts/support/triage{query}"
    assert f"Back to promotion {asked.pk}" in shown and "is required of support/triage." in shown
    assert "require it" not in rows, "it stands where checks are chosen, and not beside what they say"
    assert [("Do not require it" in one, "Detach" in one) for one in of_suite] == [(True, True), (False, False)]
    assert to_lift == [[(f"{checks}/attach{query}", "Do not require it")], [], []]
    assert not SuiteAttachment.objects.get().is_required
    assert f"Back to promotion {asked.pk}" in page(grace, lifted["Location"])


def test_suite__made_where_a_promotion_asks_for_one__leads_back_from_its_first_case_to_its_page(
    cast: Cast, as_: SignedIn
) -> None:
    scenes.policy(cast, "production", require_predecessor=False, require_suites=True, min_suites=1)
    made = builders.prompt(cast.ada, "support/triage")
    version = made.versions.select_related("prompt").get()
    asked = open_promotion(cast.ada, version, cast.environment("production"))
    client, query = as_(cast.ada), f"back=%2Fw%2Facme%2Fpromotions%2F{asked.pk}"

    checks = page(client, f"/w/acme/prompts/support/triage/checks?{query}")
    new = unescape(re.findall(r'href="([^"]*)">Make one<', checks)[0])
    suite = client.post(new, {"title": "Tone", "prompt": "support/triage"})["Location"]
    edited = page(client, suite)
    content = {"cases": building.cases(60), "scorers": [{"kind": "equals"}], "margin": 0.1}
    save_suite_version(cast.ada, Suite.objects.get(slug="tone"), content)
    turned = Form(page(client, suite), suite).press(client, "check")["Location"]
    saved = Form(page(client, suite), suite).press(client, "save")["Location"]
    required = client.post(
        f"/w/acme/suites/tone/attach?{query}", {"prompt": "support/triage", "run_on": "promotion", "required": "on"}
    )

    assert suite == f"/w/acme/suites/tone/edit?{query}" and turned.partition("#")[0].endswith(query)
    assert f"Back to promotion {asked.pk}" in edited
    assert saved == required["Location"] == f"/w/acme/suites/tone?{query}"


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
