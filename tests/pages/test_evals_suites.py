"""Suites by hand: made, typed as lines, refused by line, saved, attached. Nothing typed is lost."""

from typing import Any

import pytest

from evals_app.actions.suites import attach_suite, create_suite
from evals_app.models import Suite, SuiteAttachment, SuiteVersion
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

EDIT = "/w/acme/suites/intents/edit"
LINES = '{"key": "one", "variables": {"q": "1"}, "expected": "1", "tags": ["odd"]}\n\n{"key": "two", "expected": "2"}'
TYPED: dict[str, Any] = {
    "cases": LINES,
    "scorers": '[{"kind": "equals"}]',
    "mode": "all_pass",
    "margin": "0.05",
    "first_floor": "0.5",
    "repeats": "1",
    "looks": "1",
    "alpha": "0.05",
    "config": "",
    "based_on": "0",
}


@pytest.fixture
def empty(cast: Cast) -> Suite:
    """A suite without cases."""
    return create_suite(cast.ada, "intents", title="Finds the intent")


def test_suite__made_on_its_page__leads_to_its_cases(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)

    refused = client.post("/w/acme/new-suite", {"title": "Finds the intent", "slug": "Finds intent"})
    made = client.post("/w/acme/new-suite", {"title": "Finds the intent", "slug": "intents", "is_safety": "on"})

    assert refused.status_code == 422 and "Finds the intent" in refused.content.decode()
    assert (made.status_code, made["Location"]) == (302, EDIT)
    assert Suite.objects.get(slug="intents").is_safety
    assert "Finds the intent" in client.get("/w/acme/suites").content.decode()


def test_suite__saved_from_its_editor__is_a_version_with_its_cases(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    saved = client.post(EDIT, TYPED)
    shown = client.get("/w/acme/suites/intents").content.decode()
    odd = client.get("/w/acme/suites/intents?tag=odd").content.decode()
    again = client.get(EDIT).content.decode()

    assert (saved.status_code, saved["Location"]) == (302, "/w/acme/suites/intents")
    assert [case.key for case in SuiteVersion.objects.get(suite=empty).cases.order_by("position")] == ["one", "two"]
    assert "two" in shown and "every case passes" in shown
    assert ">one<" in odd and ">two<" not in odd
    assert "&quot;key&quot;: &quot;two&quot;" in again and 'name="based_on" value="1"' in again


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cases": LINES + '\n{"key": "one"}'}, "Line 4: key is the key of"),
        ({"cases": LINES + "\n{oops"}, "Line 4: This line is not JSON"),
        ({"cases": '{"key": "a", "tags": 5}\n{"key": 7, "variables": 3}\n"text"'}, "Line 2: key must be a string"),
        ({"scorers": '[{"kind": "vibes"}]'}, "scorers[0].kind"),
        ({"scorers": "[{]"}, "This is not JSON"),
        ({"scorers": '[{"kind": "contains", "value": "{{ q.__class__ }}"}]'}, "scorers[0].value"),
        ({"repeats": "300"}, "20"),
        ({"cases": ""}, "required"),
    ],
)
def test_suite__typed_with_a_mistake__is_refused_by_line_and_nothing_is_lost(
    cast: Cast, empty: Suite, as_: SignedIn, change: dict[str, str], said: str
) -> None:
    refused = as_(cast.ada).post(EDIT, TYPED | change)
    page = refused.content.decode().replace("&quot;", '"').replace("&#x27;", "'")

    assert refused.status_code == 422 and said in page
    for typed in (TYPED | change).values():
        assert str(typed).partition("\n")[0] in page
    assert not SuiteVersion.objects.filter(suite=empty).exists()


def test_suite__only_checked__is_shown_as_a_table_and_not_saved(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    good = client.post(EDIT, TYPED | {"check": "1"})
    bad = client.post(EDIT, TYPED | {"check": "1", "cases": LINES + '\n{"key": "one"}'}, headers={"HX-Request": "true"})

    assert good.status_code == 200 and "2 cases, no mistake" in good.content.decode()
    fragment = bad.content.decode()
    assert bad.status_code == 200 and "1 of 3 lines with a mistake" in fragment and "<html" not in fragment
    assert not SuiteVersion.objects.filter(suite=empty).exists()


def test_suite__saved_by_somebody_else_meanwhile__is_told_once(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    as_(cast.grace).post(EDIT, TYPED)
    client, mine = as_(cast.ada), TYPED | {"cases": LINES.replace("one", "mine")}

    first = client.post(EDIT, mine)
    second = client.post(EDIT, mine | {"based_on": "1"})

    assert first.status_code == 422 and "Version 1 was saved while you were editing" in first.content.decode()
    assert 'name="based_on" value="1"' in first.content.decode()
    assert second.status_code == 302 and SuiteVersion.objects.filter(suite=empty).count() == 2


def test_suite__required_where_protected__keeps_what_an_editor_typed(cast: Cast, as_: SignedIn) -> None:
    suite, prompt = building.suite(cast.ada, "intents"), builders.prompt(cast.ada)
    attach_suite(cast.ada, suite, prompt, required=True)

    refused = as_(cast.ada).post(EDIT, TYPED | {"based_on": "1"})

    assert refused.status_code == 422
    page = refused.content.decode()
    assert "ask a reviewer" in page and "&quot;key&quot;: &quot;two&quot;" in page


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
