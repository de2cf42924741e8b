"""Prompts, versions, differences, drafts and previews over REST."""

import pytest

from tests.api.client import Api, name_in_path
from tests.builders import Cast, prompt, version

CHAT = {
    "messages": [
        {"role": "system", "content": "You answer {{ who }}.\r\n"},
        {"type": "placeholder", "name": "history"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "{{ question }}"}, {"type": "image_url", "z": 1, "a": 2}],
        },
    ],
    "config": {"model": "gpt", "temperature": 0},
    "message": "first",
}
KEYS = [
    "name", "version", "digest", "kind", "template_format", "messages", "variables", "config", "tools",
    "response_format", "includes", "message", "author", "based_on", "created_at", "yanked", "live_in",
]  # fmt: skip


@pytest.fixture
def ada(cast: Cast) -> Api:
    return Api(cast.ada)


def test_prompt__made_listed_changed_archived(cast: Cast, ada: Api):
    made = ada.post("prompts", {"name": "support/triage", "kind": "text", "tags": ["b", "a"]})
    assert made.status == 201
    assert made.json["newest_version"] is None and made.json["created_by"] == "ada@example.com"
    assert ada.post("prompts", {"name": "support/triage", "kind": "text"}).code == "prompt.exists"
    ada.post("prompts", {"name": "other", "kind": "chat", "description": "about zebras"})

    listed = ada.get("prompts")
    assert [one["name"] for one in listed.json["results"]] == ["other", "support/triage"]
    first = ada.get("prompts?limit=1").json
    assert first["next"].endswith("/api/v1/prompts?limit=1&after=other")
    assert ada.get(first["next"].partition("/api/v1/")[2]).json["next"] is None
    for query, found in [("q=zebras", "other"), ("tag=a", "support/triage"), ("folder=support", "support/triage")]:
        assert [one["name"] for one in ada.get(f"prompts?{query}").json["results"]] == [found]

    changed = ada.patch("prompts/other", {"archived": True})
    assert changed.json["archived"] and changed.json["description"] == "about zebras"
    assert [one["name"] for one in ada.get("prompts?archived=true").json["results"]] == ["other"]
    assert [one["name"] for one in ada.get("prompts").json["results"]] == ["support/triage"]
    assert ada.get("prompts?q=%00").status == 422
    assert ada.get("prompts?archived=perhaps").status == 422
    assert ada.get(f"prompts?q={'x' * 501}").status == 422


@pytest.mark.parametrize(
    "name", ["a/versions", "a/b/render/c", "", "a//b", "a/../b", " a", "a|b", "x" * 256, "a\u0000b"]
)
def test_prompt__name_that_cannot_be__is_refused(ada: Api, name: str):
    assert ada.post("prompts", {"name": name, "kind": "text"}).status == 422


@pytest.mark.parametrize("name", ["versions", "live/x", "a b/ü", "promotions/1", "render/a", "a/versionsx", "50%/?#"])
def test_prompt__name_with_slashes_and_words__is_found_plain_and_encoded(ada: Api, name: str):
    assert ada.post("prompts", {"name": name, "kind": "text"}).status == 201
    encoded = name_in_path(name)
    plain = encoded.replace("%2F", "/")
    for address in {encoded, plain}:
        assert ada.get(f"prompts/{address}").json["name"] == name
        assert ada.post(f"prompts/{address}/versions", {"text": name}).status in {200, 201}
        assert ada.get(f"prompts/{address}/versions/1").json["text"] == name


def test_version__saved__comes_back_byte_for_byte_in_the_authors_order(cast: Cast, ada: Api):
    ada.post("prompts", {"name": "chat", "kind": "chat"})
    saved = ada.post("prompts/chat/versions", CHAT)
    assert saved.status == 201
    assert list(saved.json) == KEYS
    assert saved.json["messages"] == CHAT["messages"]
    assert b'{"type":"image_url","z":1,"a":2}' in saved.body
    assert saved.json["author"] == "ada@example.com" and saved.json["based_on"] is None
    assert saved.json["live_in"] == ["development"] and saved.json["yanked"] is False
    assert saved.json["variables"]["required"] == ["who", "question"]
    again = ada.post("prompts/chat/versions", CHAT)
    assert (again.status, again.json["version"]) == (200, 1)

    read = ada.get("prompts/chat/versions/1")
    assert read.json == saved.json and read.headers["Cache-Control"] == "private, no-cache"
    assert ada.get("prompts/chat/versions/1", If_None_Match=f"W/{read.etag}").status == 304
    assert ada.get(f"prompts/chat/digests/{saved.json['digest']}").json == saved.json
    assert ada.get("prompts/chat/digests/0000").status == 404
    assert [one["version"] for one in ada.get("prompts/chat/versions").json["results"]] == [1]


def test_version__based_on_an_older_one__is_refused_naming_the_newest(cast: Cast, ada: Api):
    prompt(cast.ada)
    refused = ada.post("prompts/support/triage/versions", {"text": "B", "based_on": 9})
    assert (refused.status, refused.code, refused.json["newest"]) == (409, "version.conflict", 1)
    assert ada.post("prompts/support/triage/versions", {"text": "B", "based_on": 1}).json["based_on"] == 1
    assert ada.post("prompts/support/triage/versions", {"text": "C"}).json["based_on"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "content.invalid"),
        ({"text": 5}, "content.invalid"),
        ({"text": "a", "extra": 1}, "invalid"),
        ({"text": "a", "messages": []}, "content.invalid"),
        ({"text": "{{ 9 ** 9 }}"}, "template.refused"),
        ({"text": "{{ a }}", "variables": {"type": "object", "properties": {}}}, "variables.undeclared"),
        ({"text": "a", "based_on": "1"}, "invalid"),
        ({"text": "a", "message": 7}, "invalid"),
        ({"text": "a\u0000"}, "json.invalid"),
        ({"text": "a\ud800"}, "json.invalid"),
    ],
)
def test_version__not_acceptable__is_422_naming_it(cast: Cast, ada: Api, body: object, code: str):
    prompt(cast.ada)
    refused = ada.post("prompts/support/triage/versions", body)
    assert (refused.status, refused.code) == (422, code)
    assert refused.json["errors"] or refused.json["line"] == 1


def test_version__yanked__answers_pins_marked_and_never_twice(cast: Cast, ada: Api):
    made = prompt(cast.ada)
    version(cast.ada, made, "B")
    assert ada.post("prompts/support/triage/versions/2/yank", {"reason": "bad"}).code == "version.live"
    assert ada.post("prompts/support/triage/versions/1/yank", {}).status == 422
    yanked = ada.post("prompts/support/triage/versions/1/yank", {"reason": "bad"})
    assert (yanked.status, yanked.json["by"], yanked.json["reason"]) == (200, "ada@example.com", "bad")
    read = ada.get("prompts/support/triage/versions/1")
    assert read.json["yanked"] is True and read.headers["X-Registry-Yanked"] == "true"
    assert ada.post("prompts/support/triage/versions/1/yank", {"reason": "bad"}).code == "version.yanked"


def test_difference__two_versions__names_words_fields_and_contract(cast: Cast, ada: Api):
    made = prompt(cast.ada, text="Hello {{ name }}")
    version(cast.ada, made, "Hello {{ name }} of {{ city }}", config={"temperature": 0})
    found = ada.get("prompts/support/triage/diff?from=1&to=2")
    assert (found.json["from"], found.json["to"], found.json["breaking"]) == (1, 2, True)
    assert found.json["contract"] == [{"variable": "city", "change": "added_required", "level": "breaking"}]
    assert {field["path"] for field in found.json["fields"]} >= {"config.temperature"}
    assert ada.get("prompts/support/triage/diff?from=1").status == 422
    assert ada.get("prompts/support/triage/diff?from=1&to=7").status == 404


def test_draft__per_person__is_kept_and_forgotten(cast: Cast, ada: Api):
    prompt(cast.ada)
    mine = "prompts/support/triage/drafts/mine"
    assert ada.get(mine).status == 404
    kept = ada.put(mine, {"content": {"text": "half {{"}, "based_on": 1})
    assert kept.json["content"] == {"text": "half {{"}
    assert ada.get(mine).json == kept.json
    assert Api(cast.grace).get(mine).status == 404
    assert Api(cast.key()).get(mine).code == "actor.key"
    assert ada.put(mine, {"content": {"text": "more"}}).json["updated_at"] > kept.json["updated_at"]
    assert ada.delete(mine).status == 204
    assert ada.get(mine).status == 404


def test_preview__renders_without_keeping(cast: Cast, ada: Api):
    prompt(cast.ada, "tone", text="Be kind.")
    body = {"kind": "text", "text": "@@@langfusePrompt:name=tone|version=1@@@ {{ a }}", "variables": {"a": 1}}
    assert ada.post("preview", body).json == {"text": "Be kind. 1"}
    chat = {"kind": "chat", "messages": [{"role": "user", "content": "{{ a }}"}], "variables": {"a": "x"}}
    assert ada.post("preview", chat).json == {"messages": [{"role": "user", "content": "x"}]}
    for text, code in [("{{ b }}", "variables.invalid"), ("\n{% for %}", "template.refused")]:
        refused = ada.post("preview", {"kind": "text", "text": text, "variables": {"a": 1}})
        assert (refused.status, refused.code) == (422, code)
    assert refused.json["line"] == 2
    looping = "{% for a in range(999999) %}{% for b in range(999999) %}x{% endfor %}{% endfor %}"
    assert ada.post("preview", {"kind": "text", "text": looping}).code == "template.limit"
    assert Api(cast.vera).post("preview", body).status == 403


def test_checks__posted_by_ci__are_listed_and_counted_where_required(cast: Cast, ada: Api):
    prompt(cast.ada)
    where = "prompts/support/triage/versions/1/checks"
    ci = Api(cast.key())
    posted = ci.post(where, {"name": "external/lint", "state": "passed", "url": "https://ci.example/1"})
    assert posted.status == 201
    assert ada.get(where).json["results"] == [posted.json]
    assert ci.post(where, {"name": "suite/x", "state": "passed"}).status == 422
    assert ci.post(where, {"name": "external/lint", "state": "great"}).status == 422
    assert ada.post(where, {"name": "external/lint", "state": "passed"}).status == 403
    Api(cast.olga).patch("environments/staging", {"policy": {"external_checks": ["external/lint", "external/scan"]}})
    counted = ada.get(f"{where}?environment=staging").json["results"]
    assert [(one["name"], one["state"], one["required"]) for one in counted] == [
        ("external/lint", "passed", True),
        ("external/scan", "missing", True),
    ]
    assert ada.get(f"{where}?environment=nowhere").status == 404
