"""What services fetch: the very bytes, their tag, and what a key may not see."""

import hashlib
import json

import pytest

from tests.api.client import Api
from tests.builders import Cast, prompt, version

PLACE = "environments/development/prompts/support/triage"
KEYS = [
    "name", "environment", "version", "digest", "revision", "epoch", "kind", "template_format", "text", "variables",
    "config", "tools", "response_format", "includes", "deployed_at",
]  # fmt: skip
FRESH = "private, max-age=10, stale-while-revalidate=60, stale-if-error=86400"
SERVED = [
    "name", "version", "digest", "kind", "template_format", "text", "variables", "config", "tools", "response_format",
    "includes", "created_at",
]  # fmt: skip


@pytest.fixture
def service(cast: Cast) -> Api:
    return Api(cast.key("service", environment="development"))


def test_fetch__what_is_live__is_these_bytes_with_their_digest_as_tag(cast: Cast, service: Api):
    made = prompt(cast.ada, text="Grüße {{ name }} 🎭\r\n ")
    version(cast.ada, made, "Grüße, {{ name }} 🎭\r\n ", config={"z": 1, "a": [1.5]})
    fetched = service.get(PLACE)
    assert fetched.status == 200 and list(fetched.json) == KEYS
    assert fetched.json["text"] == "Grüße, {{ name }} 🎭\r\n "
    assert "Grüße".encode() in fetched.body and b'{"z":1,"a":[1.5]}' in fetched.body
    assert fetched.etag == f'"{hashlib.sha256(fetched.body).hexdigest()}"'
    assert (fetched.json["revision"], fetched.json["epoch"], fetched.json["version"]) == (2, 1, 2)
    assert fetched.headers["Content-Type"] == "application/json"
    assert fetched.headers["Cache-Control"] == FRESH
    assert "Authorization" in fetched.headers["Vary"]
    assert fetched.headers["X-Registry-Revision"] == "2"
    assert service.get("environments/development/prompts/support%2Ftriage").body == fetched.body
    assert Api(cast.vera).get(PLACE).body == fetched.body


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*", "{gzip}", "W/{gzip}"])
def test_fetch__unchanged__is_304_with_its_headers(cast: Cast, service: Api, form: str):
    prompt(cast.ada)
    fetched = service.get(PLACE)
    tag = form.replace("{gzip}", f'{fetched.etag[:-1]}-gzip"').replace("{}", fetched.etag)
    known = service.get(PLACE, If_None_Match=tag)
    assert (known.status, known.body) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary", "X-Registry-Revision"):
        assert known.headers[name] == fetched.headers[name]
    assert service.get(PLACE, If_None_Match='"other"').status == 200


def test_fetch__another_prompt_changes__leaves_the_tag_alone(cast: Cast, service: Api):
    prompt(cast.ada)
    before = service.get(PLACE)
    prompt(cast.ada, "other")
    assert service.get(PLACE).etag == before.etag
    assert service.get("environments/development/prompts/other").json["revision"] == 2


def test_fetch__nothing_live__is_not_deployed_whether_there_is_such_a_prompt_or_not(cast: Cast, service: Api):
    prompt(cast.ada, text=None)
    there, not_there = service.get(PLACE), service.get("environments/development/prompts/nothing")
    assert (there.status, there.code) == (not_there.status, not_there.code) == (404, "not_deployed")
    assert there.json["detail"] == not_there.json["detail"]


def test_service_key__another_environment_or_workspace__does_not_exist(cast: Cast, service: Api):
    prompt(cast.ada)
    for address in (
        "environments/staging/prompts/support/triage",
        "environments/production/snapshot",
        "environments/nowhere/snapshot",
    ):
        refused = service.get(address)
        said = "This key is for development: for it there is no other environment."
        assert (refused.code, refused.json["detail"]) == ("environment.not_found", said)
    assert service.post("environments/staging/prompts/support/triage/render").status == 404
    assert Api(cast.linus).get(PLACE).status == 404


def test_service_key__versions__only_what_is_or_was_live_there(cast: Cast):
    made = prompt(cast.ada)
    live = made.versions.get(number=1)
    Api(cast.olga).patch("environments/development", {"policy": {"auto_apply": False}})
    never = version(cast.ada, made, "never live")
    prompt(cast.ada, "secret")
    service, other = (Api(cast.key("service", environment=one)) for one in ("development", "production"))

    read = service.get("prompts/support/triage/versions/1")
    assert list(read.json) == SERVED
    assert read.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert service.get(f"prompts/support/triage/digests/{live.digest}").json == read.json
    assert service.get("prompts/support/triage/versions/1", If_None_Match=read.etag).status == 304
    for address in ("versions/2", f"digests/{never.digest}", "versions/3"):
        assert service.get(f"prompts/support/triage/{address}").status == 404
        assert other.get(f"prompts/support/triage/{address}").status == 404
    assert other.get("prompts/support/triage/versions/1").status == 404
    Api(cast.rosa).post(f"{PLACE}/withdraw", {"reason": "too early"})
    assert service.get("prompts/support/triage/versions/1").json == read.json, "it was live once"


def test_service_key__a_yanked_version__still_answers_its_pin_marked(cast: Cast, service: Api):
    made = prompt(cast.ada)
    version(cast.ada, made, "Hi {{ name }}")
    first = made.versions.get(number=1)
    Api(cast.ada).post("prompts/support/triage/versions/1/yank", {"reason": "leaks"})
    for address in ("versions/1", f"digests/{first.digest}"):
        pinned = service.get(f"prompts/support/triage/{address}")
        assert (pinned.status, pinned.headers["X-Registry-Yanked"]) == (200, "true")
    assert service.get(PLACE).json["version"] == 2
    assert Api(cast.rosa).post(f"{PLACE}/rollback", {"reason": "x"}).code == "rollback.no_target"


def test_service_key__everything_else__is_refused_and_names_of_others_stay_secret(cast: Cast, service: Api):
    prompt(cast.ada)
    prompt(cast.ada, "draft-only", text=None)
    for address in (
        "prompts",
        "prompts/support/triage",
        "prompts/support/triage/versions",
        "promotions",
        PLACE + "/deployments",
    ):
        assert service.get(address).status == 403, address
    for address in ("prompts/draft-only", "prompts/nothing", "prompts/draft-only/versions"):
        assert service.get(address).code == "prompt.not_found"
    assert service.post("prompts", {"name": "x", "kind": "text"}).code == "actor.scope"
    assert service.post("preview", {"kind": "text", "text": "x"}).status == 403


def test_snapshot__everything_live__holds_the_bodies_of_the_fetches(cast: Cast, service: Api):
    prompt(cast.ada)
    prompt(cast.ada, "b", text="B")
    found = service.get("environments/development/snapshot")
    assert list(found.json) == ["environment", "revision", "epoch", "prompts"]
    assert (found.json["environment"], found.json["revision"]) == ("development", 2)
    assert list(found.json["prompts"]) == ["b", "support/triage"]
    assert json.dumps(found.json["prompts"]["support/triage"]) == json.dumps(service.get(PLACE).json)
    assert found.etag == f'"{hashlib.sha256(found.body).hexdigest()}"'
    assert service.get("environments/development/snapshot", If_None_Match=found.etag).status == 304
    assert Api(cast.olga).get("environments/development/snapshot").status == 401
    assert Api(cast.key()).get("environments/staging/snapshot").json["prompts"] == {}


def test_render__the_live_version__with_values(cast: Cast, service: Api):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["name"],
    }
    made = prompt(cast.ada, text=None)
    version(cast.ada, made, "Hello {{ name }}", variables=schema)
    live = service.get(PLACE).json
    rendered = service.post(f"{PLACE}/render", {"variables": {"name": "Ada", "more": 1}})
    assert rendered.json == {
        "text": "Hello Ada", "version": 1, "digest": live["digest"], "revision": live["revision"],
    }  # fmt: skip
    for variables, field in [
        ({}, "variables.name"),
        ({"name": 5}, "variables.name"),
        ({"name": "x", "n": "y"}, "variables.n"),
    ]:
        refused = service.post(f"{PLACE}/render", {"variables": variables})
        assert (refused.status, refused.code, refused.json["errors"][0]["field"]) == (422, "variables.invalid", field)
    assert service.post(f"{PLACE}/render", {"variables": []}).status == 422
    assert service.post(f"{PLACE}/render").code == "variables.invalid"
    assert service.post("environments/development/prompts/nothing/render").code == "not_deployed"


def test_fetch__past_the_process_own_budget__is_429(cast: Cast, service: Api, monkeypatch):
    prompt(cast.ada)
    from prompts_app.api import delivery

    monkeypatch.setattr(delivery.BUDGET, "limit", 0)
    refused = service.get(PLACE)
    assert refused.status == 429 and int(refused.headers["Retry-After"]) >= 1 and "RateLimit" in refused.headers


def test_fetch__and_its_304__cost_few_queries(cast: Cast, service: Api, django_assert_max_num_queries):
    prompt(cast.ada)
    tag = service.get(PLACE).etag
    with django_assert_max_num_queries(3):
        service.get(PLACE)
    with django_assert_max_num_queries(3):
        service.get(PLACE, If_None_Match=tag)
    with django_assert_max_num_queries(3):
        service.get("prompts/support/triage/versions/1")
    with django_assert_max_num_queries(4):
        service.get("environments/development/snapshot")
