"""A person's draft of a suite over the API: the editor's own, replaced whole on the state that was seen, saved, dropped."""

from typing import Any

import pytest

from evals_app.actions.suite_drafts import add_cases
from evals_app.actions.suites import save_suite_version
from evals_app.models import Suite, SuiteDraft, SuiteVersion
from tests.api.client import Answer, Api
from tests.builders import Cast
from tests.evals import building

DRAFT = "suites/numbers/draft"


@pytest.fixture
def saved(cast: Cast) -> Suite:
    return building.suite(cast.ada, of=building.cases(3))


def put(api: Api, content: Any, etag: str, **more: Any) -> Answer:
    return api.put(DRAFT, {"content": content, **more}, **{"If-Match": etag})


def test_draft__not_begun__is_what_one_would_begin_from(cast: Cast, saved: Suite) -> None:
    answer = Api(cast.ada).get(DRAFT)

    assert (answer.json["is_kept"], answer.json["based_on"], answer.json["newest"]) == (False, 1, 1)
    assert [case["key"] for case in answer.json["content"]["cases"]] == ["case-0", "case-1", "case-2"]
    assert answer.json["content"]["margin"] == 0.1 and answer.json["problems"] == []
    assert answer.headers["ETag"] and not SuiteDraft.objects.exists()


def test_draft__replaced_and_saved__is_the_next_version_and_gone(cast: Cast, saved: Suite) -> None:
    api = Api(cast.ada)
    seen = api.get(DRAFT)
    content = {**seen.json["content"], "cases": building.cases(5), "metrics": [{"name": "cost", "first_floor": 0.1}]}
    kept = put(api, content, seen.headers["ETag"])

    assert (kept.status, kept.json["is_kept"], len(kept.json["content"]["cases"])) == (200, True, 5)
    assert kept.json["content"]["metrics"] == [{"name": "cost", "first_floor": 0.1}]
    assert api.get(DRAFT).headers["ETag"] == kept.headers["ETag"] != seen.headers["ETag"]
    made = api.post(f"{DRAFT}/save", {})
    assert (made.status, made.json["version"], len(made.json["cases"])) == (201, 2, 5)
    assert not SuiteDraft.objects.exists()
    assert api.post(f"{DRAFT}/save", {}).status == 404


def test_draft__replaced_without_having_seen_it__is_refused(cast: Cast, saved: Suite) -> None:
    api = Api(cast.ada)
    seen = api.get(DRAFT)
    content = seen.json["content"]
    assert api.put(DRAFT, {"content": content}).status == 428
    assert put(api, content, seen.headers["ETag"]).status == 200
    late = put(api, {**content, "margin": 0.3}, seen.headers["ETag"])
    assert late.status == 412
    saved.refresh_from_db()
    add_cases(cast.ada, saved, building.cases(1, tags=["typed"]))
    assert put(api, content, api.get(DRAFT).headers["ETag"]).status == 200
    assert put(Api(cast.grace), content, seen.headers["ETag"]).status == 200  # her own, which she had not begun
    assert SuiteDraft.objects.count() == 2


def test_draft__that_is_not_acceptable__is_kept_with_what_is_wrong(cast: Cast, saved: Suite) -> None:
    api = Api(cast.ada)
    etag = api.get(DRAFT).headers["ETag"]
    content = {
        "cases": [{"key": "a"}, {"key": "a", "expected": "1"}],
        "margin": "a lot",
        "scorers": [{"kind": "equal"}],
    }
    kept = put(api, content, etag)

    assert kept.status == 200 and kept.json["content"]["margin"] == "a lot"
    assert {problem["field"] for problem in kept.json["problems"]} == {"margin"}
    again = put(api, {**content, "margin": 0.1}, kept.headers["ETag"])
    fields = {problem["field"] for problem in again.json["problems"]}
    assert {"cases[1].key", "scorers[0].kind"} <= fields
    refused = api.post(f"{DRAFT}/save", {})
    assert refused.status == 422 and {error["field"] for error in refused.json["errors"]} == fields
    assert SuiteDraft.objects.count() == 1


@pytest.mark.parametrize("content", [{"cases": {}}, {"cases": ["a"]}, [], "x"])
def test_draft__whose_cases_are_no_list_of_objects__is_refused(cast: Cast, saved: Suite, content: Any) -> None:
    api = Api(cast.ada)
    assert put(api, content, api.get(DRAFT).headers["ETag"]).status == 422
    assert not SuiteDraft.objects.exists()


def test_draft__somebody_saved_meanwhile__is_saved_only_over_what_was_seen(cast: Cast, saved: Suite) -> None:
    api = Api(cast.ada)
    seen = api.get(DRAFT)
    put(api, {**seen.json["content"], "cases": building.cases(5)}, seen.headers["ETag"])
    content = {"cases": building.cases(4), "scorers": [{"kind": "equals"}], "margin": 0.1, "repeats": 1}
    save_suite_version(cast.grace, saved, content)

    moved = api.post(f"{DRAFT}/save", {})
    assert (moved.status, moved.json["code"]) == (409, "suite.moved")
    draft = api.get(DRAFT)
    assert (draft.json["based_on"], draft.json["newest"]) == (1, 2)
    assert api.post(f"{DRAFT}/save", {"over": 2}).status == 201
    assert SuiteVersion.objects.get(suite=saved, number=3).case_count == 5


def test_draft__based_on_another_version__says_so_and_on_none_that_there_is_is_refused(
    cast: Cast, saved: Suite
) -> None:
    api = Api(cast.ada)
    etag = api.get(DRAFT).headers["ETag"]
    assert put(api, {"cases": []}, etag, based_on=7).status == 422
    assert put(api, {"cases": []}, etag, based_on=0).json["based_on"] == 0


def test_draft__discarded__is_gone_and_no_keys_have_one(cast: Cast, saved: Suite) -> None:
    api = Api(cast.ada)
    seen = api.get(DRAFT)
    put(api, seen.json["content"], seen.headers["ETag"])
    assert api.delete(DRAFT).status == 204
    assert api.get(DRAFT).json["is_kept"] is False
    refused = Api(cast.key()).get(DRAFT)
    assert (refused.status, refused.json["code"]) == (403, "actor.key")
    assert Api(cast.vera).get(DRAFT).status == 200 and put(Api(cast.vera), {}, "x").status == 403
