"""Suites by hand: made, looked at, attached."""

import re

from evals_app.actions.suites import attach_suite
from evals_app.models import Suite, SuiteAttachment
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

EDIT = "/w/acme/suites/intents/edit"


def test_suite__made_on_its_page__leads_to_its_cases(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)

    refused = client.post("/w/acme/new-suite", {"title": "Finds the intent", "slug": "Finds intent"})
    made = client.post("/w/acme/new-suite", {"title": "Finds the intent", "slug": "intents", "is_safety": "on"})

    assert refused.status_code == 422 and "Finds the intent" in refused.content.decode()
    assert (made.status_code, made["Location"]) == (302, EDIT)
    assert Suite.objects.get(slug="intents").is_safety
    named = client.post("/w/acme/new-suite", {"title": "Stays polite, always!"})
    assert named["Location"] == "/w/acme/suites/stays-polite-always/edit"
    assert client.post("/w/acme/new-suite", {"title": "\N{CYRILLIC SMALL LETTER YA}"}).status_code == 422
    assert "Finds the intent" in client.get("/w/acme/suites").content.decode()


def test_suite__made_for_a_prompt__is_asked_of_it_and_has_its_variables_as_columns(cast: Cast, as_: SignedIn) -> None:
    prompt, client = builders.prompt(cast.ada, text="Hello {{ name }}"), as_(cast.ada)

    refused = client.post("/w/acme/new-suite", {"title": "Greets", "prompt": "no/such"})
    made = client.post("/w/acme/new-suite", {"title": "Greets", "prompt": prompt.name})

    assert refused.status_code == 422 and "There is no prompt of that name" in refused.content.decode()
    assert SuiteAttachment.objects.get(suite__slug="greets", prompt=prompt)
    assert 'name="name" value="name"' in client.get(made["Location"]).content.decode()
    assert f'value="{prompt.name}"' in client.get(f"/w/acme/new-suite?prompt={prompt.name}").content.decode()


def test_suite__made_where_there_is_one_prompt__is_asked_of_that_unless_it_is_taken_out(
    cast: Cast, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), "/w/acme/new-suite"

    def offered(address: str) -> str:
        field = re.search(r'<input[^>]* name="prompt"[^>]*>', client.get(address).content.decode())
        value = re.search(r' value="([^"]*)"', field[0] if field else "")
        return value[1] if value else ""

    none = offered(path)
    only = builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    one = offered(path)
    client.post(path, {"title": "Asked of nothing", "prompt": ""})
    builders.prompt(cast.ada, "support/greeting", text="Good day, {{ name }}")

    assert (none, one, offered(path)) == ("", only.name, "")
    assert offered(f"{path}?prompt=support/greeting") == "support/greeting"
    assert not SuiteAttachment.objects.filter(suite__slug="asked-of-nothing").exists()


def test_suite__whose_cases_lack_what_a_prompt_requires__says_which_before_it_is_run(cast: Cast, as_: SignedIn) -> None:
    suite, prompt = building.suite(cast.ada), builders.prompt(cast.ada, text="Hello {{ name }}, {{ q }}")
    attach_suite(cast.ada, suite, prompt)
    client = as_(cast.ada)

    lacking = client.get("/w/acme/suites/numbers").content.decode()
    builders.version(cast.ada, prompt, "Hello {{ q }}")
    filled = client.get("/w/acme/suites/numbers").content.decode()

    assert (
        "cannot be asked these cases" in lacking and "<code>name</code>" in lacking and "<code>q</code>" not in lacking
    )
    assert "cannot be asked these cases" not in filled and "It has not run yet" in filled


def test_suite__too_small_for_its_margin__says_so_before_anybody_requires_it(cast: Cast, as_: SignedIn) -> None:
    building.suite(cast.ada, "intents", of=building.cases(10), margin=0.05)
    builders.prompt(cast.ada)
    client = as_(cast.ada)

    page = client.get("/w/acme/suites/intents").content.decode()
    refused = client.post(
        "/w/acme/suites/intents/attach", {"prompt": "support/triage", "required": "on", "run_on": "new_version"}
    )

    assert "at least 52 cases" in page
    assert refused.status_code == 422 and "at least 52 cases" in refused.content.decode()
    assert 'value="support/triage"' in refused.content.decode()


def test_attachment__made_and_taken_away_on_the_page__is_as_it_says(cast: Cast, as_: SignedIn) -> None:
    suite, prompt = building.suite(cast.ada), builders.prompt(cast.ada)
    client, path = as_(cast.ada), "/w/acme/suites/numbers"

    assert client.post(f"{path}/attach", {"prompt": "no/such", "run_on": "promotion"}).status_code == 422
    made = client.post(f"{path}/attach", {"prompt": "support/triage", "run_on": "promotion"})
    assert made.status_code == 302
    attachment = SuiteAttachment.objects.get(suite=suite, prompt=prompt)
    assert (attachment.is_required, attachment.run_on) == (False, "promotion")
    assert "support/triage" in client.get(path).content.decode()

    assert client.post(f"{path}/detach", {"prompt": "support/triage"}).status_code == 302
    assert not SuiteAttachment.objects.exists()
    assert as_(cast.vera).post(f"{path}/attach", {"prompt": "support/triage", "run_on": "promotion"}).status_code in {
        403,
        422,
    }


def test_suites__without_any__say_what_to_do(cast: Cast, as_: SignedIn) -> None:
    assert "Make the first one" in as_(cast.ada).get("/w/acme/suites").content.decode()
    assert "Make the first one" not in as_(cast.vera).get("/w/acme/suites").content.decode()
    assert as_(cast.vera).get("/w/acme/new-suite").status_code == 403
