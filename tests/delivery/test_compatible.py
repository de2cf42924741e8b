"""Gets of the Langfuse-compatible API from the read plane's memory: the same answers as Django's, dropped the moment they change."""

import json
from collections.abc import Iterator

import pytest

from prompts_app.actions.environments import archive_environment
from prompts_app.actions.labels import set_label
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.delivery.propagation import wait_until_heard
from prompts_app.models import Prompt
from registry.core.actions.keys import revoke_key
from registry.core.models import ApiKey
from tests.builders import Cast, Key, make_cast, prompt, version
from tests.compat.client import Langfuse
from tests.delivery.planes import Answer, Plane, running_plane, until
from tests.scenes import as_superuser, go_live

pytestmark = pytest.mark.django_db(transaction=True)

AT = "/api/public/v2/prompts/"


@pytest.fixture
def plane() -> Iterator[Plane]:
    with running_plane() as one:
        yield one


@pytest.fixture
def cast() -> Cast:
    return make_cast(is_open=True)


def number(answer: Answer) -> int | None:
    """The version answered with; None where Django is asked."""
    return None if answer.passed_on else int(answer.json["version"])


def test_get__from_memory__is_what_django_says(cast: Cast, plane: Plane):
    made = prompt(cast.ada, "a/x")
    set_label(cast.ada, made.versions.get(), "kept")
    go_live(cast, made.versions.get(), "staging")
    ci, service = cast.key(), cast.key("service", environment="staging")
    for key, query in (
        (ci, "label=kept"),
        (ci, "version=1"),
        (ci, "label=latest"),
        (service, ""),
        (service, "version=1"),
    ):
        first = plane.get(f"{AT}a/x?{query}", key)
        assert first.status == 200 and first.headers["cache-control"] == "private, no-cache"
        again = plane.get(f"{AT}a/x?{query}", key)
        said = Langfuse(key).get("a/x", **dict([query.split("=")] if query else []))
        assert first.json == again.json == said.json
        assert plane.get(f"{AT}a/x?{query}", key, If_None_Match=first.headers["etag"]).status == 304
    assert plane.store.shelf.counts.misses == 5
    assert plane.store.shelf.counts.hits == 10


def test_get__of_anything_but_a_plain_good_answer__is_for_django(cast: Cast, plane: Plane):
    made = prompt(cast.ada, "x", text="{% if a %}b{% endif %}")
    yank_version(cast.ada, version(cast.ada, made, "two"), reason="wrong")
    ci, service = cast.key(), cast.key("service", environment="staging")
    for key, path in (
        (ci, "x?version=1"), (ci, "x?version=2"), (ci, "x?version=3"), (ci, "y"), (ci, "x?version=0"), (ci, "x?version=a"),
        (ci, "x?version=1&label=latest"), (ci, "x?resolve=false"), (ci, "x/versions/1"), (service, "x?version=1"),
        (service, "x?label=latest"), (cast.key(scopes=["write"]), "x?version=1"),
    ):  # fmt: skip
        assert plane.get(f"{AT}{path}", key).passed_on, path
    assert plane.get(f"{AT}x", ci, method="DELETE").passed_on
    assert plane.get(f"{AT}x").passed_on
    assert plane.get("/api/public/v2/prompts", ci).passed_on
    for name in ("a\0b", "a\ud800b", "x" * 300, "", "a//b"):
        assert plane.get(f"{AT}{name}", ci).passed_on, repr(name)


def test_get__with_a_key_that_opens_nothing__is_401_in_their_words(cast: Cast, plane: Plane):
    refused = plane.get(f"{AT}x", "Bearer nonsense")
    assert refused.status == 401
    assert json.loads(refused.body)["error"] == "UnauthorizedError"
    assert refused.headers["www-authenticate"].startswith("Basic")


def test_get__past_the_keys_budget__says_when_to_come_back(cast: Cast):
    prompt(cast.ada, "x")
    key = cast.key()
    with running_plane(per_minute=1) as plane:
        refused = next(one for one in (plane.get(f"{AT}x", key) for _ in range(4)) if one.status == 429)
    assert refused.headers["ratelimit"] == f'"minute";r=0;t={refused.headers["retry-after"]}'


def test_answers__that_anything_changes__are_dropped(cast: Cast, plane: Plane):
    made = prompt(cast.ada, "x", text="one")
    first = made.versions.get()
    key = cast.key()

    def seen(query: str) -> Answer:
        assert wait_until_heard()
        return plane.get(f"{AT}x?{query}", key)

    assert number(seen("label=latest")) == 1
    assert seen("label=kept").passed_on
    set_label(cast.ada, first, "kept")
    assert number(seen("label=kept")) == 1
    second = version(cast.ada, made, "two")
    assert number(seen("label=latest")) == 2
    assert seen("version=1").json["labels"] == ["kept"]
    set_label(cast.ada, second, "kept")
    assert (number(seen("label=kept")), seen("version=1").json["labels"]) == (2, [])
    go_live(cast, first, "staging")
    assert seen("version=1").json["labels"] == ["staging"]
    withdraw(cast.rosa, made, cast.environment("staging"), reason="x")
    assert seen("version=1").json["labels"] == []
    change_prompt(cast.ada, made, tags=["t"])
    assert seen("version=1").json["tags"] == ["t"]
    go_live(cast, first, "production")
    assert number(seen("")) == 1
    archive_environment_of(cast, "production", made)
    assert seen("").passed_on
    yank_version(cast.ada, second, reason="x")
    assert seen("version=2").passed_on
    change_prompt(cast.ada, made, archived=True)
    assert seen("version=1").passed_on


def archive_environment_of(cast: Cast, name: str, made: Prompt) -> None:
    withdraw(cast.rosa, made, cast.environment(name), reason="x")
    archive_environment(cast.olga, cast.environment(name))


def test_key__revoked__opens_nothing_more(cast: Cast, plane: Plane):
    prompt(cast.ada, "x")
    key: Key = cast.key()
    assert number(plane.get(f"{AT}x?version=1", key)) == 1
    revoke_key(cast.olga, ApiKey.objects.get(pk=key.pk))
    until(lambda: plane.get(f"{AT}x?version=1", key).status == 401)


def test_listener__that_was_lost__drops_them_all(cast: Cast, plane: Plane):
    made = prompt(cast.ada, "x", text="one")
    key = cast.key()
    assert number(plane.get(f"{AT}x?label=latest", key)) == 1
    before = plane.store.listener.reconnects
    with as_superuser() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'greenroom delivery'"
        )
    create_version(cast.ada, made, {"text": "two"})
    until(lambda: plane.store.listener.reconnects > before and plane.store.listener.stale_s == 0)
    assert number(plane.get(f"{AT}x?label=latest", key)) == 2
