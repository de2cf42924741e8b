"""Going back and taking out, from their pages."""

import re
from urllib.parse import urlencode

import pytest

from prompts_app.actions.environments import change_environment
from prompts_app.facts import live_deployment
from prompts_app.models import Deployment, Environment, Promotion, Prompt, Quarantine
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import go_live

PRODUCTION = {"approvals": 1, "require_predecessor": False, "require_suites": False, "min_suites": 0}


@pytest.fixture
def production(cast: Cast) -> Environment:
    return change_environment(cast.olga, cast.environment("production"), policy=PRODUCTION)


@pytest.fixture
def prompt(cast: Cast, production: Environment) -> Prompt:
    return builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")


def live_number(prompt: Prompt, environment: Environment) -> int | None:
    live = live_deployment(prompt, environment)
    return live.version.number if live and live.version else None


def test_rollback__from_its_page__goes_back_quarantines_and_is_told(cast: Cast, as_: SignedIn, prompt: Prompt) -> None:
    builders.version(cast.ada, prompt, "Worse {{ name }}")
    rosa, address = as_(cast.rosa), "/w/acme/environments/development/rollback/support/triage"

    page = rosa.get(address).content.decode()
    empty = rosa.post(address, {"reason": "  ", "quarantine": "on"})
    done = rosa.post(address, {"reason": "It was worse", "quarantine": "on"})

    assert "Back to v1" in page and "<del>Worse</del>" in page
    assert empty.status_code == 422 and done["Location"] == "/w/acme/prompts/support/triage"
    assert live_number(prompt, cast.environment("development")) == 1
    told = rosa.get("/w/acme/environments/development").content.decode()
    quarantined = told.partition("<h2>Quarantined</h2>")[2].partition("</ul>")[0]
    assert "It was worse" in told and ">v2</a>" in quarantined
    assert "Go back to it" not in told  # v1 is live again, by a deployment of its own; v2 is quarantined
    assert Quarantine.objects.get().cleared_at is None


def test_rollback__proposes_to_quarantine__where_services_are_protected_and_not_where_one_tries_out(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    worse = builders.version(cast.ada, prompt, "Worse {{ name }}")
    change_environment(cast.olga, production, policy={**PRODUCTION, "approvals": 0})
    for version in (prompt.versions.select_related("prompt").get(number=1), worse):
        go_live(cast, version, "production")
    rosa = as_(cast.rosa)

    ticked = {}
    for place in ("development", "production"):
        page = rosa.get(f"/w/acme/environments/{place}/rollback/support/triage").content.decode()
        [field] = re.findall(r'<input type="checkbox" name="quarantine"[^>]*id="id_quarantine"[^>]*>', page)[:1]
        ticked[place] = "checked" in field
        assert "It cannot be promoted here again until a releaser clears it." in page

    assert ticked == {"development": False, "production": True}


def test_going_back__by_who_may_not__names_who_may_where_the_button_would_stand(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    grace, rosa, said = as_(cast.grace), as_(cast.rosa), "Releasers can go back: Rosa and Olga."
    for address in ("/w/acme/prompts/support/triage", "/w/acme/environments/development"):
        assert said in grace.get(address).content.decode()
        assert "Releasers can go back" not in rosa.get(address).content.decode()
    assert "Releasers can go back" not in grace.get("/w/acme/environments/staging").content.decode()


def test_taking_out_and_taking_into_a_draft__are_called_what_they_do_and_not_going_back(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    rosa, place = as_(cast.rosa), "/w/acme/environments/development"
    alone = rosa.get(f"{place}/rollback/support/triage").content.decode()
    rosa.post(f"{place}/withdraw/support/triage", {"reason": "too early"})
    builders.version(cast.ada, prompt, "Again {{ name }}")
    versions = as_(cast.ada).get("/w/acme/prompts/support/triage/versions").content.decode()

    assert "<h1>Take it out of" in alone and "Withdraw" not in alone and "undo-2" not in alone
    assert "Taken out" in rosa.get(place).content.decode()
    assert "Take into my draft" in versions and "Restore" not in versions and "undo-2" not in versions


def test_rollback__where_all_else_is_quarantined__says_so_and_leads_to_it(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    rosa, place = as_(cast.rosa), "/w/acme/environments/development"
    address = f"{place}/rollback/support/triage"
    first = rosa.get(place).content.decode()
    builders.version(cast.ada, prompt, "Worse {{ name }}")
    bad = Deployment.objects.latest("pk")
    rosa.post(address, {"reason": "It was worse", "quarantine": "on"})

    page = rosa.get(address).content.decode()
    chosen = rosa.get(f"{address}?to={bad.pk}").content.decode()

    assert "Take it out…" in first and "Go back…" not in first and "Go back…" in rosa.get(place).content.decode()
    assert "Nothing else was live here" not in page and "was put away" in page and f'href="?to={bad.pk}"' in page
    assert re.search(r'<details class="disclose">\s*<summary>.*Take it out of Development', page), (
        "nothing to press at once"
    )
    assert "yanked (taken out of use for good)" in page
    assert "Back to v2" in chosen and "v2 was rolled back here before" in chosen


def test_rollback__to_what_would_break_or_is_quarantined__asks_first(cast: Cast, as_: SignedIn, prompt: Prompt) -> None:
    builders.version(cast.ada, prompt, "Nobody is named")
    rosa, address = as_(cast.rosa), "/w/acme/environments/development/rollback/support/triage"

    page = rosa.get(address).content.decode()
    refused = rosa.post(address, {"reason": "Back"})
    done = rosa.post(address, {"reason": "Back", "acknowledge_breaking": "on"})

    assert "Services that use what is live would break" in page
    assert refused.status_code == 422 and done.status_code == 302


def test_withdraw_and_clear__from_their_forms__empty_the_place_and_the_quarantine(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    rosa, environment = as_(cast.rosa), "/w/acme/environments/development"

    rosa.post(f"{environment}/withdraw/support/triage", {"reason": "Not ready", "quarantine": "on"})
    digest = Quarantine.objects.get().digest
    refused = rosa.post(f"{environment}/quarantine/support/triage", {"digest": digest, "reason": ""})
    rosa.post(f"{environment}/quarantine/support/triage", {"digest": digest, "reason": "Fixed elsewhere"})

    assert live_number(prompt, cast.environment("development")) is None
    assert refused.status_code == 422
    assert Quarantine.objects.get().cleared_at is not None


def test_quarantine__once_somebody_went_back__is_told_wherever_the_version_stands(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    builders.version(cast.ada, prompt, "Worse {{ name }}")
    rosa, grace, place = as_(cast.rosa), as_(cast.grace), "/w/acme/environments/development"
    of_prompt, of_version = "/w/acme/prompts/support/triage", "/w/acme/prompts/support/triage/versions/2"
    pages = (of_prompt, of_version, place)

    reason = {"reason": "It was worse", "quarantine": "on"}
    done = rosa.post(f"{place}/rollback/support/triage", reason, follow=True).content.decode()
    told = {page: rosa.get(page).content.decode() for page in pages}
    told_grace = {page: grace.get(page).content.decode() for page in pages}

    assert "Version 1 is live in Development again, and what was live is quarantined there." in done
    for page in (of_prompt, of_version):
        line = told[page].rpartition("Quarantined")[2].partition("</p>")[0]
        assert "Development" in line and "It was worse" in line and "Rosa" in line
        assert f'{place}?{urlencode({"back": page})}#quarantined">Clear it</a>' in line
    assert "Not live in Development" not in told[of_version], "it says why once"
    assert "Quarantined" in told[of_prompt].partition('class="live-strip"')[2].partition("</ul>")[0]
    assert told[of_prompt].count("It was worse") == 2 and "Because:" not in told[of_prompt]
    assert '<a href="#quarantined">clear it</a>' in told[place].partition("Deployments</h2>")[2].partition("</ol>")[0]
    assert told[place].index("<h2>Quarantined</h2>") < told[place].index("<h2>Rules</h2>")
    for page in pages:
        assert "Rosa or Olga can clear it." in told_grace[page] and "lear it</a>" not in told_grace[page]

    rosa.post(f"{place}/quarantine/support/triage", {"digest": Quarantine.objects.get().digest, "reason": "Fixed"})
    assert [page for page in pages if "uarantined" in rosa.get(page).content.decode()] == []


def test_rollback__asked_by_a_reviewer__is_forbidden(cast: Cast, as_: SignedIn, prompt: Prompt) -> None:
    builders.version(cast.ada, prompt, "Hi {{ name }}")
    grace, latest = as_(cast.grace), Promotion.objects.latest("pk")

    for page in ("/w/acme/prompts/support/triage", f"/w/acme/promotions/{latest.pk}"):
        assert "Go back…" in as_(cast.rosa).get(page).content.decode(), page
        assert "Go back…" not in as_(cast.grace).get(page).content.decode(), page
    for verb in ("rollback", "withdraw", "quarantine"):
        address = f"/w/acme/environments/development/{verb}/support/triage"
        assert grace.post(address, {"reason": "x", "digest": "0"}).status_code == 403
