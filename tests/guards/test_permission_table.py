"""Every route, and who may use it: one row a route. A route that is not in the table fails, and so does a row without one.

Each row is tried with every role, with CI keys, with a service key, by nobody, and from another workspace. Bodies are
empty: refusals for who calls come before refusals for what is sent, so whoever passes gets 428, 422 or 409 at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from evals_app.actions.batches import start_batch
from evals_app.actions.providers import create_provider
from evals_app.actions.runs import start_run
from evals_app.models import Result
from evals_app.provider_settings import parse_provider
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.reviews import comment
from prompts_app.actions.rollback import roll_back
from registry.core.actions.webhooks import create_webhook, send_test_event
from registry.core.actor import Actor, Role
from registry.core.models import Member
from registry.core.permissions import CI_SCOPES
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests import builders
from tests.api.client import Answer, Api
from tests.builders import Cast, join
from tests.evals import building
from tests.guards.permission_rows import TABLE

# Where the environment is protected, a CI key may not even with the scope.
PROTECTED = ("api_promotion_apply", "api_promotion_schedule", "api_withdraw")
# What a caller who may gets where nothing of the kind is there yet.
ABSENT = {"draft.not_found", "label.not_found", "import.not_found"}
NOT_BY_ROLE = {"author", "grant", "none"}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    method: str
    route: str
    role: str
    scope: str
    service: bool

    @property
    def parts(self) -> set[str]:
        """What the route's address names."""
        return set(parts_of(self.route))

    def admits(self, role: Role) -> bool:
        """Whether a member of that role may; the editor is the author of the promotion."""
        if self.role == "author":
            return role is Role.EDITOR
        return self.role not in NOT_BY_ROLE and role.rank >= Role(self.role).rank


def read_table() -> list[Row]:
    """The rows, without the blank lines between subjects."""
    cells = [line.split() for line in TABLE.splitlines() if line]
    return [
        Row(method, route, role, scope.strip("-"), service == "yes") for method, route, role, scope, service in cells
    ]


ROWS = read_table()
CLOSED = [row for row in ROWS if row.role != "open"]


def parts_of(route: str) -> list[str]:
    """The parameters in a route's address."""
    [(possibilities, *_)] = get_resolver().reverse_dict.getlist(route)
    names: list[str] = possibilities[0][1]
    return names


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


@dataclass(frozen=True)
class World:
    """A workspace with one of everything, and how to call its routes."""

    cast: Cast
    adam: Actor
    ids: dict[str, Any]

    def members(self) -> dict[Role, Api]:
        """One member of each role."""
        cast = self.cast
        people = (cast.vera, cast.ada, cast.grace, cast.rosa, self.adam, cast.olga)
        return dict(zip(Role, (Api(person) for person in people), strict=True))

    def call(self, api: Api, row: Row, **other: Any) -> Answer:
        """Call the route with the ids of this workspace, and undo what it did."""
        ids = {**self.ids, **other}
        ids["pk"] = (
            ids["key"] if row.route.startswith("api_key") else ids["run" if "_run" in row.route else "promotion"]
        )
        address = reverse(row.route, kwargs={name: ids[name] for name in parts_of(row.route)})
        query = "?from=1&to=1" if row.route == "api_diff" else ""
        with transaction.atomic():
            answer = api.call(row.method, address.removeprefix("/api/v1/") + query, None if row.method == "GET" else {})
            transaction.set_rollback(True)
        return answer


@pytest.fixture
def world(cast: Cast) -> World:
    """One of everything; Ada wrote it and asks for it."""
    made = builders.prompt(cast.ada)
    first = made.versions.get(number=1)
    builders.version(cast.ada, made, "Hi {{ name }}")
    roll_back(cast.rosa, made, cast.environment("development"), reason="worse")
    asked = open_promotion(cast.ada, first, cast.environment("staging"))
    settings = {"name": "local", "base_url": "http://127.0.0.1:9/v1", "models": ["m"]}
    create_provider(cast.olga, parse_provider(settings, allow=frozenset({"127.0.0.1:9"})))
    suite = building.suite(cast.ada, of=building.cases(25))
    building.require(cast.ada, suite, made)
    olga = Api(cast.olga)
    hook = create_webhook(cast.olga, WebhookInput(WebhookSettings("hook", "http://127.0.0.1:9/"), None)).row
    freeze = olga.post("environments/development/freezes", {"ends_at": "2100-01-01T00:00:00Z", "reason": "Sale"})
    run = start_run(cast.ada, first, suite, baseline=None)
    answer = Result.objects.create(run=run, case=run.suite_version.cases.all()[0], arm="candidate", repeat=0)
    ids = {
        "name": "support/triage",
        "number": 1,
        "label": "kept",
        "digest": first.digest,
        "env": "development",
        "email": "vera@example.com",
        "promotion": asked.pk,
        "protected": open_promotion(cast.ada, first, cast.environment("production")).pk,
        "comment_id": comment(cast.ada, asked, body="Why?").pk,
        "freeze_id": freeze.json["id"],
        "quarantine_id": olga.get("environments/development/quarantines").json["results"][0]["id"],
        "key": cast.key(name="a key").pk,
        "suite": "numbers",
        "form": "csv",
        "second": 1,
        "provider": "local",
        "run": run.pk,
        "result": answer.pk,
        "other": run.pk,
        "webhook": hook.pk,
        "delivery": send_test_event(cast.olga, hook).pk,
        "batch": start_batch(cast.ada, first, suite, configs=({}, {"temperature": 1})).pk,
    }
    return World(cast, join(cast.olga, "Adam", Role.ADMIN), ids)


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
