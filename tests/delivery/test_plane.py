"""What services get from memory is what the API gives from the database, byte for byte, and never older than it may be."""

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from prompts_app.actions.rollback import withdraw
from prompts_app.delivery import store as store_module
from prompts_app.delivery.propagation import wait_until_seen
from prompts_app.models import DeliveryProcess, Deployment
from registry.core.actions.keys import find_key, revoke_key
from registry.core.errors import Unavailable
from registry.core.keys import KeyToken
from registry.core.models import ApiKey
from tests.api.client import Api
from tests.builders import Cast, Key, prompt, version
from tests.delivery.planes import Plane, running_plane, until

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = "environments/development/prompts/support/triage"


@pytest.fixture
def plane():
    with running_plane() as running:
        yield running


@pytest.fixture
def service(cast: Cast) -> Key:
    return cast.key("service", environment="development")


def test_fetch__held_or_not__is_what_the_api_answers_from_the_database(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada, text="Grüße {{ name }} 🎭\r\n ")
    told = Api(service).get(PLACE)
    for _ in range(2):
        fetched = plane.get(PLACE, service)
        assert (fetched.status, fetched.body) == (200, told.body)
        for name in ("etag", "cache-control", "vary", "x-registry-revision", "content-type"):
            assert fetched.headers[name] == told.headers[name.title().replace("Etag", "ETag")]
    assert (plane.store.shelf.counts.hits, plane.store.shelf.counts.misses) == (1, 1)
    assert plane.get(PLACE, cast.key()).body == told.body, "a CI key reads every environment"
    assert plane.get(PLACE, service, method="HEAD").body == b""
    assert plane.get(PLACE, service, X_Request_Id="caller-said-1").headers["x-request-id"] == "caller-said-1"


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*", "{gzip}"])
def test_fetch__known__is_304_with_its_headers(cast: Cast, service: Key, plane: Plane, form: str):
    prompt(cast.ada)
    etag = plane.get(PLACE, service).headers["etag"]
    tag = form.replace("{gzip}", f'{etag[:-1]}-gzip"').replace("{}", etag)
    for _ in range(2):
        known = plane.get(PLACE, service, If_None_Match=tag)
        assert (known.status, known.body, known.headers["etag"]) == (304, b"", etag)
        assert {"cache-control", "vary", "x-registry-revision"} <= set(known.headers)


def test_refusals__are_those_of_the_api(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    held_back = cast.key(scopes=["write"])
    cases = [
        (PLACE, "Bearer gr_nonsense"),
        (PLACE, "Basic nonsense"),
        (PLACE, "Basic \xe9\xff"),
        (PLACE, "Bearer \xe9"),
        (PLACE.replace("development", "staging"), service),
        (PLACE.replace("development", "nowhere"), cast.key()),
        (PLACE.replace("triage", "nothing"), service),
        (PLACE, held_back),
        ("environments/development/snapshot", None),
        ("environments/staging/snapshot", service),
    ]
    for path, key in cases:
        api = Api(key) if isinstance(key, Key) else Api()
        told = api.get(path, **({"Authorization": key} if isinstance(key, str) else {}))
        refused = plane.get(path, key)
        assert (refused.status, refused.code) == (told.status, told.code), path
        assert set(refused.json) == set(told.json)
        assert refused.headers["content-type"] == "application/problem+json"


def test_what_is_not_a_fetch_by_a_key__is_left_to_django(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    for path, key, method in [
        (PLACE, None, "GET"),
        (f"{PLACE}/render", service, "POST"),
        (f"{PLACE}/deployments", service, "GET"),
        ("environments/development", service, "GET"),
        ("environments", service, "GET"),
        ("prompts/support/triage/versions/1", service, "GET"),
        ("environments//prompts/support/triage", service, "GET"),
        ("environments/é/prompts/support/triage", service, "GET"),
        ("environments/é/snapshot", service, "GET"),
        ("environments/development/prompts/", service, "GET"),
        ("environments/development/prompts//", service, "GET"),
    ]:
        assert plane.get(path, key, method=method).passed_on, (path, method)


def test_change__of_what_is_live__is_seen_and_acknowledged(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    other = prompt(cast.ada, "other", text="x")
    first, untouched = plane.get(PLACE, service), plane.get(PLACE.replace("support/triage", other.name), service)
    version(cast.ada, made, "two")
    assert wait_until_seen(Deployment.objects.latest("pk"))
    second = plane.get(PLACE, service)
    assert (first.json["text"], second.json["text"], second.json["revision"]) == ("one", "two", 3)
    assert plane.get(PLACE.replace("support/triage", other.name), service).headers == untouched.headers
    withdraw(cast.rosa, made, cast.environment("development"), reason="too early")
    assert wait_until_seen(Deployment.objects.latest("pk"))
    assert plane.get(PLACE, service).code == "not_deployed"


def test_acknowledgement__by_a_process_that_hears_nothing__is_not_waited_for_long(cast: Cast):
    made = prompt(cast.ada, text="one")
    deaf = DeliveryProcess.objects.create(id="00000000-0000-4000-8000-000000000001", started_at=timezone.now())
    DeliveryProcess.objects.update(started_at=timezone.now() - timedelta(hours=1))
    version(cast.ada, made, "two")
    assert not wait_until_seen(Deployment.objects.latest("pk"), longest_s=0.05)
    DeliveryProcess.objects.filter(pk=deaf.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=6))
    assert wait_until_seen(Deployment.objects.latest("pk")), "a process without a heartbeat marks its own answers"


def test_apply__over_rest__says_whether_every_process_has_seen_it(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    plane.get(PLACE, service)
    Api(cast.olga).patch("environments/development", {"policy": {"auto_apply": False}})
    version(cast.ada, made, "two")
    rosa = Api(cast.rosa)
    opened = Api(cast.ada).post("promotions", {"prompt": made.name, "version": 2, "environment": "development"})
    applied = rosa.act(opened.json["id"], "apply")
    assert applied.json["propagated"] is True
    assert plane.get(PLACE, service).json["version"] == 2
    DeliveryProcess.objects.create(
        id="00000000-0000-4000-8000-000000000001", started_at=timezone.now() - timedelta(hours=1)
    )
    back = rosa.post(f"{PLACE}/rollback", {"reason": "worse"}, **{"Idempotency-Key": "once"})
    assert (back.status, back.json["propagated"]) == (200, False)
    DeliveryProcess.objects.filter(pk="00000000-0000-4000-8000-000000000001").delete()
    again = rosa.post(f"{PLACE}/rollback", {"reason": "worse"}, **{"Idempotency-Key": "once"})
    assert again.json == {**back.json, "propagated": True}, "the same change, which all have seen by now"


def test_key__revoked_or_made__is_so_at_once(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    assert plane.get(PLACE, service).status == 200
    revoke_key(cast.olga, find_key(cast.workspace.pk, service.actor.id))
    until(lambda: plane.get(PLACE, service).status == 401)
    assert plane.get(PLACE, service).code == "key.unknown"


def test_key__ended_while_nothing_is_heard__is_found_by_asking_and_without_a_database_what_was_known_holds(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    """Requirement 38: a process that has lost its listener asks every few seconds which keys have ended."""
    monkeypatch.setattr(store_module, "KEYS_READ_AGAIN_EVERY_S", 0.05)
    prompt(cast.ada)
    first, second = (cast.key("service", environment="development", name=name) for name in "ab")

    async def away(*_: Any) -> None:
        raise Unavailable("database.unavailable", "The database does not answer.")

    with running_plane() as plane:
        assert {plane.get(PLACE, key).status for key in (first, second)} == {200}

        def go_deaf() -> None:
            plane.store._tasks[0].cancel()
            plane.store.listener.fresh_until = 0.0

        plane.in_loop(go_deaf)
        revoke_key(cast.olga, find_key(cast.workspace.pk, first.pk))
        until(lambda: plane.get(PLACE, first).status == 401)
        assert int(plane.get(PLACE, second).headers["x-registry-stale"]) > 0
        plane.in_loop(lambda: setattr(plane.store.readers, "read", away))
        revoke_key(cast.olga, find_key(cast.workspace.pk, second.pk))
        assert [plane.get(PLACE, second).status for _ in range(5)] == [200] * 5


def test_key__past_its_time__opens_nothing_although_it_is_held(cast: Cast, plane: Plane):
    prompt(cast.ada)
    key = cast.key("service", environment="development")
    ApiKey.objects.filter(pk=key.actor.id).update(expires_at=timezone.now() + timedelta(seconds=2))
    assert plane.get(PLACE, key).status == 200
    until(lambda: plane.get(PLACE, key).status == 401)


def test_key__used_here__is_noted(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    ApiKey.objects.update(last_used_at=None)
    plane.get(PLACE, service), plane.get(PLACE, service)
    import asyncio

    asyncio.run_coroutine_threadsafe(plane.store._note_use(), plane.loop).result(10)
    assert ApiKey.objects.get(pk=service.actor.id).last_used_at is not None


def test_memory__past_its_bound__lets_the_least_recently_used_go(cast: Cast, service: Key):
    for name in "abcdef":
        prompt(cast.ada, name, text=name * 1000)
    with running_plane(most_bytes=6_000) as plane:
        for name in "abcdef":
            assert plane.get(f"environments/development/prompts/{name}", service).json["text"] == name * 1000
        shelf = plane.store.shelf
        assert shelf.bytes <= 6_000 and shelf.counts.evictions >= 2 and len(shelf) < 6
        assert plane.get("environments/development/prompts/a", service).json["text"] == "a" * 1000


def test_budget__of_a_key__is_counted_by_the_process(cast: Cast, service: Key):
    prompt(cast.ada)
    with running_plane(per_minute=2) as plane:
        statuses = {plane.get(PLACE, service).status for _ in range(8)}
        refused = plane.get(PLACE, service)
    assert statuses == {200, 429} and int(refused.headers["retry-after"]) >= 1 and "ratelimit" in refused.headers


def test_budget__of_a_key__is_one_however_its_header_is_spelt(
    cast: Cast, service: Key, monkeypatch: pytest.MonkeyPatch
):
    """Else whoever writes it in a thousand ways has a thousand budgets, and asks the database each time."""
    prompt(cast.ada)
    token = KeyToken.parse(service.token)
    assert token
    pair = base64.b64encode(":".join(token.basic).encode()).decode()
    asked: list[str] = []
    reads = store_module.read_grant
    monkeypatch.setattr(store_module, "read_grant", lambda token: (asked.append(token.public_id), reads(token))[1])
    spelt = [f"Basic {pair}", *(f"{word}{' ' * n}{service.token}" for word in ("bearer", "BEARER") for n in (1, 2))]
    with running_plane(per_minute=3) as plane:
        statuses = [plane.get(PLACE, one).status for one in [*spelt, *spelt]]
        assert len(plane.store.grants) == 1
    assert 429 in statuses and len(set(asked)) == len(asked) == 1


def test_keys__made_up_one_after_the_other__are_not_asked_about_any_more_and_real_ones_are(
    cast: Cast, service: Key, monkeypatch: pytest.MonkeyPatch
):
    """Each costs a question to the database; the same one again costs none, so whoever forgot to change a key is no burden."""
    monkeypatch.setattr("prompts_app.delivery.limits.MOST_UNKNOWN", 3)
    prompt(cast.ada)
    with running_plane() as plane:
        assert plane.get(PLACE, service).status == 200
        stale = f"Bearer {KeyToken.generate().token}"
        assert {plane.get(PLACE, stale).status for _ in range(8)} == {401}
        told = [plane.get(PLACE, f"Bearer {KeyToken.generate().token}") for _ in range(4)]
        assert [one.status for one in told[:2]] == [401, 401] and told[-1].status == 429
        assert int(told[-1].headers["retry-after"]) >= 1
        assert (plane.get(PLACE, service).status, plane.get(PLACE, stale).status) == (200, 401)


def test_request_id__of_the_caller__comes_back_where_it_is_one(cast: Cast, service: Key, plane: Plane):
    prompt(cast.ada)
    assert plane.get(PLACE, service, X_Request_Id="request-0001").headers["x-request-id"] == "request-0001"
    assert "x-request-id" not in plane.get(PLACE, service, X_Request_Id="<script>alert(1)</script>").headers


def test_snapshot__is_held_until_anything_moves(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    path = "environments/development/snapshot"
    assert plane.get(path, service).body == Api(service).get(path).body
    assert plane.get(path, service, If_None_Match=plane.get(path, service).headers["etag"]).status == 304
    version(cast.ada, made, "two")
    assert wait_until_seen(Deployment.objects.latest("pk"))
    assert plane.get(path, service).json["prompts"]["support/triage"]["text"] == "two"


def test_changes__since_a_revision__are_told_now_or_when_they_come(cast: Cast, service: Key, plane: Plane):
    made = prompt(cast.ada, text="one")
    path = "environments/development/changes"
    told = plane.get(f"{path}?since=0", service)
    assert told.json == {
        "revision": 1,
        "epoch": 1,
        "changes": [
            {"revision": 1, "name": made.name, "version": 1, "digest": made.versions.get().digest, "kind": "promotion"}
        ],
    }
    nothing = plane.get(f"{path}?since=1&wait=0", service)
    assert (nothing.status, nothing.body, nothing.headers["x-registry-revision"]) == (204, b"", "1")
    import threading

    later = threading.Timer(0.3, lambda: _save(cast, made.pk, "two"))
    later.start()
    waited = plane.get(f"{path}?since=1&wait=15", service)
    later.join()
    assert [one["version"] for one in waited.json["changes"]] == [2]
    gone = plane.get(f"{path}?since=99", service)
    assert (gone.status, gone.code, gone.json["revision"], gone.json["epoch"]) == (410, "changes.gone", 2, 1)
    assert plane.get(f"{path}?since=-1", service).status == plane.get(path, service).status == 422
    assert plane.get(f"{path}?since=0").code == "unauthenticated"


def _save(cast: Cast, pk: int, text: str) -> None:
    from django.db import connection

    from prompts_app.models import Prompt

    try:
        version(cast.ada, Prompt.objects.get(pk=pk), text)
    finally:
        connection.close()


def test_fill__overtaken_by_a_change__is_read_again(cast: Cast, service: Key, plane: Plane, monkeypatch):
    """The reading ends before the change, and its answer arrives after the change was heard."""
    made = prompt(cast.ada, text="one")
    real, readings = store_module.find_live, []

    def slow(*place):
        found = real(*place)
        readings.append(found.version)
        if len(readings) == 1:
            _save(cast, made.pk, "two")
            assert wait_until_seen(Deployment.objects.latest("pk"))
        return found

    monkeypatch.setattr(store_module, "find_live", slow)
    assert plane.get(PLACE, service).json["version"] == 2
    assert readings == [1, 2]
    assert json.loads(plane.get(PLACE, service).body)["text"] == "two"


def test_plain_http__where_people_use_https__opens_nothing_held_or_not(cast: Cast, service: Key):
    prompt(cast.ada)
    with running_plane(only_https=True) as plane:
        ways = [PLACE, "environments/development/snapshot", "environments/development/changes?since=0"]
        ways += ["environments/development/stream", "/api/public/v2/prompts/support%2Ftriage"]
        for is_held in (False, True):
            for path in ways:
                refused = plane.get(path, service)
                told = refused.json.get("detail") or refused.json["message"]
                assert (refused.status, "Use https" in told) == (403, True), (path, is_held)
            plane.scheme = "https"
            assert plane.get(PLACE, service).status == 200
            plane.scheme = "http"
