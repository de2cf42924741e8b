"""The editor of a suite, without a script: typed as a table, kept as a draft, refused by row, saved. Nothing is lost."""

import json
import re
from typing import Any

import pytest

from evals_app.actions.suites import attach_suite, create_suite, save_suite_version
from evals_app.models import DraftCase, Suite, SuiteDraft, SuiteVersion
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.forms import form_of

EDIT = "/w/acme/suites/intents/edit"
AS_JSON = f"{EDIT}?as=json"


def content(count: int = 30, **rules: Any) -> dict[str, Any]:
    return {"cases": building.cases(count), "scorers": [{"kind": "equals"}], "margin": 0.1, "repeats": 1, **rules}


def keys(suite: Suite) -> list[str]:
    newest = SuiteVersion.objects.filter(suite=suite).first()
    assert newest is not None
    return list(newest.cases.order_by("position").values_list("key", flat=True))


@pytest.fixture
def empty(cast: Cast) -> Suite:
    """A suite without cases."""
    return create_suite(cast.ada, "intents", title="Finds the intent")


@pytest.fixture
def saved(cast: Cast, empty: Suite) -> Suite:
    """A suite of 30 cases: two pages of the editor."""
    save_suite_version(cast.ada, empty, content())
    empty.refresh_from_db()
    return empty


def test_editor__looked_at__begins_no_draft(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    first = form_of(client, EDIT)
    turned = first.press(client, "page:2")

    assert len(first.all("key")) == 25 and first.all("v0")[:2] == ['"0"', '"1"']
    assert turned["Location"] == f"{EDIT}?page=2#cases"
    assert len(form_of(client, f"{EDIT}?page=2").all("key")) == 5
    assert not SuiteDraft.objects.exists()


def test_editor__of_a_suite_that_may_be_required__says_what_its_page_will_of_how_likely_an_equal_version_passes(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)

    told = [
        re.findall(r"With 30 cases[^<]*", client.get(page).content.decode()) for page in (EDIT, EDIT[: -len("/edit")])
    ]
    form = form_of(client, EDIT)
    form.set("margin", "0.01")
    form.press(client, "page:2")

    assert told[0] == told[1] and "a version that is just as good passes about" in told[0][0]
    assert "just as good" not in client.get(EDIT).content.decode(), "where it could not be required at all"


def test_case__typed_on_one_page__is_kept_while_another_is_turned_to_and_saved(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("expected", '{"intent": "card"}', at=3)
    form.set("tags", "odd, very odd", at=3)
    form.set("margin", "0.2")
    form.press(client, "page:2")

    again = form_of(client, EDIT)
    answer = form_of(client, f"{EDIT}?page=2").press(client, "save")

    assert again.all("expected")[3] == '{"intent": "card"}' and again.all("margin") == ["0.2"]
    assert (answer.status_code, answer["Location"]) == (302, "/w/acme/suites/intents")
    version = SuiteVersion.objects.get(suite=saved, number=2)
    case = version.cases.get(key="case-3").to_json()
    assert (case["expected"], case["tags"]) == ({"intent": "card"}, ["odd", "very odd"])
    assert json.loads(version.rules)["margin"] == 0.2
    assert version.case_count == 30 and not SuiteDraft.objects.exists()


def test_suite__typed_from_nothing__is_a_version(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    blank = form_of(client, EDIT)
    blank.set("variable", "message")
    blank.press(client, "variable")
    form_of(client, EDIT).press(client, "add:5")
    form = form_of(client, EDIT)
    for index, text in enumerate(("Line one\r\nline two", '""', "=1+1")):
        form.set("key", f"k{index}", at=index)
        form.set("v0", text, at=index)
        form.set("expected", "card", at=index)
    form.set("mode", "all_pass")
    form.press(client, f"drop:{form.all('row')[4]}")
    rest = form_of(client, EDIT)
    answer = rest.press(client, f"drop:{rest.all('row')[3]}")
    assert answer["Location"] == f"{EDIT}?page=1#cases"

    form_of(client, EDIT).press(client, "save")

    cases = [case.to_json() for case in SuiteVersion.objects.get(suite=empty).cases.order_by("position")]
    assert [case["variables"] for case in cases] == [
        {"message": "Line one\nline two"},
        {"message": ""},
        {"message": "=1+1"},
    ]


def test_rows__added_empty__are_not_scolded_and_variables_come_several_at_once(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    blank = form_of(client, EDIT)
    blank.set("variable", "shop, message")
    blank.press(client, "variable")
    form_of(client, EDIT).press(client, "add:1")

    fresh = form_of(client, EDIT)
    page = client.get(EDIT).content.decode()
    fresh.set("v1", "Where is it?")
    fresh.press(client, "page:1")

    assert fresh.all("name") == ["shop", "message"]
    filled = client.get(EDIT).content.decode()
    assert "key is required" not in page
    assert "key is required" not in filled and "Left empty, the case is numbered" in filled
    form_of(client, EDIT).press(client, "forget:shop")
    assert form_of(client, EDIT).all("name") == ["message"]


def test_case__duplicated_and_dropped__keeps_the_order(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    form_of(client, EDIT).press(client, "copy:1")
    form_of(client, EDIT).press(client, "copy:1")
    form_of(client, EDIT).press(client, "drop:0")
    form_of(client, EDIT).press(client, "save")

    assert keys(saved)[:4] == ["case-1", "case-1 (3)", "case-1 (2)", "case-2"]


def test_rows__that_nobody_touched__are_not_written_over_what_another_window_typed(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    one, other = form_of(client, EDIT), form_of(client, EDIT)
    one.set("expected", "mine", at=0)
    one.press(client, "page:1")
    other.set("expected", "too", at=1)
    other.press(client, "page:1")

    assert form_of(client, EDIT).all("expected")[:2] == ["mine", "too"]


def test_mistakes__of_any_page__are_told_by_case_with_a_link_and_nothing_is_lost(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    last = form_of(client, f"{EDIT}?page=2&as=json")
    last.set("key", "case-3", at=4)
    last.set("more", '{"messages": [', at=3)
    last.set("scorers", '[{"kind": "vibes"}]')
    last.set("repeats", "three")
    kept = last.press(client, "page:1")
    refused = form_of(client, EDIT).press(client, "save")
    there = client.get(f"{EDIT}?page=2").content.decode()

    assert kept.status_code == 302 and refused.status_code == 422
    page = refused.content.decode()
    assert "no number such as 3" in page and "Not saved." in page
    assert "more fields are not JSON" in there
    assert "is the key of another case too" in there and "{&quot;messages&quot;: [" in there
    fixed = form_of(client, EDIT)
    fixed.set("repeats", "3")
    again = fixed.press(client, "save").content.decode()
    assert f'href="{EDIT}?page=2#row-28"' in again and "Case 29" in again
    assert SuiteVersion.objects.filter(suite=saved).count() == 1


def test_draft__checked_as_a_whole__says_what_saving_would_say(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    good = form_of(client, EDIT).press(client, "check")
    said = client.get(good["Location"]).content.decode()
    broken = form_of(client, AS_JSON)
    broken.set("scorers", '[{"kind": "vibes"}]')
    bad = broken.press(client, "check").content.decode()

    assert "30 cases, no mistake" in said
    assert "Not acceptable yet." in bad and "scorers[0].kind" in bad


def test_draft__kept_by_the_script__says_so_and_what_is_wrong(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("more", "{", at=2)
    data: dict[str, list[str]] = {}
    for name, value in form.fields:
        data.setdefault(name, []).append(value)

    kept = client.post("/w/acme/suites/intents/draft", data, headers={"HX-Request": "true"}).content.decode()
    plain = client.post("/w/acme/suites/intents/draft", data)

    assert "draft kept" in kept and "Case 3: more fields are not JSON" in kept and "<html" not in kept
    assert (plain.status_code, plain["Location"]) == (302, EDIT)


def test_save__with_rows_that_nobody_filled_in__leaves_them_out_and_numbers_those_without_a_key(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form_of(client, EDIT).press(client, "add:5")
    form = form_of(client, f"{EDIT}?page=2")
    form.set("key", "case-32", at=5)
    for at in (5, 6, 8):
        form.set("expected", "card", at=at)

    answer = form.press(client, "save")

    assert answer.status_code == 302 and keys(saved)[30:] == ["case-32", "case-33", "case-34"]


def test_save__of_rows_that_are_all_empty_but_for_a_mistake__says_the_mistake_and_loses_nothing(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form_of(client, EDIT).press(client, "add:5")
    form = form_of(client, f"{EDIT}?page=2")
    form.set("more", "[1", at=7)

    page = (refused := form.press(client, "save")).content.decode()

    assert refused.status_code == 422 and "Case 31</a>: more fields are not JSON" in page
    assert form_of(client, f"{EDIT}?page=2").all("more")[5:] == ["[1"]
    assert form_of(client, f"{EDIT}?page=2").all("key")[5:] == ["case-31"]
    assert "beside the rules" not in page and "The suite was not saved" not in page


def test_draft__discarded__leaves_the_newest_version(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("key", "mine", at=0)
    form.press(client, "page:1")

    client.post("/w/acme/suites/intents/draft/discard")

    assert not DraftCase.objects.exists() and form_of(client, EDIT).all("key")[0] == "case-0"


def test_save__over_somebody_elses__is_told_with_what_changed_and_needs_a_word(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("key", "mine", at=0)
    form.press(client, "page:1")
    save_suite_version(cast.grace, saved, content(31))

    told = client.get(EDIT).content.decode()
    refused = form_of(client, EDIT).press(client, "save")
    page = refused.content.decode()
    over = form_of(client, EDIT)
    over.fields.append(("over", "2"))
    done = over.press(client, "save")

    assert "meanwhile Grace saved v2" in told
    assert refused.status_code == 409 and "Grace saved version 2" in page and f"{EDIT[:-4]}diff?from=1&amp;to=2" in page
    assert done.status_code == 302 and keys(saved)[0] == "mine" and len(keys(saved)) == 30


def test_save__not_an_editors_where_protected__keeps_the_draft(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    attach_suite(cast.ada, saved, builders.prompt(cast.ada), required=True)
    client = as_(cast.ada)
    form = form_of(client, EDIT)
    form.set("key", "mine", at=0)

    refused = form.press(client, "save")

    assert refused.status_code == 403 and "ask a reviewer" in refused.content.decode()
    assert form_of(client, EDIT).all("key")[0] == "mine"


def test_suite__too_small__is_told_how_many_are_missing_and_what_else_helps(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    save_suite_version(cast.ada, empty, content(20))
    client = as_(cast.ada)

    assert "add 5 more" in client.get(EDIT).content.decode()
    form_of(client, EDIT).press(client, "add:5")
    assert "5 more" not in client.get(EDIT).content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"row": ["1", "2"], "key": ["a"]},
        {"row": ["1"], "key": ["a"], "seen": [""], "expected": [""], "tags": [""], "cluster": [""], "more": []},
        {
            "name": ["q"],
            "row": ["0"],
            "seen": [""],
            "key": ["a"],
            "expected": [""],
            "tags": [""],
            "cluster": [""],
            "more": [""],
        },
    ],
)
def test_form__that_came_back_incomplete__changes_nothing(
    cast: Cast, saved: Suite, as_: SignedIn, change: dict[str, list[str]]
) -> None:
    refused = as_(cast.ada).post(EDIT, {"step": "save", "based_on": "1", **change})

    assert refused.status_code == 422 and "incomplete" in refused.content.decode()
    assert not SuiteDraft.objects.exists()


def test_steps__nobody_offers__are_harmless(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)

    for step in ("drop:999", "copy:999", "page:x", "add:1000000", "nonsense", "copy:\N{SUPERSCRIPT TWO}", "variable"):
        answer = client.post(EDIT, {"step": step, "based_on": "9" * 30, "variable": "a" * 300})
        assert answer.status_code in {302, 409, 422}, step
    assert DraftCase.objects.count() <= 30 + 25


def test_draft__of_somebody_else__is_neither_seen_nor_touched(cast: Cast, saved: Suite, as_: SignedIn) -> None:
    form = form_of(as_(cast.ada), EDIT)
    form.set("key", "secret", at=0)
    form.press(as_(cast.ada), "page:1")

    assert "secret" not in as_(cast.grace).get(EDIT).content.decode()
    assert as_(cast.vera).get(EDIT).status_code == 403
    assert as_(cast.linus).get(EDIT).status_code == 404


def test_try__an_output_pasted__shows_what_each_scorer_says_and_keeps_what_is_typed(
    cast: Cast, saved: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    form = form_of(client, AS_JSON)
    form.set("scorers", json.dumps([
        {"kind": "equals"},
        {"kind": "contains", "value": "{{ city }}", "group": "g"},
        {"kind": "tool_call", "value": {"name": "look_up"}, "group": "g"},
    ]))  # fmt: skip
    form.set("more_rules", '{"combine": "any", "groups": [{"name": "g"}]}')
    form.set("try_output", "Off to <b>Rome")
    form.set("try_expected", "Paris")
    form.set("try_variables", '{"city": "Rome"}')
    form.set("try_calls", '[{"function": {"name": "look_up", "arguments": "{}"}}]')

    page = form.press(client, "try").content.decode()

    assert "The output passes" in page and "2 of 2 passed" in page
    assert "“Off to &lt;b&gt;Rome” is not “Paris”" in page and "<b>Rome" not in page
    again = form_of(client, AS_JSON)
    assert json.loads(again.all("scorers")[0])[1]["group"] == "g"
    assert again.all("try_output") == [""]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"scorers": "[{]"}, "This is not JSON"),
        ({"scorers": '[{"kind": "vibes"}]'}, "scorers[0].kind"),
        ({"try_variables": "[1]"}, "must be a JSON object"),
        ({"try_calls": "look_up()"}, "This is not JSON"),
        ({"more_rules": '{"combine": "most"}'}, "combine"),
        ({"scorers": '[{"kind": "contains", "value": "{{ a.__class__ }}"}]'}, "__class__"),
    ],
)
def test_try__what_cannot_be_read__is_said_and_nothing_typed_is_lost(
    cast: Cast, saved: Suite, as_: SignedIn, typed: dict[str, str], says: str
) -> None:
    form = form_of(as_(cast.ada), AS_JSON)
    form.set("try_output", "Off to Rome")
    for name, text in typed.items():
        form.set(name, text)

    page = form.press(as_(cast.ada), "try").content.decode()

    assert says in page and "Off to Rome" in page and "The output passes" not in page
