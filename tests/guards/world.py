"""A workspace with one of everything, and the ids by which every route of the API finds it."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import get_resolver, reverse

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
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests import builders, tally
from tests.api.client import Answer, Api
from tests.builders import Cast, join
from tests.evals import building
from tests.guards.permission_rows import TABLE

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
        tally.note("permissions: calls")
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


def make_world(cast: Cast) -> World:
    """One of everything in the workspace of the cast; Ada wrote it and asks for it."""
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
