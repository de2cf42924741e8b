"""A suite's metrics as rows of the editor: added, filled in and taken out without a script, mistakes at their fields."""

import json
import re

import pytest

from evals_app.actions.suites import save_suite_version
from evals_app.models import Suite, SuiteDraft, SuiteVersion
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.forms import form_of
from tests.pages.test_evals_suite_editor import AS_JSON, EDIT, content


@pytest.fixture
def saved(cast: Cast) -> Suite:
    return building.suite(cast.ada, "intents", of=building.cases(30))


def marked(page: str) -> dict[tuple[str, str], str]:
    """What the page says at the fields of rows, by row and field."""
    found = re.findall(r'id="metric-(\d)-(\w+)-error"><p class="field-error">.*?</svg>(.*?)</p>', page, re.DOTALL)
    return {(row, name): text for row, name, text in found}


def test_metrics__added_filled_and_taken_out_without_a_script__are_saved(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    answer = form_of(client, EDIT).press(client, "metric-add")
    assert answer["Location"] == f"{EDIT}?page=1#judged"
    form = form_of(client, EDIT)
    assert form.all("metric_name") == [""]
    form.set("metric_name", "cost")
    form.set("metric_margin", "0,2")
    form.set("metric_first_floor", "0.002")
    form.press(client, "metric-add")
    form = form_of(client, EDIT)
    form.set("metric_name", "latency", at=1)
    form.set("metric_mode", "floor", at=1)
    form.set("metric_floor", "2000", at=1)
    form.press(client, "metric-add")
    form = form_of(client, EDIT)
    form.set("metric_name", "equals", at=2)
    form.set("metric_mode", "superior", at=2)
    form.set("metric_least_gain", "0.02", at=2)
    form.press(client, "metric-drop:1")
    form_of(client, EDIT).press(client, "metric-add")
    form_of(client, EDIT).press(client, "save")

    newest = SuiteVersion.objects.get(suite=saved, number=2)
    assert json.loads(newest.rules)["metrics"] == [
        {"name": "cost", "mode": "non_inferior", "margin": 0.2, "first_floor": 0.002},
        {"name": "equals", "mode": "superior", "least_gain": 0.02},
    ]
    assert form_of(client, EDIT).all("metric_margin") == ["0.2", ""]
    form_of(client, EDIT).press(client, "page:1")
    assert not SuiteDraft.objects.exists()


def test_metrics__with_mistakes__are_marked_at_their_fields_and_keep_what_is_typed(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    for _ in range(2):
        form_of(client, EDIT).press(client, "metric-add")
        form = form_of(client, EDIT)
        form.set("metric_name", "latency", at=len(form.all("metric_name")) - 1)
        form.press(client, "page:1")
    form = form_of(client, EDIT)
    form.set("metric_mode", "floor", at=0)
    form.set("metric_margin", "a lot", at=1)
    answer = form.press(client, "save")

    page = answer.content.decode()
    assert answer.status_code == 422 and 'value="a lot"' in page and "marked beside the rules" in page
    assert {place: "number" in text for place, text in marked(page).items()} == {
        ("1", "name"): False, ("1", "margin"): True,
    }  # fmt: skip
    assert "another entry" in marked(page)["1", "name"] and "metrics[" not in page

    form = form_of(client, EDIT)
    form.set("metric_name", "cost", at=1)
    form.set("metric_margin", "", at=1)
    told = marked(form.press(client, "save").content.decode())
    assert set(told) == {("0", "floor"), ("1", "first_floor")} and "required" in told["0", "floor"]


def test_metrics__of_scorers_that_are_gone__stay_to_be_corrected(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    metrics = [{"name": "tone", "mode": "report_only"}]
    scorers = [{"kind": "equals"}, {"kind": "contains", "name": "tone", "value": "a"}]
    save_suite_version(cast.ada, saved, content(scorers=scorers, metrics=metrics))
    form = form_of(client, AS_JSON)
    form.set("scorers", '[{"kind": "equals"}]')
    answer = form.press(client, "save")

    assert answer.status_code == 422 and "tone (no such scorer)" in answer.content.decode()
    assert form_of(client, EDIT).all("metric_name") == ["tone"]


def test_metrics__of_a_draft_that_is_no_list_of_rows__are_edited_as_they_are(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form_of(client, EDIT).press(client, "metric-add")
    draft = SuiteDraft.objects.get()
    draft.rules = json.dumps({**json.loads(draft.rules), "metrics": '[{"name": "cost"'})
    draft.save()
    form = form_of(client, EDIT)
    assert form.all("metrics") and not form.all("metric_name")
    answer = form.press(client, "save")
    assert answer.status_code == 422 and "not JSON" in answer.content.decode()
    form.set("metrics", '[{"name": "cost", "first_floor": 0.1}]')
    form.press(client, "page:1")
    assert form_of(client, EDIT).all("metric_name") == ["cost"]
