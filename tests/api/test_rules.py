"""What holds for every route: who calls, what is refused in which order, repeats, and what a body may be."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from registry.core.actions.sessions import create_sign_in_link
from registry.core.models import IdempotencyRecord, Member, User
from tests.api.client import Api
from tests.builders import Cast, Key, prompt
from tests.scenes import let_pass


def test_caller__nobody_or_a_bad_key__is_401(cast: Cast):
    assert Api().get("prompts").code == "unauthenticated"
    good = cast.key()
    for token in ("gr_nonsense", good.token[:-1] + ("0" if good.token[-1] != "0" else "1"), ""):
        refused = Api(Key(token, 0)).get("prompts")
        assert refused.status == 401 and refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert Api(good).get("prompts").status == 200


def test_caller__a_key_in_its_basic_form__is_the_same_key(cast: Cast):
    import base64

    made = Api(cast.olga).post("keys", {"kind": "ci", "name": "ci"}).json["basic"]
    pair = base64.b64encode(f"{made['public_key']}:{made['secret_key']}".encode()).decode()
    assert Api().get("prompts", Authorization=f"Basic {pair}").status == 200


def test_caller__a_key_and_a_session__is_the_key(cast: Cast):
    api = Api(cast.olga)
    api.headers |= cast.key("service", environment="staging").headers
    assert api.get("members").code == "actor.key"
    api.headers["Authorization"] = "Bearer nonsense"
    assert api.get("members").status == 401


def test_session__by_token__signs_in_once_and_out_again(cast: Cast):
    token = create_sign_in_link(User.objects.get(email="ada@example.com"))
    api = Api(workspace="acme")
    api.http = Client(enforce_csrf_checks=True)
    signed_in = api.post("session", {"token": token})
    assert signed_in.status == 200 and signed_in.headers["Cache-Control"] == "no-store"
    body = {"name": "x", "kind": "text"}
    without = api.post("prompts", body)
    assert (without.status, without.code) == (403, "csrf.failed")
    api.headers["X-CSRFToken"] = signed_in.json["csrf_token"]
    assert api.post("prompts", body).status == 201
    assert api.get("prompts").status == 200
    assert Api().post("session", {"token": token}).code == "session.refused"
    assert api.delete("session").status == 204
    assert api.get("prompts").status == 401
    assert api.delete("session").status == 204


def test_session__by_password__and_nonsense(cast: Cast):
    user = User.objects.get(email="ada@example.com")
    user.set_password("correct horse battery")
    user.save()
    good = {"email": "ada@example.com", "password": "correct horse battery"}
    assert Api().post("session", good).status == 200
    for bad in ({**good, "password": "x"}, {**good, "email": "no@example.com"}, {"token": "x"}):
        assert Api().post("session", bad).code == "session.refused"
    for body in ({}, {"token": "x", "email": "y"}, {"user": "x"}):
        assert Api().post("session", body).status == 422


def test_session__signing_out_without_the_csrf_token__changes_nothing(cast: Cast):
    api = Api(cast.ada)
    api.http.handler.enforce_csrf_checks = True
    assert api.delete("session").code == "csrf.failed"
    assert api.get("prompts").status == 200


def test_workspace__of_a_person_in_two__is_named_by_the_header(cast: Cast):
    Api(cast.olga).post("members", {"email": "linus@example.com", "role": "viewer"})
    linus = Api(cast.linus)
    del linus.headers["X-Workspace"]
    assert linus.get("prompts").code == "workspace.not_found"
    assert linus.get("prompts", X_Workspace="acme").status == 200
    assert linus.get("prompts", X_Workspace="elsewhere").status == 404
    Member.objects.filter(pk=cast.ada.member_id).update(is_active=False)
    assert Api(cast.ada).get("prompts").status == 404


def test_refusals__come_in_their_order(cast: Cast):
    """401, 404, 403, 428, 412, 422, 409."""
    prompt(cast.ada)
    number = (
        Api(cast.ada)
        .post("promotions", {"prompt": "support/triage", "version": 1, "environment": "production"})
        .json["id"]
    )
    where, bad = f"promotions/{number}/override", {"reason": 5}
    assert Api().post("promotions/999999/override", bad).status == 401
    assert Api(cast.vera).post("promotions/999999/override", bad).status == 404
    assert Api(cast.linus).post(where, bad).status == 404
    assert Api(cast.vera).post(where, bad).status == 403
    assert Api(cast.rosa).post(where, bad).code == "actor.grant"
    Api(cast.olga).patch("members/rosa@example.com", {"grants": ["override"]})
    rosa = Api(cast.rosa)
    assert rosa.post(where, bad).status == 428
    assert rosa.post(where, bad, If_Match='"1-99"').status == 412
    tag = rosa.get(f"promotions/{number}").etag
    Api(cast.ada).act(number, "close")
    assert rosa.post(where, bad, If_Match=tag).status == 412
    tag = rosa.get(f"promotions/{number}").etag
    assert rosa.post(where, bad, If_Match=tag).status == 422
    assert rosa.post(where, {"reason": "x" * 30}, If_Match=f"W/{tag}").status == 409


def test_refusals__a_body_that_is_no_json__comes_after_who_may_not(cast: Cast):
    for api in (Api(cast.vera), Api(cast.key("service", environment="staging"))):
        assert api.call("POST", "prompts", raw=b"{").status == 403
    assert Api().call("POST", "prompts", raw=b"{").status == 401


def test_methods__unknown__are_405_with_allow(cast: Cast):
    api = Api(cast.olga)
    for method, path in [
        ("DELETE", "prompts"),
        ("PUT", "members"),
        ("OPTIONS", "prompts"),
        ("FOO", "prompts"),
        ("GET", "preview"),
    ]:
        refused = api.call(method, path)
        assert refused.status == 405 and refused.code == "method_not_allowed", method
    assert api.call("DELETE", "prompts").headers["Allow"] == "GET, HEAD, POST"
    head = api.call("HEAD", "prompts")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"[]", b'"x"', b"{", b'{"name": "a", "name": "b"}', b'{"a": NaN}', b'{"a": 1e999}', b'{"a": 123456789012345678901234}',
        b"\xff", b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b"[" * 100_000, b'{"a":' * 100 + b"1" + b"}" * 100,
    ],
)  # fmt: skip
def test_body__not_json_as_it_is_taken__is_422(cast: Cast, raw: bytes):
    refused = Api(cast.ada).call("POST", "prompts", raw=raw)
    assert refused.status == 422 and refused.json["errors"]


def test_body__nul_and_lone_surrogates__are_refused_with_their_position(cast: Cast):
    for character in ("\\u0000", "\\udc00"):
        refused = Api(cast.ada).call("POST", "prompts", raw=b'{"name": "ab%s"}' % character.encode())
        assert (refused.json["position"], refused.json["errors"][0]["field"]) == (2, "name")


def test_body__unknown_fields_and_other_types__are_named(cast: Cast):
    refused = Api(cast.ada).post("prompts", {"name": 5, "kind": "text", "id": 7})
    assert {(one["field"], one["code"]) for one in refused.json["errors"]} == {("id", "unknown")}
    refused = Api(cast.ada).post("prompts", {"name": 5, "kind": "poem"})
    assert {one["field"] for one in refused.json["errors"]} == {"name", "kind"}


def test_body__of_another_type_or_too_large__is_415_or_413(cast: Cast, settings):
    api = Api(cast.ada)
    response = api.http.post("/api/v1/prompts", {"name": "x"}, headers=api.headers)
    assert response.status_code == 415
    large = json.dumps({"name": "x", "kind": "text", "description": "x" * 2_100_000}).encode()
    assert api.call("POST", "prompts", raw=large).code == "body.too_large"


def test_plain_http__where_people_use_https__is_refused_and_not_redirected(cast: Cast, settings):
    api = Api(cast.key())
    settings.IS_HTTPS = True
    refused = api.http.get("/api/v1/prompts", headers=api.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "https.required")
    assert api.http.get("/api/v1/prompts", headers=api.headers, secure=True).status_code == 200


def test_path__with_characters_that_nothing_has__is_404(cast: Cast):
    api = Api(cast.olga)
    for path in ("prompts/a%00b", "members/a%00b", "prompts/a%0Ab/versions", "environments/a%00b", "keys/0x1"):
        assert api.get(path).status == 404, path


@pytest.mark.parametrize("address", ["/livez", "/readyz", "/api/schema", "/api/docs", "/api/public/health"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "FOO"])
def test_methods__of_what_everybody_reads__are_405_before_any_token_is_asked_for(db: None, address: str, method: str):
    answer = Client(enforce_csrf_checks=True).generic(method, address)
    allowed = "GET, HEAD, OPTIONS" if address in {"/livez", "/readyz"} else "GET, HEAD"
    assert (answer.status_code, answer["Allow"]) == (405, allowed)


@pytest.mark.parametrize("address", ["/livez", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_health__asked_in_any_way_that_balancers_do__is_told(db: None, address: str, method: str):
    assert Client().generic(method, address).status_code == 200


def test_rate__of_unusable_keys__is_429_by_address_and_good_keys_go_on(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("registry.core.api.authentication.UNUSABLE_KEYS_PER_MINUTE", 2)
    client, address = Client(REMOTE_ADDR="203.0.113.7"), "/api/v1/prompts"
    tried = [client.get(address, headers={"Authorization": "Bearer gr_nothing"}).status_code for _ in range(8)]
    assert set(tried) == {401, 429}
    assert client.get(address, headers=cast.key().headers).status_code == 200


def test_rate__past_the_budget__is_429_with_when(cast: Cast, settings):
    settings.API_REQUESTS_PER_MINUTE = 0
    refused = Api(cast.ada).get("prompts")
    assert (refused.status, refused.code) == (429, "rate.limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"minute";r=0;t=')


def test_idempotency__same_key_and_body__gives_the_same_answer(cast: Cast):
    prompt(cast.ada)
    ada = Api(cast.ada)
    body: dict[str, Any] = {"text": "B"}
    first = ada.post("prompts/support/triage/versions", body, Idempotency_Key="k")
    second = ada.post("prompts/support/triage/versions", body, Idempotency_Key="k")
    assert (second.status, second.body, second.etag) == (201, first.body, first.etag)
    assert second.headers["Idempotency-Replayed"] == "true"
    other = ada.post("prompts/support/triage/versions", {"text": "C"}, Idempotency_Key="k")
    assert (other.status, other.code) == (422, "idempotency.mismatch")
    assert Api(cast.grace).post("prompts/support/triage/versions", {"text": "C"}, Idempotency_Key="k").status == 201
    assert ada.post("prompts/support/triage/versions", body, Idempotency_Key="x" * 256).code == "idempotency.invalid"


def test_idempotency__a_key_of_yesterday__is_a_new_one(cast: Cast):
    prompt(cast.ada)
    ada, path = Api(cast.ada), "prompts/support/triage/versions"
    ada.post(path, {"text": "B"}, Idempotency_Key="k")
    let_pass(IdempotencyRecord.objects.get(), timedelta(hours=23), "created_at")
    assert ada.post(path, {"text": "B"}, Idempotency_Key="k").headers["Idempotency-Replayed"] == "true"
    let_pass(IdempotencyRecord.objects.get(), timedelta(hours=2), "created_at")
    again = ada.post(path, {"text": "C"}, Idempotency_Key="k")
    assert again.status == 201 and "Idempotency-Replayed" not in again.headers


def test_idempotency__a_refusal__is_not_kept(cast: Cast):
    ada = Api(cast.ada)
    path, body = "prompts/support/triage/versions", {"text": "B"}
    assert ada.post(path, body, Idempotency_Key="k").status == 404
    prompt(cast.ada)
    assert ada.post(path, body, Idempotency_Key="k").status == 201
    assert IdempotencyRecord.objects.count() == 1


def test_idempotency__a_promotion_applied__is_told_again_though_its_tag_has_moved(cast: Cast):
    prompt(cast.ada)
    Api(cast.olga).patch("environments/staging", {"policy": {"require_predecessor": False, "require_suites": False}})
    rosa = Api(cast.rosa)
    number = rosa.post("promotions", {"prompt": "support/triage", "version": 1, "environment": "staging"}).json["id"]
    tag = rosa.get(f"promotions/{number}").etag
    headers = {"If-Match": tag, "Idempotency-Key": "apply-it"}
    first = rosa.post(f"promotions/{number}/apply", {}, **headers)
    second = rosa.post(f"promotions/{number}/apply", {}, **headers)
    assert first.status == second.status == 200
    assert first.body == second.body
    assert rosa.post(f"promotions/{number}/apply", {}, **{"If-Match": tag}).status == 412


def test_body__with_more_mistakes_than_anybody_reads__is_told_a_hundred(cast: Cast) -> None:
    """Also to nobody: an answer six times as long as what was sent took seconds of a process."""
    strange = Api().post("session", {f"field{number}": 1 for number in range(20_000)})
    tags = Api(cast.ada).post("prompts", {"name": "a", "kind": "text", "tags": [1] * 20_000})

    assert (strange.status, len(strange.json["errors"])) == (422, 100)
    assert (tags.status, len(tags.json["errors"])) == (422, 1)
