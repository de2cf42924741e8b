"""The Langfuse-compatible prompts API: what is stored comes back, labels point where they should, refusals are theirs."""

from typing import Any

import pytest

from prompts_app.models import Prompt, PromptVersion
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.builders import Cast
from tests.compat.client import Langfuse
from tests.scenes import go_live, policy


@pytest.fixture
def ci(cast: Cast) -> Langfuse:
    """A CI key that may promote."""
    return Langfuse(cast.key(scopes=CI_SCOPES))


def test_create__a_text__comes_back_as_it_was_given(ci: Langfuse, cast: Cast):
    text = "Grüße {{name}}, {% raw %} {# 漢字 #} \r\n {{{x}}} 🦊"
    made = ci.create(prompt=text, config={"model": "m", "b": 1, "a": [1]}, tags=["t", "s"], commitMessage="first")
    assert made.status == 201
    assert made.json | {"createdAt": "", "updatedAt": "", "id": ""} == {
        "id": "", "createdAt": "", "updatedAt": "", "projectId": "acme", "createdBy": "ci",
        "name": "support/triage", "version": 1, "type": "text", "prompt": text,
        "config": {"model": "m", "b": 1, "a": [1]}, "labels": ["development", "latest"], "tags": ["t", "s"],
        "commitMessage": "first", "resolutionGraph": None,
    }  # fmt: skip
    assert made.json["createdAt"].endswith("Z")
    assert ci.get("support%2Ftriage", version=1).json == made.json
    assert ci.get("support/triage", label="latest").json == made.json
    assert PromptVersion.objects.get().load().source.template_format == "plain"


def test_create__a_chat_with_placeholders__comes_back_as_it_was_given(ci: Langfuse):
    turns = [
        {"role": "system", "content": "You are {{role}}"},
        {"type": "placeholder", "name": "history"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "{{q}}"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
    ]
    marked = [turns[0] | {"type": "chatmessage"}, *turns[1:]]
    made = ci.create("chat", marked, type="chat")
    assert made.status == 201
    assert made.json["prompt"] == turns
    assert (made.json["type"], ci.get("chat", version=1).json["prompt"]) == ("chat", turns)


def test_create__fields_nobody_knows__are_ignored(ci: Langfuse):
    assert ci.create("x", isActive=True, somethingNew={"a": 1}, tags=None, config=None).status == 201


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"prompt": 3}, "prompt"),
        ({"prompt": "x", "type": "chat"}, "prompt"),
        ({"prompt": [], "type": "chat"}, "messages"),
        ({"prompt": [{"role": "user", "content": "x", "tool_calls": []}], "type": "chat"}, "tool_calls"),
        ({"prompt": "x", "type": "other"}, "type"),
        ({"prompt": "x", "config": []}, "config"),
        ({"prompt": "x", "labels": ["Über"]}, "labels"),
        ({"prompt": "x", "tags": "t"}, "tags"),
        ({"prompt": "x", "name": "a//b"}, "name"),
        ({"prompt": "x", "name": "a/versions"}, "name"),
        ({}, "prompt"),
    ],
)
def test_create__what_is_wrong__is_400_and_named(ci: Langfuse, body: dict[str, Any], named: str):
    refused = ci.call("POST", "v2/prompts", {"name": "x", **body})
    assert (refused.status, refused.json["error"]) == (400, "InvalidRequestError")
    assert named in refused.message
    assert not Prompt.objects.exists()


def test_create__no_json__is_400(ci: Langfuse):
    for raw in (b"{", b"[]", b'{"a": NaN}', b'{"name": "x", "prompt": "\\ud800"}'):
        assert ci.call("POST", "v2/prompts", raw=raw).status == 400


def test_create__content_as_before__is_201_with_the_version_there_is(ci: Langfuse):
    first = ci.create(config={"a": 1})
    again = ci.create(config={"a": 1}, labels=["kept"])
    assert (again.status, again.json["version"], again.json["id"]) == (201, 1, first.json["id"])
    assert "kept" in again.json["labels"]


def test_create__another_type__is_400(ci: Langfuse):
    ci.create("x")
    refused = ci.create("x", [{"role": "user", "content": "hi"}], type="chat")
    assert refused.status == 400 and "text prompt" in refused.message


def test_create__tags_left_out__are_inherited_and_given_ones_are_the_whole_prompts(ci: Langfuse):
    ci.create("x", tags=["a", "b"])
    assert ci.create("x", "two").json["tags"] == ["a", "b"]
    assert ci.create("x", "three", tags=["c"]).json["tags"] == ["c"]
    assert ci.get("x", version=1).json["tags"] == ["c"]
    assert ci.create("x", "four", tags=[]).json["tags"] == []


def test_labels__latest__always_exists_and_moves(ci: Langfuse):
    assert "latest" in ci.create("x", "one").json["labels"]
    assert "latest" in ci.create("x", "two", labels=["latest"]).json["labels"]
    assert ci.get("x", label="latest").json["version"] == 2
    assert "latest" not in ci.get("x", version=1).json["labels"]
    assert ci.label("x", 1, "latest").status == 400
    assert ci.label("x", 2, "latest").status == 200


def test_labels__free_ones__are_merged_and_move(ci: Langfuse):
    ci.create("x", "one", labels=["candidate", "v1.0"])
    ci.create("x", "two")
    moved = ci.label("x", 2, "candidate")
    assert moved.status == 200
    assert set(moved.json["labels"]) == {"development", "candidate", "latest"}
    assert ci.get("x", version=1).json["labels"] == ["v1.0"]
    assert ci.get("x", label="candidate").json["version"] == 2
    assert ci.label("x", 2, "another").json["labels"] == ["development", "another", "candidate", "latest"]


def test_labels__of_what_is_not_there__are_404(ci: Langfuse):
    ci.create("x")
    assert ci.label("x", 2, "a").status == 404
    assert ci.label("y", 1, "a").status == 404
    assert ci.call("PATCH", "v2/prompts/x/versions/1", {}).status == 400


def test_get__by_what_is_not_there__is_404(ci: Langfuse):
    ci.create("x")
    for query in ({}, {"label": "production"}, {"label": "none"}, {"version": 2}):
        refused = ci.get("x", **query)
        assert (refused.status, refused.json["error"]) == (404, "LangfuseNotFoundError")
        assert "x" in refused.message
    assert ci.get("y").status == 404
    assert ci.get("x", version="one").status == 400
    assert ci.get("x", version=1, label="latest").status == 400


def test_get__no_label__is_what_is_live_in_production(free: Cast):
    key = Langfuse(free.key())
    first = builders.prompt(free.ada, "x", text="{{ name }}").versions.get()
    builders.version(free.ada, first.prompt, "newer")
    go_live(free, first, "production")
    assert key.get("x").json["version"] == 1
    assert "production" in key.get("x").json["labels"]


def test_get__a_jinja_template__is_served_where_it_means_the_same(cast: Cast, ci: Langfuse):
    made = builders.prompt(cast.ada, "x", text="Hello {{ name }}")
    builders.version(cast.ada, made, "{% if a %}{{ name | upper }}{% endif %}")
    assert ci.get("x", version=1).json["prompt"] == "Hello {{ name }}"
    refused = ci.get("x", version=2)
    assert refused.status == 422
    assert "SDK" in refused.message and "render endpoint" in refused.message
    assert ci.label("x", 2, "kept").status == 200


def test_get__with_includes__is_expanded_unless_asked_otherwise(ci: Langfuse):
    tag = "@@@langfusePrompt:name=part|label=kept@@@"
    ci.create("part", "Be brief.", labels=["kept"])
    ci.create("whole", f"{tag} {{{{x}}}}")
    got = ci.get("whole", version=1).json
    assert got["prompt"] == "Be brief. {{x}}"
    assert got["resolutionGraph"]["root"]["name"] == "whole"
    assert got["resolutionGraph"]["dependencies"][got["id"]][0]["name"] == "part"
    assert ci.get("whole", version=1, resolve="false").json["prompt"] == f"{tag} {{{{x}}}}"


def test_list__pages_and_filters(ci: Langfuse):
    ci.create("a/one", "1", tags=["t"], labels=["kept"], config={"n": 1})
    ci.create("a/one", "2", config={"n": 2})
    ci.create("b", [{"role": "user", "content": "x"}], type="chat")
    listed = ci.list(limit=1)
    assert listed.json["meta"] == {"page": 1, "limit": 1, "totalItems": 2, "totalPages": 2}
    [row] = listed.json["data"]
    assert row | {"lastUpdatedAt": ""} == {
        "name": "a/one", "type": "text", "versions": [1, 2], "labels": ["kept", "development", "latest"],
        "tags": ["t"], "lastUpdatedAt": "", "lastConfig": {"n": 2},
    }  # fmt: skip
    assert [row["name"] for row in ci.list(limit=1, page=2).json["data"]] == ["b"]
    assert ci.list(page=9).json["data"] == []
    for query, names in (
        ({"name": "b"}, ["b"]),
        ({"tag": "t"}, ["a/one"]),
        ({"label": "kept"}, ["a/one"]),
        ({"label": "latest"}, ["a/one", "b"]),
        ({"label": "production"}, []),
        ({"fromUpdatedAt": "2020-01-01T00:00:00Z"}, ["a/one", "b"]),
        ({"toUpdatedAt": "2020-01-01T00:00:00Z"}, []),
    ):
        assert [row["name"] for row in ci.list(**query).json["data"]] == names, query
    assert ci.list(label="kept").json["data"][0]["versions"] == [1]
    assert ci.list(limit="many").status == 400
    assert ci.list(fromUpdatedAt="soon").status == 400


def test_delete__a_prompt_live_where_keys_may__withdraws_and_archives(ci: Langfuse, cast: Cast):
    ci.create("x")
    assert ci.delete("x").status == 204
    assert (ci.get("x", label="latest").status, ci.get("x", version=1).status) == (404, 404)
    assert ci.list().json["data"] == []
    assert ci.delete("x").status == 404
    assert Prompt.objects.get().is_archived
    assert PromptVersion.objects.count() == 1


def test_create__under_an_archived_name__unarchives_and_goes_on_counting(ci: Langfuse):
    ci.create("x", "one")
    ci.delete("x")
    assert ci.create("x", "two").json["version"] == 2
    assert ci.get("x", label="latest").json["version"] == 2


def test_delete__one_version__withdraws_and_yanks_it(ci: Langfuse, cast: Cast):
    ci.create("x", "one")
    ci.create("x", "two", labels=["kept"])
    assert ci.delete("x", label="kept").status == 204
    assert ci.get("x", label="kept").status == 404
    assert ci.get("x", label="latest").json["version"] == 1
    assert ci.get("x", label="development").status == 404
    pinned = ci.get("x", version=2)
    assert (pinned.status, pinned.headers["X-Registry-Yanked"]) == (200, "true")
    assert ci.delete("x", version=2).status == 204
    assert ci.delete("x", version=3).status == 404
    assert ci.list().json["data"][0]["versions"] == [1]


def test_delete__live_in_a_protected_environment__is_403_with_the_page(free: Cast):
    policy(free, "production", protected=True)
    first = builders.prompt(free.ada, "x").versions.get()
    go_live(free, first, "staging")
    go_live(free, first, "production")
    key = Langfuse(free.key(scopes=CI_SCOPES))
    for query in ({}, {"version": 1}, {"label": "production"}):
        refused = key.delete("x", **query)
        assert refused.status == 403 and "/environments/production/withdraw/x" in refused.message
    assert key.get("x", label="staging").status == 200
