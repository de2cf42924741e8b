"""Every route, and who may use it: one row a route. A route that is not in the table fails, and so does a row without one.

Each row is tried with every role, with CI keys, with a service key, by nobody, and from another workspace. Bodies are
empty: refusals for who calls come before refusals for what is sent, so whoever passes gets 428, 422 or 409 at most.
"""

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from registry.core.models import Member
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.api.client import Answer, Api
from tests.builders import Cast
from tests.guards.world import CLOSED, ROWS, World, make_world

# Where the environment is protected, a CI key may not even with the scope.
PROTECTED = ("api_promotion_apply", "api_promotion_schedule", "api_withdraw")
# What a caller who may gets where nothing of the kind is there yet.
ABSENT = {"draft.not_found", "label.not_found", "import.not_found"}


def routes() -> Iterator[tuple[str, str]]:
    """Method and name of every route of the API."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            route = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)
            else:
                yield route, pattern

    for route, pattern in walk(get_resolver().url_patterns, ""):
        if route.startswith("api/v1/"):
            view = pattern.callback.cls  # type: ignore[attr-defined]
            for method in ("get", "post", "put", "patch", "delete"):
                if hasattr(view, method):
                    yield method.upper(), str(pattern.name)


@pytest.fixture
def world(cast: Cast) -> World:
    """One of everything; Ada wrote it and asks for it."""
    return make_world(cast)


def is_let_in(answer: Answer) -> bool:
    """Whether the caller passed; what was sent may still be wrong."""
    assert answer.status != 405, "the table names a method that there is not"
    assert answer.status < 500 or answer.code == "stream.unavailable", answer.body
    return answer.status not in {401, 403} and (answer.status != 404 or answer.code in ABSENT)


KEYS_ONLY = {"api_snapshot", "api_changes", "api_stream"}


def test_table__and_the_url_map__name_the_same_routes():
    table = [(row.method, row.route) for row in ROWS]
    assert len(table) == len(set(table))
    assert set(table) == set(routes())


def test_people__each_role_on_each_route__passes_or_gets_403(world: World):
    wrong = []
    for role, api in world.members().items():
        for row in CLOSED:
            answer = world.call(api, row)
            refusal = 401 if row.route in KEYS_ONLY else 403
            if is_let_in(answer) is not row.admits(role) or not (row.admits(role) or answer.status == refusal):
                wrong.append((role, row.method, row.route, answer.status, answer.json))
    assert wrong == []


def test_ci_key__with_and_without_the_scope__passes_or_gets_403(world: World):
    ada = Member.objects.get(pk=world.cast.ada.member_id)
    full = Api(world.cast.key(scopes=CI_SCOPES, responsible=ada))
    without = {scope: Api(world.cast.key(scopes=CI_SCOPES - {scope}, responsible=ada)) for scope in CI_SCOPES}
    wrong = []
    for row in CLOSED:
        answer = world.call(full, row)
        if is_let_in(answer) is not bool(row.scope) or not (row.scope or answer.code == "actor.key"):
            wrong.append((row.method, row.route, answer.status, answer.json))
        if row.scope and world.call(without[row.scope], row).json.get("code") != "actor.scope":
            wrong.append((row.method, row.route, f"without {row.scope}"))
    assert wrong == []


def test_ci_key__where_the_environment_is_protected__gets_actor_key(world: World):
    full = Api(world.cast.key(scopes=CI_SCOPES))
    for row in ROWS:
        if row.route in PROTECTED:
            answer = world.call(full, row, promotion=world.ids["protected"], env="production")
            assert (answer.status, answer.code) == (403, "actor.key"), row


def test_service_key__passes_where_it_says_yes_and_sees_no_other_environment(world: World):
    own = Api(world.cast.key("service", environment="development"))
    other = Api(world.cast.key("service", environment="staging"))
    wrong = []
    for row in CLOSED:
        answer = world.call(own, row)
        if is_let_in(answer) is not row.service or not (row.service or answer.status == 403):
            wrong.append((row.method, row.route, answer.status, answer.json))
        # Where the address names nothing, the key itself says which environment is meant.
        if row.parts and ("env" in row.parts or row.service) and world.call(other, row).status != 404:
            wrong.append((row.method, row.route, "sees another environment"))
    assert wrong == []


def test_nobody__on_each_route__gets_401(world: World):
    assert [row for row in CLOSED if world.call(Api(), row).status != 401] == []


def test_another_workspace__every_id_of_ours__is_404_and_lists_hold_nothing(world: World):
    linus = Api(world.cast.linus)
    issued = linus.post("keys", {"kind": "ci", "name": "ci", "scopes": sorted(CI_SCOPES)})
    key = Api(builders.Key(issued.json["secret"], issued.json["id"]))
    wrong = []
    for row in CLOSED:
        # Environments are called the same in every workspace: there only what else the address names is foreign.
        is_foreign = bool(row.parts - {"env", "number"})
        for api in (linus, key):
            answer = world.call(api, row)
            if is_foreign and answer.status != 404:
                wrong.append((row.method, row.route, answer.status, answer.json))
            if b"support/triage" in answer.body or b"Vera" in answer.body:
                wrong.append((row.method, row.route, "shows a name of another workspace"))
    assert wrong == []


@pytest.mark.parametrize("route", ["api_freeze", "api_quarantine_clear"])
def test_nested_id__of_another_environment__is_404(world: World, route: str):
    row = next(row for row in ROWS if row.route == route)
    assert world.call(Api(world.cast.olga), row, env="staging").status == 404


def test_nested_comment__of_another_promotion__is_404(world: World):
    row = next(row for row in ROWS if row.route == "api_promotion_comment_resolve")
    assert world.call(Api(world.cast.olga), row, promotion=world.ids["protected"]).status == 404
