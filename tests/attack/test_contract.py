"""Whatever the OpenAPI document allows, and what it does not, is answered as the document says: by every kind of caller."""

import os
from functools import cache

import pytest
from django.conf import settings as django_settings
from django.middleware.csrf import _get_new_csrf_string

from registry.core.permissions import CI_SCOPES
from tests import tally
from tests.api.client import Api
from tests.builders import Cast
from tests.guards.world import World, make_world

# Cases for each operation and caller that its schema allows; half as many again that it does not.
CASES = int(os.environ.get("CASES", "10"))
CALLERS = ("nobody", "a session", "a CI key", "a service key")


@pytest.mark.attack
@pytest.mark.django_db
@pytest.mark.parametrize("who", CALLERS)
def test_contract__of_every_operation__holds_for_whatever_is_sent(cast: Cast, settings, who: str) -> None:
    from tests.attack import contract  # schemathesis, which no other test needs

    settings.API_REQUESTS_PER_MINUTE = 1_000_000_000
    world = make_world(cast)
    caller = contract.Caller(who, *sent_by(world, who))
    seeds = contract.Seeds(
        values_of(world),
        {"keys": world.ids["key"], "runs": world.ids["run"], "promotions": world.ids["promotion"]},
        etags(world),
    )
    answers: dict[str, int] = {}
    wrong = contract.Found()
    for operation in contract.operations():
        found = contract.attack(operation, caller, seeds, cases=CASES)
        if who == "nobody" and "2xx" in found.answers and not operation.path.endswith("/session"):
            found.note(operation.label, "does something for nobody", "")
        wrong.wrong |= found.wrong
        for kind, count in found.answers.items():
            answers[kind] = answers.get(kind, 0) + count
    print(f"{who}: {dict(sorted(answers.items()))}")
    for kind, count in answers.items():
        tally.note(f"contract: answers {kind}", count)
    tally.note("contract: findings", len(wrong.wrong))
    assert not wrong.wrong, wrong.text()
    if who != "nobody":
        assert answers.get("2xx", 0) > sum(answers.values()) // 50, "too little gets as far as the work"


def sent_by(world: World, who: str) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and cookies that the caller sends with every request."""
    if who == "a session":
        http, token = Api(world.cast.olga).http, _get_new_csrf_string()
        cookies = {
            django_settings.SESSION_COOKIE_NAME: http.cookies[django_settings.SESSION_COOKIE_NAME].value,
            django_settings.CSRF_COOKIE_NAME: token,
        }
        return {"X-CSRFToken": token, "X-Workspace": world.cast.workspace.slug}, cookies
    if who == "a CI key":
        return world.cast.key(scopes=CI_SCOPES).headers, {}
    if who == "a service key":
        return world.cast.key("service", environment="development").headers, {}
    return {}, {}


def values_of(world: World) -> dict[str, object]:
    """What exists, by the names that paths, queries and bodies use."""
    ids = dict(world.ids)
    shown = Api(world.cast.olga).get(f"promotions/{ids['promotion']}").json
    return ids | {
        "prompt": ids["name"],
        "version": 1,
        "environment": ids["env"],
        "from": 1,
        "to": 2,
        "based_on": 2,
        "since": 0,
        "after": 1,
        "baseline": 1,
        "subject_hash": shown["subject_hash"],
        "to_deployment": None,
        "responsible": "ada@example.com",
        "member": "vera@example.com",
        "text": "Hello {{ name }}",
        "reason": "a reason of more than twenty characters",
    }


def etags(world: World):
    """The ETag of what an address names: of the promotion for whatever moves one."""
    olga = Api(world.cast.olga)

    @cache
    def etag_of(address: str) -> str:
        path = address.removeprefix("/api/v1/")
        if path.startswith("promotions/"):
            path = "/".join(path.split("/")[:2])
        answer = olga.http.get(f"/api/v1/{path}", headers=olga.headers)
        return answer.headers.get("ETag", '"none"')

    return etag_of
