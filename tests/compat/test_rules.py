"""Our rules hold through the Langfuse-compatible API: what the promotion rules forbid cannot be done with any key here."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from prompts_app.actions.environments import archive_environment
from prompts_app.actions.keys import issue_key
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.rollback import roll_back
from prompts_app.models import Deployment, Promotion, PromotionState, Prompt, PromptVersion, VersionLabel
from registry.core.actor import KeyKind
from registry.core.audit import verify_chain
from registry.core.models import AuditEvent, Member
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.builders import Cast, make_cast
from tests.compat.client import Langfuse
from tests.scenes import go_live, policy


@pytest.fixture
def key(free: Cast) -> Langfuse:
    """A CI key that may promote, in a workspace that asks nothing."""
    return Langfuse(free.key(scopes=CI_SCOPES))


def test_caller__nobody_a_bad_pair_or_a_person__is_401(cast: Cast):
    nobody, wrong = Langfuse(), Langfuse()
    wrong.headers["Authorization"] = f"Basic {base64.b64encode(b'pk-lf-1:sk-lf-2').decode()}"
    person = Langfuse()
    person.http.force_login(Member.objects.get(pk=cast.ada.member_id).user)
    for caller in (nobody, wrong, person):
        for answer in (caller.list(), caller.create(), caller.get("x"), caller.call("GET", "projects")):
            assert (answer.status, answer.json["error"]) == (401, "UnauthorizedError")
            assert answer.headers["WWW-Authenticate"]


def test_projects__with_a_key__is_its_workspace_and_health_is_open(cast: Cast):
    assert Langfuse(cast.key()).call("GET", "projects").json == {
        "data": [
            {
                "id": "acme", "name": "Acme", "organization": {"id": "acme", "name": "Acme"},
                "metadata": {}, "retentionDays": None,
            }
        ]
    }  # fmt: skip
    assert Langfuse().call("GET", "health").json["status"] == "OK"


def test_label__a_protected_environment__is_403_with_the_page_and_changes_nothing(free: Cast, key: Langfuse):
    policy(free, "production", protected=True)
    key.create("a/x", "one", labels=["kept"])
    moved = key.label("a/x", 1, "production", "other")
    address = "/w/acme/prompts/a/x/promotions?environment=production"
    assert (moved.status, moved.json["error"]) == (403, "ForbiddenError")
    assert moved.message.startswith("Label 'production' is protected: open a promotion at http")
    assert moved.message.endswith(address)
    made = key.create("a/x", "two", labels=["kept", "staging", "production"])
    assert made.status == 403 and address in made.message
    assert key.create("new", "one", labels=["production"]).status == 403
    assert PromptVersion.objects.count() == Prompt.objects.count() == VersionLabel.objects.count() == 1
    assert not Deployment.objects.exclude(environment__name="development").exists()
    assert not Promotion.objects.filter(state=PromotionState.OPEN).exists()


def test_label__a_protected_environment_where_it_is_live__is_403_too(free: Cast, key: Langfuse):
    policy(free, "production", protected=True)
    go_live(free, builders.prompt(free.ada, "x").versions.get())
    assert key.label("x", 1, "production").status == 403


def test_label__an_unprotected_environment__opens_and_applies_a_promotion(free: Cast, key: Langfuse):
    key.create("x", "one")
    assert "staging" in key.label("x", 1, "staging").json["labels"]
    assert "staging" in key.create("x", "two {{new}}", labels=["staging"]).json["labels"]
    last = Deployment.objects.filter(environment__name="staging").first()
    assert last is not None and last.promotion is not None and last.promotion.acknowledges_breaking
    assert (last.promotion.state, last.actor_kind, last.version.number) == ("applied", "key", 2)
    assert last.promotion.base == last.previous
    assert key.get("x", label="staging").json["version"] == 2
    before = AuditEvent.objects.count()
    assert key.label("x", 2, "staging").status == 200
    assert AuditEvent.objects.count() == before
    assert verify_chain(free.workspace.pk).ok


def test_label__an_environment_without_the_scope__is_403_and_creates_nothing(free: Cast):
    policy(free, "development", auto_apply=False)
    without = Langfuse(free.key())
    refused = without.create("x", "one", labels=["staging"])
    assert refused.status == 403 and "promote" in refused.message
    assert not Prompt.objects.exists()
    assert without.create("x", "one", labels=["kept"]).status == 201


def test_label__an_environment_with_blockers__is_403_with_their_list(cast: Cast):
    ci = Langfuse(cast.key(scopes=CI_SCOPES))
    ci.create("x", "one")
    policy(cast, "staging", approvals=1, require_predecessor=False)
    refused = ci.label("x", 1, "staging", "kept")
    assert refused.status == 403
    assert "approvals.insufficient" in refused.message
    assert "approvals.insufficient" in [one["code"] for one in refused.json["blockers"]]
    assert not Promotion.objects.filter(state=PromotionState.OPEN).exists()
    assert not VersionLabel.objects.exists()


def test_label__a_digest_that_was_rolled_back__is_403(free: Cast, key: Langfuse):
    key.create("x", "one", labels=["staging"])
    key.create("x", "two", labels=["staging"])
    roll_back(free.rosa, Prompt.objects.get(), free.environment("staging"), reason="worse")
    assert "digest.quarantined" in key.label("x", 2, "staging").message


def test_label__that_somebody_asked_for_already__is_taken_to_the_same_point(free: Cast, key: Langfuse):
    first = builders.prompt(free.ada, "x").versions.get()
    asked = open_promotion(free.ada, first, free.environment("staging"))
    assert key.label("x", 1, "staging").status == 200
    asked.refresh_from_db()
    assert asked.state == PromotionState.APPLIED


def test_label__named_like_an_environment_no_longer_used__is_400(free: Cast, key: Langfuse):
    key.create("x", "one")
    archive_environment(free.olga, free.environment("staging"))
    assert key.label("x", 1, "staging").status == 400
    assert key.get("x", label="staging").status == 404


def test_labels__set_and_moved__are_audited(cast: Cast):
    ci = Langfuse(cast.key())
    ci.create("x", "one", labels=["kept"])
    ci.create("x", "two", labels=["kept"])
    rows = AuditEvent.objects.filter(event="label.set").order_by("pk")
    assert [row.actor_kind for row in rows] == ["key", "key"]
    assert '"previous_version":1' in rows[1].detail and '"version":2' in rows[1].detail


def test_service_key__only_reads_what_is_live_in_its_environment(free: Cast, key: Langfuse):
    service = Langfuse(free.key("service", environment="staging"))
    key.create("x", "one", labels=["staging", "kept"], commitMessage="secret plans")
    key.create("x", "two", labels=["kept"])
    key.create("y", "one")
    got = service.get("x").json
    assert (got["version"], got["labels"], got["commitMessage"], got["createdBy"]) == (1, ["staging"], None, None)
    assert service.get("x", label="staging").json == got == service.get("x", version=1).json
    for query in (
        {"label": "development"},
        {"label": "production"},
        {"label": "kept"},
        {"label": "latest"},
        {"version": 2},
    ):
        assert service.get("x", **query).status == 404, query
    assert service.get("y").status == service.get("nothing").status == 404
    [row] = service.list().json["data"]
    assert (row["name"], row["versions"], row["labels"]) == ("x", [1], ["staging"])
    assert service.list(label="kept").json["data"] == service.list(label="latest").json["data"] == []
    key.create("x", "three", labels=["staging"])
    assert service.get("x", version=1).status == 200
    for answer in (
        service.create("x", "four"),
        service.label("x", 1, "kept"),
        service.label("x", 1, "staging"),
        service.delete("x"),
        service.delete("x", version=1),
    ):
        assert (answer.status, answer.json["error"]) == (403, "ForbiddenError")
    assert PromptVersion.objects.filter(prompt__name="x").count() == 3


def test_ci_key__without_a_scope__may_not(free: Cast):
    Langfuse(free.key()).create("x", "one")
    writes = Langfuse(free.key(scopes=["write"]))
    reads = Langfuse(free.key(scopes=["read"]))
    assert writes.get("x", label="latest").status == writes.list().status == 403
    assert reads.get("x", label="latest").status == 200
    for answer in (reads.create("x", "two"), reads.label("x", 1, "a"), reads.delete("x")):
        assert answer.status == 403


def test_another_workspace__sees_nothing(free: Cast, key: Langfuse):
    key.create("x", "one", labels=["kept"])
    issued = issue_key(free.linus, kind=KeyKind.CI, name="ci", scopes=CI_SCOPES)
    other = Langfuse(builders.Key(issued.token.token, issued.row.pk))
    assert other.get("x", label="kept").status == other.label("x", 1, "kept").status == other.delete("x").status == 404
    assert other.list().json["data"] == []
    assert other.create("x", "mine").json["version"] == 1


def test_delete__without_the_right_to_withdraw__is_403_and_changes_nothing(free: Cast, key: Langfuse):
    key.create("x", "one", labels=["staging"])
    without = Langfuse(free.key())
    assert without.delete("x").status == without.delete("x", version=1).status == 403
    assert key.get("x", label="staging").status == 200


@pytest.mark.django_db(transaction=True)
def test_create__eight_at_once_of_a_new_prompt__all_succeed_with_1_to_8():
    cast = make_cast(is_open=True)
    token = cast.key(scopes=CI_SCOPES)

    def create(number: int) -> int:
        try:
            answer = Langfuse(token).create("many", f"text {number}", labels=["staging", "last"])
            assert answer.status == 201, answer.json
            return int(answer.json["version"])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(create, range(8))) == list(range(1, 9))
    key = Langfuse(token)
    assert key.get("many", label="staging").json["version"] == 8
    assert key.get("many", label="last").json["version"] == 8
    assert verify_chain(cast.workspace.pk).ok
