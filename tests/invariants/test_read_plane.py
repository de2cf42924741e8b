"""Invariant 20 through the API: what a service key sees, and that what is withdrawn for good answers only exact pins."""

from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.actions.versions import yank_version
from tests.api.client import Api
from tests.builders import Cast, prompt, version
from tests.scenes import go_live


def test_service_key__sees_what_is_or_was_live_in_its_environment__and_nothing_else(free: Cast) -> None:
    made = prompt(free.ada, "p", text="a")
    first, second = made.versions.get(), version(free.ada, made, "b")
    third = version(free.ada, made, "c")
    hidden = prompt(free.ada, "hidden", text="x")
    go_live(free, first, "staging")
    go_live(free, second, "staging")
    go_live(free, third, "production")
    staging, production = (Api(free.key("service", environment=name)) for name in ("staging", "production"))
    service_sees = {1: {first, second}, 2: {third}}
    for api, seen in ((staging, service_sees[1]), (production, service_sees[2])):
        for one in (first, second, third, hidden.versions.get()):
            name = one.prompt.name if one in (first, second, third) else "hidden"
            expected = 200 if one in seen else 404
            assert api.get(f"prompts/{name}/versions/{one.number}").status == expected
            assert api.get(f"prompts/{name}/digests/{one.digest}").status == expected
    assert staging.get("environments/staging/prompts/p").json["version"] == 2
    for path in (
        "environments/production/prompts/p",
        "environments/staging/prompts/hidden",
        "environments/nowhere/prompts/p",
    ):
        assert staging.get(path).status == 404
    snapshot = staging.get("environments/staging/snapshot").json
    assert {name: body["version"] for name, body in snapshot["prompts"].items()} == {"p": 2}
    served = staging.get("prompts/p/versions/1").json
    assert not {"message", "author", "based_on", "yanked", "live_in"} & set(served)


def test_service_key__of_another_workspace__sees_nothing(free: Cast) -> None:
    made = prompt(free.ada, "p", text="a")
    go_live(free, made.versions.get(), "staging")
    from prompts_app.actions.keys import issue_key
    from registry.core.actor import KeyKind
    from tests.builders import Key

    issued = issue_key(free.linus, kind=KeyKind.SERVICE, name="theirs", environment="staging")
    theirs = Api(Key(issued.token.token, issued.row.pk))
    for path in (
        "environments/staging/prompts/p",
        "prompts/p/versions/1",
        f"prompts/p/digests/{made.versions.get().digest}",
    ):
        assert theirs.get(path).status == 404


def test_yanked__after_it_was_live__answers_an_exact_pin_marked_and_never_live(free: Cast) -> None:
    made = prompt(free.ada, "p", text="a")
    first, second = made.versions.get(), version(free.ada, made, "b")
    staging = free.environment("staging")
    go_live(free, first, "staging")
    go_live(free, second, "staging")
    service, ada = Api(free.key("service", environment="staging")), Api(free.ada)
    roll_back(free.rosa, made, staging, reason="leaks")
    yank_version(free.ada, second, reason="leaks")
    for api in (service, ada):
        for path in ("prompts/p/versions/2", f"prompts/p/digests/{second.digest}"):
            answer = api.get(path)
            assert (answer.status, answer.headers.get("X-Registry-Yanked")) == (200, "true")
        assert "X-Registry-Yanked" not in api.get("prompts/p/versions/1").headers
    assert service.get("environments/staging/prompts/p").json["version"] == 1
    withdraw(free.rosa, made, staging, reason="off")
    gone = service.get("environments/staging/prompts/p")
    assert (gone.status, gone.code) == (404, "not_deployed")
    assert service.get("prompts/p/versions/2").status == 200, "what was once live stays fetchable by its number"
