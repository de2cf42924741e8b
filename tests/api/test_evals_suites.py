"""`/suites`: made, saved as versions, attached; every mistake is named by its row."""

from typing import Any

import pytest

from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building

CONTENT: dict[str, Any] = {
    "cases": [
        {"key": "one", "variables": {"q": "1"}, "expected": "1", "tags": ["small"], "critical": True},
        {"key": "two", "variables": {"q": "2"}, "expected": "2", "cluster": "pair"},
    ],
    "scorers": [{"kind": "equals"}, {"kind": "contains", "value": "{{ q }}", "name": "echo", "weight": 0}],
    "mode": "all_pass",
    "repeats": 1,
}


def test_suite__made_by_an_editor__is_there_with_its_check_name(cast: Cast) -> None:
    ada = Api(cast.ada)

    made = ada.post("suites", {"slug": "intents", "title": "Intents", "safety": True})

    assert made.status == 201
    assert made.json["check"] == "suite/intents" and made.json["safety"] and made.json["newest_version"] is None
    assert ada.get("suites/intents").json == made.json
    assert [one["slug"] for one in ada.get("suites").json["results"]] == ["intents"]


def test_suite__made_twice__is_a_conflict(cast: Cast) -> None:
    ada = Api(cast.ada)
    ada.post("suites", {"slug": "intents", "title": "Intents"})

    again = ada.post("suites", {"slug": "intents", "title": "Again"})

    assert (again.status, again.code) == (409, "suite.exists")


def test_suite_version__saved__comes_back_as_given_and_twice_is_the_same(cast: Cast) -> None:
    ada = Api(cast.ada)
    ada.post("suites", {"slug": "intents", "title": "Intents"})

    saved = ada.post("suites/intents/versions", CONTENT)
    again = ada.post("suites/intents/versions", CONTENT)

    assert (saved.status, again.status) == (201, 200)
    assert saved.json["version"] == again.json["version"] == 1
    assert saved.json["cases"] == CONTENT["cases"]
    assert (saved.json["mode"], saved.json["repeats"], saved.json["margin"]) == ("all_pass", 1, 0.05)
    assert ada.get("suites/intents/versions/1").json == saved.json
    listed = ada.get("suites/intents/versions").json["results"]
    assert [(one["version"], one["case_count"]) for one in listed] == [(1, 2)] and "cases" not in listed[0]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cases": [{"key": "one", "expected": 1}, {"expected": 2}]}, "cases[1].key"),
        ({"cases": [{"key": "one", "expected": 1, "sort": 2}]}, "cases[0].sort"),
        ({"cases": []}, "cases"),
        ({"scorers": [{"kind": "vibes"}]}, "scorers[0].kind"),
        ({"scorers": [{"kind": "contains", "value": "{{ q.__class__ }}"}]}, "scorers[0].value"),
        ({"repeats": "3"}, "repeats"),
        ({"margins": 0.1}, "margins"),
    ],
)
def test_suite_version__with_a_mistake__is_refused_by_its_place(cast: Cast, change: dict[str, Any], field: str) -> None:
    ada = Api(cast.ada)
    ada.post("suites", {"slug": "intents", "title": "Intents"})

    refused = ada.post("suites/intents/versions", CONTENT | change)

    assert refused.status == 422
    assert field in [error["field"] for error in refused.json["errors"]]
    assert ada.get("suites/intents").json["newest_version"] is None


def test_attachment__required_while_too_small__is_a_conflict_that_says_how_many_cases_it_takes(cast: Cast) -> None:
    builders.prompt(cast.ada)
    building.suite(cast.ada, of=building.cases(10))
    ada = Api(cast.ada)

    refused = ada.post("suites/numbers/attachments", {"prompt": "support/triage", "required": True})

    assert (refused.status, refused.code) == (409, "suite.too_small")
    assert "25 cases" in refused.json["detail"]


def test_attachment__made_changed_and_taken_away__is_listed_as_it_stands(cast: Cast) -> None:
    builders.prompt(cast.ada)
    building.suite(cast.ada)
    ada, path = Api(cast.ada), "suites/numbers/attachments"

    made = ada.post(path, {"prompt": "support/triage"})
    changed = ada.post(path, {"prompt": "support/triage", "required": True, "run_on": "promotion"})

    assert (made.status, made.json["required"], made.json["run_on"]) == (201, False, "new_version")
    assert (changed.status, changed.json["required"], changed.json["run_on"]) == (200, True, "promotion")
    assert ada.get(path).json["results"] == [changed.json]
    assert Api(cast.grace).delete(f"{path}/support/triage").status == 204
    assert ada.get(path).json["results"] == []
    assert Api(cast.grace).delete(f"{path}/support/triage").status == 404


def test_attachment__required_where_protected__is_not_an_editors_to_loosen(cast: Cast) -> None:
    builders.prompt(cast.ada)
    building.suite(cast.ada)
    ada, path = Api(cast.ada), "suites/numbers/attachments"
    ada.post(path, {"prompt": "support/triage", "required": True})

    assert ada.post(path, {"prompt": "support/triage", "required": False}).status == 403
    assert ada.delete(f"{path}/support/triage").status == 403
    assert ada.post("suites/numbers/versions", CONTENT).status == 403
    assert Api(cast.grace).delete(f"{path}/support/triage").status == 204


@pytest.mark.parametrize("path", ["suites/numbers", "suites/numbers/versions", "suites/numbers/attachments"])
def test_suite__asked_from_elsewhere__is_not_there(cast: Cast, path: str) -> None:
    building.suite(cast.ada)

    assert Api(cast.linus).get(path).status == 404
    assert Api(cast.vera).get(path).status == 200
    assert Api(cast.key("service", environment="production")).get(path).status == 403
