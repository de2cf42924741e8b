"""A suite's scorers as forms of the editor: added, filled in, moved and taken out without a script; as JSON on request."""

import json
import re
from typing import Any

import pytest

from evals_app.actions.suites import save_suite_version
from evals_app.models import Suite, SuiteDraft, SuiteVersion
from evals_app.scorers import SCORERS
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.forms import Form, form_of
from tests.pages.test_evals_suite_editor import AS_JSON, EDIT, content


@pytest.fixture
def saved(cast: Cast) -> Suite:
    return building.suite(cast.ada, "intents", of=building.cases(30))


def newest(suite: Suite) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(suite.versions.order_by("-number")[0].rules)["scorers"]
    return found


def flag(form: Form, name: str, value: str = "1") -> None:
    form.fields.append((name, value))


def test_scorers__added_filled_moved_and_taken_out_without_a_script__are_saved(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("scorer_kind", "pii")
    assert form.press(client, "scorer-add")["Location"] == f"{EDIT}?page=1#scorer-1"
    form = form_of(client, EDIT)
    flag(form, "scorer-1-o-of", "email")
    form.set("scorer-1-o-allow", "help@example.com\r\nme@example.com")
    form.set("scorer_kind", "word_count")
    form.press(client, "scorer-add")
    form = form_of(client, EDIT)
    form.set("scorer-2-o-most", "80")
    form.set("scorer-2-weight", "0")
    assert form.press(client, "scorer-up:2")["Location"] == f"{EDIT}?page=1#scorer-1"
    form = form_of(client, EDIT)
    form.set("scorer_kind", "regex")
    form.press(client, "scorer-add")
    form = form_of(client, EDIT)
    form.set("scorer-3-value", "[0-9]")
    flag(form, "scorer-3-negate")
    form.press(client, "scorer-drop:0")
    saving = form_of(client, EDIT)
    assert saving.press(client, "save").status_code == 302

    assert newest(saved) == [
        {"kind": "word_count", "name": "word_count", "weight": 0, "most": 80},
        {"kind": "pii", "name": "pii", "of": ["email"], "allow": ["help@example.com", "me@example.com"]},
        {"kind": "regex", "name": "regex", "negate": True, "value": "[0-9]"},
    ]


def test_scorers__of_every_kind__looked_at_and_sent_back_begin_no_draft(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    examples = [{**SCORERS[kind].example.spec, "name": f"a {kind}"} for kind in SCORERS if not SCORERS[kind].is_graded]
    weights = [one if one["kind"] == "disabled" else {**one, "weight": 0.5, "negate": True} for one in examples]
    odd = [{"kind": "equals", "name": "odd", "value": {"a": ["\r", 1.5, None]}}]
    save_suite_version(cast.ada, saved, content(scorers=[*weights, *odd]))

    form_of(client, EDIT).press(client, "page:2")
    form_of(client, AS_JSON).press(client, "page:2")

    assert not SuiteDraft.objects.exists()
    assert form_of(client, EDIT).all("scorer") == ["", *(str(index) for index in range(len(examples) + 1))]
    assert "at least <code>least</code> and at most <code>most</code> words" in client.get(EDIT).content.decode()


def test_scorer__of_another_kind__keeps_what_both_have(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    old = [{"kind": "icontains", "value": ["a", "b"], "of": "any"}, {"kind": "icontains", "name": "own", "of": "any"}]
    save_suite_version(cast.ada, saved, content(scorers=old))
    form = form_of(client, EDIT)
    form.set("scorer-0-kind", "starts_with")
    form.press(client, "scorer-kind:0")
    form = form_of(client, EDIT)
    assert "scorer-0-o-exact" in client.get(EDIT).content.decode() and form.all("scorer-0-o-of") == ["any"]
    form.set("scorer-1-kind", "latency")
    form.press(client, "scorer-kind:1")
    form = form_of(client, EDIT)
    form.set("scorer-1-o-most", "20000")  # milliseconds
    form.set("scorer-1-kind", "word_count")
    form.press(client, "scorer-kind:1")
    form = form_of(client, EDIT)
    assert form.all("scorer-1-o-most") == [""]
    form.set("scorer-1-kind", "equals")
    form.press(client, "save")

    assert newest(saved) == [
        {"kind": "starts_with", "name": "starts_with", "of": "any", "value": ["a", "b"]},
        {"kind": "equals", "name": "own"},
    ]


def test_scorers__with_mistakes__are_marked_at_their_fields_and_keep_what_is_typed(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("scorer_kind", "jsonpath")
    form.press(client, "scorer-add")
    form = form_of(client, EDIT)
    form.set("scorer-1-o-path", "$[")
    form.set("scorer-1-weight", "a lot")
    form.set("try_output", "{}")
    answer = form.press(client, "save")
    tried = form_of(client, EDIT).press(client, "try").content.decode()

    page = answer.content.decode()
    assert answer.status_code == 422 and "marked beside the rules" in page and "scorers[" not in page
    weight = re.search(r'id="scorer-1-weight" name="scorer-1-weight" value="a lot"[^>]*aria-invalid="true"', page)
    assert weight and weight[0] in tried
    assert [row["weight"] for row in json.loads(form_of(client, AS_JSON).all("scorers")[0])[1:]] == ["a lot"]


def test_scorers__as_json__are_edited_whole_and_come_back_as_forms(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    answer = form_of(client, EDIT).press(client, "scorers-json")
    assert answer["Location"] == f"{EDIT}?page=1&as=json#scorers"
    form = form_of(client, answer["Location"].partition("#")[0])
    form.set("scorers", '[{"kind": "vibes", "value": 1}, {"kind": "contains", "value": "a", "extra": true}]')
    assert form.press(client, "scorers-forms")["Location"] == f"{EDIT}?page=1#scorers"
    form = form_of(client, EDIT)
    assert json.loads(form.all("scorer-0-json")[0]) == {"kind": "vibes", "value": 1}
    form.set("scorer-0-json", '{"kind": "equals"')
    form.set("scorer-1-json", '{"kind": "contains", "value": "a"}')
    refused = form.press(client, "save")
    assert refused.status_code == 422 and "{&quot;kind&quot;: &quot;equals&quot;</textarea>" in refused.content.decode()
    form = form_of(client, EDIT)
    assert form.all("scorer-1-value") == ["a"]
    form.set("scorer-0-json", '{"kind": "equals"}')
    form.press(client, "save")

    assert [one["kind"] for one in newest(saved)] == ["equals", "contains"]
    assert SuiteVersion.objects.filter(suite=saved).count() == 2


def test_try__tells_at_each_scorer_what_it_says(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("scorer_kind", "word_count")
    form.press(client, "scorer-add")
    form = form_of(client, EDIT)
    form.set("scorer-1-o-least", "3")
    form.set("try_output", "Paris")
    form.set("try_expected", "Paris")
    page = form.press(client, "try").content.decode()

    first, second = page.split('id="scorer-1"')
    assert "passes</span>" in first.split('id="scorer-0"')[1] and "does not pass</span>" in second
    assert "The output does not pass" in page
