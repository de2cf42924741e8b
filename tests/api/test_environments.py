"""Environments over REST: policies, freezes, deployments, going back and taking out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.api.client import Api
from tests.builders import Cast, prompt, version

PLACE = "environments/development/prompts/support/triage"


@pytest.fixture
def olga(cast: Cast) -> Api:
    return Api(cast.olga)


def test_environments__of_a_new_workspace__are_three_by_rank(cast: Cast, olga: Api):
    listed = olga.get("environments").json["results"]
    assert [(one["name"], one["rank"], one["policy"]["protected"]) for one in listed] == [
        ("development", 0, False),
        ("staging", 1, False),
        ("production", 2, True),
    ]
    assert olga.get("environments/production").json == listed[2]


def test_environment__made_and_changed__keeps_what_is_left_out(cast: Cast, olga: Api):
    made = olga.post("environments", {"name": "canary", "policy": {"approvals": 2}})
    assert (made.status, made.json["rank"], made.json["label"]) == (201, 3, "Canary")
    assert olga.post("environments", {"name": "canary"}).code == "environment.exists"
    assert olga.post("environments", {"name": "No Way"}).status == 422
    assert olga.post("environments", {"name": "x", "policy": {"unknown": 1}}).status == 422
    changed = olga.patch(
        "environments/canary", {"colour": "red", "policy": {"soak_minutes": 5, "require_predecessor": True}}
    )
    assert changed.json["policy"]["approvals"] == 2 and changed.json["policy"]["soak_minutes"] == 5
    assert (changed.json["policy_number"], changed.json["colour"]) == (2, "red")
    assert olga.patch("environments/canary", {"policy": {"auto_apply": True, "protected": True}}).status == 422
    assert olga.patch("environments/canary", {"name": "other"}).status == 422
    assert Api(cast.rosa).patch("environments/canary", {"label": "x"}).status == 403
    assert olga.patch("environments/nowhere", {}).status == 404


def test_freeze__made_listed_lifted(cast: Cast, olga: Api):
    ends = (timezone.now() + timedelta(hours=1)).isoformat()
    made = olga.post("environments/staging/freezes", {"ends_at": ends, "reason": "Sale"})
    assert (made.status, made.json["by"], made.json["cancelled_at"]) == (201, "Olga", None)
    assert olga.post("environments/staging/freezes", {"ends_at": "2001-01-01T00:00:00Z", "reason": "x"}).status == 422
    assert olga.post("environments/staging/freezes", {"ends_at": ends, "reason": " "}).status == 422
    prompt(cast.ada)
    opened = Api(cast.ada).post("promotions", {"prompt": "support/triage", "version": 1, "environment": "staging"})
    assert "freeze.active" in {one["code"] for one in opened.json["blockers"]}
    where = f"environments/staging/freezes/{made.json['id']}"
    assert olga.delete(where.replace("staging", "production")).status == 404
    assert olga.delete(where).status == 204
    assert olga.get("environments/staging/freezes").json["results"][0]["cancelled_at"]


def test_rollback__to_the_one_before__quarantines_what_was_live(cast: Cast, olga: Api):
    made = prompt(cast.ada)
    version(cast.ada, made, "Hi {{ name }}")
    assert olga.post(f"{PLACE}/rollback", {}).status == 422
    assert olga.post(f"{PLACE}/rollback", {"reason": " "}).status == 422
    back = olga.post(f"{PLACE}/rollback", {"reason": "worse"})
    assert (back.status, back.json["revision"], back.json["propagated"]) == (200, 3, True)
    newest, *_, oldest = olga.get(f"{PLACE}/deployments").json["results"]
    assert (newest["id"], newest["kind"], newest["version"]) == (back.json["deployment"], "rollback", 1)
    assert newest["actor"] == {"kind": "member", "id": cast.olga.id, "name": "Olga"}
    assert olga.post(f"{PLACE}/rollback", {"reason": "again", "to_deployment": oldest["id"]}).json == back.json
    blocked = olga.post(f"{PLACE}/rollback", {"reason": "forth", "to_deployment": newest["previous"]})
    assert (blocked.status, blocked.code) == (409, "rollback.blocked")
    assert blocked.json["blockers"][0]["code"] == "digest.quarantined"
    assert olga.post(f"{PLACE}/rollback", {"reason": "x", "to_deployment": 999_999}).status == 404

    [row] = olga.get("environments/development/quarantines?cleared=false&prompt=support/triage").json["results"]
    assert row["reason"] == "worse"
    clear = f"environments/development/quarantines/{row['id']}/clear"
    assert Api(cast.grace).post(clear, {"reason": "x"}).status == 403
    assert olga.post(clear, {}).status == 422
    assert olga.post(clear, {"reason": "It was the model."}).json["cleared_by"] == "Olga"
    assert olga.post(clear, {"reason": "again"}).status == 404
    assert olga.get("environments/development/quarantines?cleared=false").json["results"] == []
    forth = olga.post(f"{PLACE}/rollback", {"reason": "forth", "to_deployment": newest["previous"]})
    assert forth.json["revision"] == 4


def test_withdraw__what_is_live__is_the_way_back_from_a_first_deployment(cast: Cast, olga: Api):
    prompt(cast.ada)
    assert olga.post(f"{PLACE}/withdraw", {"reason": "too early", "to_deployment": 1}).status == 422
    gone = olga.post(f"{PLACE}/withdraw", {"reason": "too early"})
    assert gone.json["revision"] == 2
    assert olga.get(PLACE).code == "not_deployed"
    assert olga.post(f"{PLACE}/withdraw", {"reason": "again"}).json == gone.json
    never = olga.post("environments/production/prompts/support/triage/withdraw", {"reason": "x"})
    assert (never.status, never.code) == (409, "withdraw.nothing_live")
    assert olga.post("environments/production/prompts/nothing/withdraw", {"reason": "x"}).status == 404
