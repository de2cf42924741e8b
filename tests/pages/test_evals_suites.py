"""Suites by hand: made, looked at, attached."""

import re

from evals_app.actions.suites import attach_suite
from evals_app.models import Suite, SuiteAttachment, SuiteVersion
from prompts_app.models import RequiredCheck
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.forms import form_of

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


def test_suite__made_for_a_prompt_as_required__is_so_once_its_cases_are_saved(cast: Cast, as_: SignedIn) -> None:
    prompt, client = builders.prompt(cast.ada, text="Hello {{ name }}"), as_(cast.ada)
    path = f"/w/acme/new-suite?prompt={prompt.name}"

    offered = client.get(path).content.decode()
    asked = client.get(f"{path}&required=on").content.decode()
    made = client.post(path, {"title": "Greets", "prompt": prompt.name, "required": "on"})
    edit = made["Location"].partition("?")[0]
    form = form_of(client, made["Location"], action=edit)
    turned = form.press(client, "add:1")
    form = form_of(client, turned["Location"].partition("#")[0], action=edit)
    form.set("expected", "Hello Ada", at=0)
    form.set("mode", "all_pass")
    before = SuiteAttachment.objects.get(suite__slug="greets").is_required
    form.press(client, "save")

    assert "Required before this prompt is promoted" in offered and 'name="required" checked' not in offered
    assert re.search(r'<input[^>]* name="required"[^>]* checked', asked)
    assert form.all("require") == [prompt.name] and not before
    assert SuiteAttachment.objects.get(suite__slug="greets").is_required
    assert RequiredCheck.objects.filter(prompt=prompt, definition__name="suite/greets").exists()
    assert f"It is required of {prompt.name}." in client.get("/w/acme/suites/greets").content.decode()


def test_suite__required_while_too_small_for_its_rules__is_saved_and_says_what_helps(cast: Cast, as_: SignedIn) -> None:
    prompt, client = builders.prompt(cast.ada, text="Hello {{ name }}"), as_(cast.ada)
    made = client.post(f"/w/acme/new-suite?prompt={prompt.name}", {"title": "Greets", "prompt": prompt.name})
    form = form_of(client, made["Location"])
    form.press(client, "add:1")
    form = form_of(client, made["Location"])
    form.set("expected", "Hello Ada", at=0)
    unasked = form.all("require")
    form.fields.append(("require", prompt.name))
    form.press(client, "save")
    suite = Suite.objects.get(slug="greets")
    page = client.get("/w/acme/suites/greets").content.decode()

    assert unasked == [] and suite.last_number == 1
    assert not SuiteAttachment.objects.get(suite=suite).is_required
    assert f"It is not required of {prompt.name} yet. Let it pass when every case passes" in page
    assert "It can be required today, though not by its rules." in page


def test_suite__of_few_cases__is_made_to_pass_when_every_case_does_with_one_press(cast: Cast, as_: SignedIn) -> None:
    suite, client = building.suite(cast.ada, "few", of=building.cases(3), margin=0.05), as_(cast.ada)
    path = "/w/acme/suites/few"

    page = client.get(path).content.decode()
    pressed = client.post(f"{path}/edit", {"based_on": "1", "step": "mode:all_pass"})
    edit = client.get(f"{path}/edit").content.decode()
    form_of(client, f"{path}/edit").press(client, "save")
    saved = SuiteVersion.objects.get(suite=suite, number=2)

    assert "Let it pass when every case passes" in page and "add 49 more" in page and "at least 52 cases" in page
    assert "Pass when every case passes" in page and "just as good passes" not in page
    assert "Pass when every case passes" not in as_(cast.vera).get(path).content.decode()
    assert pressed["Location"].endswith("#size-note") and "Large enough to be required: 3 observations" in edit
    assert (saved.mode, saved.case_count) == ("all_pass", 3)
    assert client.post(f"{path}/edit", {"based_on": "2", "step": "mode:anything"}).status_code == 302
