"""`/scorers`: the kinds there are, and any of them tried on an output without keeping anything."""

from typing import Any

import pytest

from evals_app.scorers import SCORERS
from registry.core.models import AuditEvent
from tests.api.client import Answer, Api
from tests.builders import Cast


def tried(cast: Cast, scorer: object, output: str = "", **more: Any) -> Answer:
    return Api(cast.ada).post("scorers/try", {"scorer": scorer, "output": output, **more})


def test_scorers__listed__tell_all_that_a_suite_must_know(cast: Cast) -> None:
    found = Api(cast.vera).get("scorers").json
    assert found["next"] is None and [one["kind"] for one in found["results"]] == list(SCORERS)
    kinds = {one["kind"]: one for one in found["results"]}
    assert kinds["jsonpath"]["options"]["required"] == ["path"]
    assert kinds["rouge_n"]["options"]["properties"]["n"]["maximum"] == 9
    assert (kinds["cost"]["range"], kinds["cost"]["higher_is_better"]) == ([0.0, None], False)
    assert (kinds["bleu"]["range"], kinds["bleu"]["default_threshold"]) == ([0.0, 1.0], 0.5)


def test_try__each_example_that_is_listed__is_acceptable(cast: Cast) -> None:
    for one in Api(cast.vera).get("scorers").json["results"]:
        answer = tried(cast, one["example"], "x", variables={"name": "Ada"})
        is_answered = not one["is_graded"] and one["kind"] != "disabled"
        assert answer.status == (200 if is_answered else 422), answer.json


@pytest.mark.parametrize(
    ("scorer", "body", "passed"),
    [
        ({"kind": "equals"}, {"output": "card", "expected": "card"}, True),
        ({"kind": "contains", "value": "{{ city }}"}, {"output": "off to Rome", "variables": {"city": "Rome"}}, True),
        ({"kind": "regex", "value": "^a+$"}, {"output": "b"}, False),
        ({"kind": "cost", "most": 0.1}, {"output": "", "cost": 0.05}, True),
        ({"kind": "latency", "most": 100}, {"output": "", "latency_ms": 101}, False),
        (
            {"kind": "tool_call", "value": {"name": "time"}},
            {"output": "", "tool_calls": [{"function": {"name": "time", "arguments": "{}"}}]},
            True,
        ),
        (
            {"kind": "prompt_leak", "words": 2},
            {"output": "say nothing", "messages": [{"role": "system", "content": "say nothing"}]},
            False,
        ),
    ],
)
def test_try__one_output__says_what_the_scorer_says_and_keeps_nothing(
    cast: Cast, scorer: dict[str, Any], body: dict[str, Any], passed: bool
) -> None:
    before = AuditEvent.objects.count()
    answer = tried(cast, scorer, **body)
    assert (answer.status, answer.json["passed"]) == (200, passed)
    assert answer.json["detail"] and answer.json["name"] == scorer["kind"]
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("scorer", "body", "field"),
    [
        ({"kind": "vibes"}, {}, "scorer.kind"),
        ({"kind": "equals", "threshold": 0}, {}, "scorer.threshold"),
        ("equals", {}, "scorer"),
        ({"kind": "equals"}, {"mood": 1}, "mood"),
        ({"kind": "equals"}, {"tool_calls": ["x"]}, "tool_calls[0]"),
    ],
)
def test_try__mistakes__are_named_by_field(cast: Cast, scorer: object, body: dict[str, Any], field: str) -> None:
    answer = tried(cast, scorer, **body)
    assert answer.status == 422
    assert field in [error["field"] for error in answer.json["errors"]]


def test_try__template_that_cannot_be_rendered__is_refused(cast: Cast) -> None:
    assert tried(cast, {"kind": "contains", "value": "{{ city.__class__ }}"}, "x").status == 422


def test_try__amount_not_known__is_null_and_does_not_pass(cast: Cast) -> None:
    answer = tried(cast, {"kind": "cost", "most": 1}, "x")
    assert (answer.json["score"], answer.json["passed"]) == (None, False)
