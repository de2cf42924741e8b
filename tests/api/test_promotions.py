"""Promotions over REST: shapes, votes, and every way to move one."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from prompts_app.models import PromptVersion
from registry.core.canonical import digest
from registry.core.models import AuditEvent
from tests.api.client import Api
from tests.builders import Cast, join, prompt, version

KEYS = [
    "id", "prompt", "version", "digest", "environment", "base", "state", "author", "subject_hash", "needed_approvals",
    "approvals", "checks", "blockers", "scheduled_for", "created_at", "allowed",
]  # fmt: skip
REASON = "The pager is ringing and the suite is down."


@pytest.fixture
def ada(cast: Cast) -> Api:
    prompt(cast.ada)
    return Api(cast.ada)


def ask(api: Api, environment: str = "production", **fields: Any) -> dict[str, Any]:
    body = {"prompt": "support/triage", "version": 1, "environment": environment, **fields}
    answer = api.post("promotions", body)
    assert answer.status == 201, answer.json
    return answer.json


def loosen(cast: Cast, environment: str = "production", **policy: Any) -> None:
    open_policy = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}
    answer = Api(cast.olga).patch(f"environments/{environment}", {"policy": {**open_policy, **policy}})
    assert answer.status == 200, answer.json


def test_promotion__opened__says_all_that_a_reviewer_needs(cast: Cast, ada: Api):
    opened = ask(ada)
    assert list(opened) == KEYS
    assert (opened["state"], opened["author"], opened["base"]) == ("open", "ada@example.com", None)
    assert {one["code"] for one in opened["blockers"]} == {
        "actor.forbidden", "predecessor.missing", "suites.missing", "approvals.insufficient",
    }  # fmt: skip
    missing = next(one for one in opened["blockers"] if one["code"] == "approvals.insufficient")
    assert (missing["needed"], missing["valid"], missing["eligible"]) == (1, 0, 3)
    assert opened["allowed"] == ["rebase", "reopen", "acknowledge-breaking", "close", "comments"]
    read = ada.get(f"promotions/{opened['id']}")
    assert read.json == opened
    assert ada.get(f"promotions/{opened['id']}", If_None_Match=read.etag).status == 200
    again = ada.post("promotions", {"prompt": "support/triage", "version": 1, "environment": "production"})
    assert (again.status, again.code, again.json["promotion"]) == (409, "promotion.exists", opened["id"])


def test_promotion__what_it_names_is_not_there__is_404(cast: Cast, ada: Api):
    body = {"prompt": "support/triage", "version": 1, "environment": "production"}
    for change in ({"prompt": "nothing"}, {"version": 2}, {"environment": "nowhere"}):
        assert ada.post("promotions", {**body, **change}).status == 404
    assert ada.post("promotions", {**body, "version": 0}).status == 422
    assert ada.post("promotions", {**body, "version": True}).status == 422
    assert ada.get("promotions/999999").status == 404
    assert ada.get(f"promotions/{'9' * 30}").status == 404


def test_votes__approve_ask_withdraw__count_as_they_stand(cast: Cast, ada: Api):
    opened = ask(ada)
    grace, number = Api(cast.grace), opened["id"]
    approve = {"subject_hash": opened["subject_hash"], "comment": "Good."}
    assert grace.post(f"promotions/{number}/approve", approve).code == "precondition.required"
    assert grace.post(f"promotions/{number}/approve", approve, If_Match='"0-0"').code == "precondition.failed"
    changed = grace.act(number, "approve", {"subject_hash": "0" * 64})
    assert (changed.status, changed.code, changed.json["subject_hash"]) == (
        409,
        "approval.changed",
        approve["subject_hash"],
    )
    approved = grace.act(number, "approve", approve)
    assert approved.status == 200
    assert approved.json["approvals"] == [{"by": "grace@example.com", "vote": "approve", "state": "valid", "why": ""}]
    assert "withdraw-vote" in approved.json["allowed"]
    assert grace.post(f"promotions/{number}/approve", approve, If_Match=approved.etag).status == 200
    asked = grace.act(number, "request-changes", {"subject_hash": opened["subject_hash"]})
    assert "approvals.changes_requested" in {one["code"] for one in asked.json["blockers"]}
    dismissed = Api(cast.olga).act(number, "dismiss", {"member": "grace@example.com", "reason": "Settled by mail."})
    assert dismissed.json["approvals"] == []
    assert grace.act(number, "withdraw-vote").code == "approval.none"
    grace.act(number, "approve", approve)
    assert grace.act(number, "withdraw-vote").json["approvals"] == []


def test_votes__whoever_may_not__are_refused_before_anything_else(cast: Cast, ada: Api):
    rosa = Api(cast.rosa)
    opened = ask(rosa)
    body = {"subject_hash": opened["subject_hash"]}
    own = rosa.post(f"promotions/{opened['id']}/approve", body)
    assert (own.status, own.code) == (403, "approval.ineligible")
    assert ada.post(f"promotions/{opened['id']}/approve", body).code == "actor.role"
    assert Api(cast.key()).post(f"promotions/{opened['id']}/approve", body).code == "actor.key"


def test_approval__schedule_set_and_cleared__goes_stale_saying_why_and_comes_back(cast: Cast, ada: Api):
    loosen(cast, approvals=1)
    opened = ask(ada)
    number = opened["id"]
    Api(cast.grace).act(number, "approve", {"subject_hash": opened["subject_hash"]})
    rosa = Api(cast.rosa)
    at = timezone.now() + timedelta(hours=1)
    scheduled = rosa.act(number, "schedule", {"at": at.isoformat()})
    assert scheduled.json["state"] == "scheduled" and scheduled.json["scheduled_for"].endswith("Z")
    [vote] = scheduled.json["approvals"]
    assert vote["state"] == "stale" and "time" in vote["why"]
    assert rosa.act(number, "schedule", {"at": at.isoformat()}).code == "promotion.state"
    back = rosa.act(number, "unschedule")
    assert back.json["approvals"][0]["state"] == "valid" and back.json["scheduled_for"] is None
    assert rosa.act(number, "schedule", {"at": "2001-01-01T00:00:00Z"}).status == 422
    assert rosa.act(number, "schedule", {"at": "soon"}).status == 422


def test_approval__its_author_on_the_chain__is_ineligible_saying_why(cast: Cast, ada: Api):
    grace = Api(cast.grace)
    grace.post("prompts/support/triage/versions", {"text": "Hi {{ name }}"})
    opened = ask(ada, version=2)
    refused = grace.act(opened["id"], "approve", {"subject_hash": opened["subject_hash"]})
    assert refused.code == "approval.ineligible"


def test_apply__blocked_then_free__says_what_is_in_the_way_then_moves(cast: Cast, ada: Api):
    opened = ask(ada)
    rosa, number = Api(cast.rosa), opened["id"]
    blocked = rosa.act(number, "apply")
    assert (blocked.status, blocked.code) == (409, "promotion.blocked")
    assert {"code", "level", "message", "who_can_clear"} <= blocked.json["blockers"][0].keys()
    loosen(cast)
    stale = rosa.get(f"promotions/{number}").etag
    loosen(cast, soak_minutes=0, max_age_days=7)
    assert rosa.post(f"promotions/{number}/apply", {}, If_Match=stale).status == 412
    assert rosa.act(number, "apply").code == "promotion.blocked", "loosening never makes an open promotion ready"
    reopened = rosa.act(number, "reopen")
    assert "apply" in reopened.json["allowed"]
    applied = rosa.act(number, "apply")
    assert (applied.json["state"], applied.json["revision"], applied.json["propagated"]) == ("applied", 1, True)
    assert list(applied.json) == [*KEYS, "deployment", "revision", "propagated"]
    assert applied.json["allowed"] == ["comments"] and applied.json["blockers"] == []
    over = rosa.act(number, "apply")
    assert (over.status, over.code, over.json["state"]) == (409, "promotion.state", "applied")


def test_override__with_the_grant__is_reviewed_by_somebody_else(cast: Cast, ada: Api):
    opened = ask(ada)
    number = opened["id"]
    assert Api(cast.rosa).act(number, "override", {"reason": REASON}).code == "actor.grant"
    otto = Api(join(cast.olga, "Otto", cast.rosa.role, grants=("override",)))
    assert "override" in otto.get(f"promotions/{number}").json["allowed"]
    assert otto.act(number, "override", {"reason": "short"}).status == 422
    applied = otto.act(number, "override", {"reason": REASON})
    assert applied.json["state"] == "applied"
    [row] = otto.get("environments/production/deployments").json["results"]
    assert row["override"]["by"] == "otto@example.com" and row["override"]["reviewed_by"] is None
    assert len(row["override"]["blockers"]) == 3
    assert otto.act(number, "review-override").status == 403
    assert Api(cast.grace).get(f"promotions/{number}").json["allowed"] == ["comments", "review-override"]
    assert Api(cast.grace).act(number, "review-override").status == 200
    [row] = otto.get("environments/production/deployments").json["results"]
    assert row["override"]["reviewed_by"] == "grace@example.com"
    other = ask(ada, "staging")
    assert Api(cast.grace).act(other["id"], "review-override").code == "override.none"


def test_promotion__base_moved__is_rebased(cast: Cast, ada: Api):
    loosen(cast)
    version(cast.ada, cast_prompt(cast), "B")
    first, second = ask(ada), ask(ada, version=2, acknowledge_breaking=True)
    rosa = Api(cast.rosa)
    applied = rosa.act(first["id"], "apply").json
    moved = rosa.get(f"promotions/{second['id']}").json
    assert "base.moved" in {one["code"] for one in moved["blockers"]}
    rebased = ada.act(second["id"], "rebase").json
    assert rebased["base"] == {"deployment": applied["deployment"], "version": 1, "digest": first["digest"]}
    assert rosa.act(second["id"], "apply").json["revision"] == 2


def test_promotion__ready_acknowledged_closed__change_its_tag(cast: Cast, ada: Api):
    opened = ask(ada)
    rosa, number = Api(cast.rosa), opened["id"]
    before = rosa.get(f"promotions/{number}").etag
    assert rosa.act(number, "ready").etag != before
    assert rosa.act(number, "ready", {"ready": False}).status == 200
    assert Api(cast.key(scopes=["promote", "read", "write"])).post(f"promotions/{number}/ready").code == "actor.key"
    assert rosa.post(f"promotions/{number}/acknowledge-breaking").code == "promotion.not_author"
    known = ada.act(number, "acknowledge-breaking")
    assert known.json["subject_hash"] != opened["subject_hash"]
    closed = ada.act(number, "close", {"reason": "not now"})
    assert (closed.json["state"], closed.json["allowed"]) == ("closed", ["comments"])
    for action in ("apply", "rebase", "ready", "unschedule", "resume"):
        refused = rosa.act(number, action)
        assert (refused.status, refused.code, refused.json["allowed"]) == (409, "promotion.state", [])


def test_comments__said_and_resolved__are_listed(cast: Cast, ada: Api):
    number = ask(ada)["id"]
    grace = Api(cast.grace)
    said = grace.act(number, "comments", {"comment": "Why?\r\n", "path": "messages[0]", "line": 3})
    assert said.status == 201
    assert (said.json["by"], said.json["comment"], said.json["line"]) == ("grace@example.com", "Why?\r\n", 3)
    assert grace.act(number, "comments", {"comment": "x", "subject_hash": "0" * 64}).code == "approval.changed"
    assert grace.act(number, "comments", {"comment": " "}).status == 422
    assert ada.get(f"promotions/{number}/comments").json["results"] == [said.json]
    resolved = ada.act(number, f"comments/{said.json['id']}/resolve")
    assert resolved.json["resolved_by"] == "Ada"
    assert ada.act(number, f"comments/{said.json['id']}/resolve", {"resolved": False}).json["resolved_at"] is None
    assert ada.act(number, "comments/999999/resolve").status == 404


def test_comments__on_a_line_and_in_answer__keep_the_line_and_go_to_the_first_of_their_thread(cast: Cast, ada: Api):
    number = ask(ada)["id"]
    grace = Api(cast.grace)
    said = grace.act(number, "comments", {"comment": "Why?", "path": "text", "line": 1, "side": "new"}).json
    answer = ada.act(number, "comments", {"comment": "Because.", "reply_to": said["id"]}).json
    again = grace.act(number, "comments", {"comment": "I see.", "reply_to": answer["id"]}).json

    assert (said["side"], said["reply_to"]) == ("new", None) and said["quote"]
    assert (answer["reply_to"], again["reply_to"], answer["line"]) == (said["id"], said["id"], None)
    assert grace.act(number, "comments", {"comment": "x", "side": "left"}).status == 422
    assert grace.act(number, "comments", {"comment": "x", "reply_to": 999_999}).status == 404
    blockers = [one["message"] for one in ada.get(f"promotions/{number}").json["blockers"]]
    assert "1 unresolved comment." in blockers
    assert ada.act(number, f"comments/{answer['id']}/resolve").json["id"] == answer["id"]
    assert "comments.unresolved" not in {one["code"] for one in ada.get(f"promotions/{number}").json["blockers"]}


def test_record__of_a_promotion__has_what_it_rested_on_and_is_tied_to_the_audit_chain(cast: Cast, ada: Api):
    number = ask(ada)["id"]
    grace = Api(cast.grace)
    grace.act(number, "comments", {"comment": "Why?", "path": "text", "line": 1})

    record = grace.get(f"promotions/{number}/record").json

    without = {name: value for name, value in record.items() if name != "record_digest"}
    assert record["record_digest"] == digest(without)
    assert record["candidate"]["digest"] == PromptVersion.objects.get(prompt__name="support/triage", number=1).digest
    assert record["conversation"][0]["said"][0] == {
        **record["conversation"][0]["said"][0],
        "by": "Grace",
        "comment": "Why?",
    }
    assert record["policy"]["when_opened"]["rules"]["protected"] is True
    events = [event["event"] for event in record["audit"]]
    assert events == ["promotion.opened", "promotion.commented"]
    assert {event["hash"] for event in record["audit"]} <= set(AuditEvent.objects.values_list("hash", flat=True))


def test_promotions__listed__by_state_place_and_whom_they_wait_for(cast: Cast, ada: Api):
    production, staging = ask(ada), ask(ada, "staging")
    ada.act(staging["id"], "close")
    grace = Api(cast.grace)

    def listed(query: str, api: Api = grace) -> list[int]:
        return [one["id"] for one in api.get(f"promotions?{query}").json["results"]]

    automatic = listed("environment=development")
    assert listed("") == [staging["id"], production["id"], *automatic]
    assert listed("state=open") == listed("state=pending") == [production["id"]]
    assert listed("environment=staging") == listed("state=closed") == [staging["id"]]
    assert listed("prompt=support/triage&limit=1") == [staging["id"]]
    assert listed("waiting_for_me=true") == [production["id"]]
    assert listed("waiting_for_me=true", ada) == []
    assert grace.get("promotions?state=great").status == 422
    [row] = grace.get("promotions?waiting_for_me=true").json["results"]
    assert row["subject_hash"] == production["subject_hash"] and row["title"] == "Version 1 to Production"


def test_key__with_promote__applies_where_nothing_is_protected_only(cast: Cast, ada: Api):
    loosen(cast, "staging")
    ci = Api(cast.key(scopes=["read", "write", "promote"]))
    opened = ask(ci, "staging")
    assert opened["author"] == "olga@example.com"
    assert ci.act(opened["id"], "apply").json["state"] == "applied"
    assert ci.post("environments/staging/prompts/support/triage/rollback", {"reason": "x"}).code == "actor.key"
    assert ci.post("environments/staging/prompts/support/triage/withdraw", {"reason": "x"}).json["revision"] == 2
    protected = ask(ci)
    assert ci.act(protected["id"], "apply").code == "actor.key"
    assert Api(cast.key()).act(protected["id"], "apply").status == 403


def cast_prompt(cast: Cast) -> Any:
    from prompts_app.actions.prompts import find_prompt

    return find_prompt(cast.workspace.pk, "support/triage")
