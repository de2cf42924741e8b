"""`/runs`: started by hand, read while they work, their answers one by one, cancelled, asked again."""

from collections.abc import Iterator

import pytest

from evals_app.models import Run
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import Prompt
from tests import builders
from tests.api.client import Answer, Api
from tests.builders import Cast
from tests.evals import building


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    """A provider that echoes, except that version 2 gets case 3 wrong."""
    with building.scripted(Rule(anywhere="Now 3.", answer="4")) as scripted:
        building.add_provider(cast, scripted)
        yield scripted


@pytest.fixture
def prompt(cast: Cast, provider: ScriptedProvider) -> Prompt:
    """Two versions; the first is live in development."""
    made = builders.prompt(cast.ada, "numbers/echo", text="{{ q }}")
    builders.version(cast.ada, made, "Now {{ q }}.")
    return made


def start(cast: Cast, **more: object) -> Answer:
    body = {"prompt": "numbers/echo", "version": 2, "suite": "numbers", "baseline": 1, **more}
    return Api(cast.ada).post("runs", body)


def test_run__started_by_hand__is_accepted_and_ends_with_a_verdict(cast: Cast, prompt: Prompt) -> None:
    building.suite(cast.ada, scorers=[{"kind": "contains"}])

    started = start(cast)
    assert started.status == 202
    assert (started.json["state"], started.json["verdict"]) == ("queued", None)
    assert started.json["progress"] == {"done": 0, "total": 120, "errors": 0}
    assert started.json["check"]["state"] == "pending"

    building.work(Run.objects.get(pk=started.json["id"]))
    ended = Api(cast.vera).get(f"runs/{started.json['id']}").json
    assert (ended["state"], ended["verdict"]) == ("finished", "passed")
    assert ended["progress"] == {"done": 120, "total": 120, "errors": 0}
    assert ended["check"] == {"name": "suite/numbers", "state": "passed", "url": f"/w/acme/runs/{ended['id']}"}
    (metric,) = ended["metrics"]
    assert metric["name"] == "passes" and metric["delta"] == pytest.approx(-1 / 60)
    assert metric["lower"] < metric["delta"] < metric["upper"]
    assert "Not worse" in metric["sentence"]


def test_run__asked_for_twice__is_the_same_run(cast: Cast, prompt: Prompt) -> None:
    building.suite(cast.ada)

    assert start(cast).json["id"] == start(cast).json["id"]
    assert start(cast, config={"temperature": 1}).json["check"] is None


@pytest.mark.parametrize(
    ("baseline", "number"),
    [(1, 1), (None, None), ({"environment": "development"}, 2), ({"environment": "staging"}, None)],
)
def test_run__with_a_baseline__compares_with_what_was_named(
    cast: Cast, prompt: Prompt, baseline: object, number: int | None
) -> None:
    building.suite(cast.ada)

    assert start(cast, baseline=baseline).json["baseline"] == number


@pytest.mark.parametrize("baseline", ["1", 0, True, [], {}, {"environment": 3}, {"environment": "x", "more": 1}])
def test_run__with_a_baseline_of_no_kind__is_refused(cast: Cast, prompt: Prompt, baseline: object) -> None:
    building.suite(cast.ada)

    refused = start(cast, baseline=baseline)

    assert refused.status == 422 and refused.json["errors"][0]["field"] == "baseline"


@pytest.mark.parametrize(
    "change",
    [{"prompt": "none"}, {"version": 9}, {"suite": "none"}, {"baseline": 9}, {"baseline": {"environment": "x"}}],
)
def test_run__of_what_does_not_exist__is_not_found(cast: Cast, prompt: Prompt, change: dict[str, object]) -> None:
    building.suite(cast.ada)

    assert start(cast, **change).status == 404


def test_results__filtered__are_each_answer_once(cast: Cast, prompt: Prompt) -> None:
    marked = [case | {"tags": ["odd"] if n % 2 else ["even"]} for n, case in enumerate(building.cases(60))]
    building.suite(cast.ada, of=marked, scorers=[{"kind": "contains"}])
    pk = start(cast).json["id"]
    building.work(Run.objects.get(pk=pk))
    vera = Api(cast.vera)

    def keys(query: str) -> list[tuple[str, str]]:
        found, address = [], f"runs/{pk}/results?limit=50{query}"
        while address:
            page = vera.get(address).json
            found += [(one["case"], one["arm"]) for one in page["results"]]
            address = (page["next"] or "").partition("/api/v1/")[2]
        assert len(found) == len(set(found))
        return found

    assert len(keys("")) == 120
    assert set(keys("&flipped=true")) == {("case-3", "candidate"), ("case-3", "baseline")}
    assert len(keys("&flipped=false")) == 118
    assert keys("&status=failed") == [("case-3", "candidate")]
    assert len(keys("&status=passed&tag=odd")) == 59
    assert keys("&status=error") == []
    assert vera.get(f"runs/{pk}/results?status=vibes").status == 422

    (failed,) = vera.get(f"runs/{pk}/results?status=failed").json["results"]
    assert failed["output"] == "4" and failed["scores"][0]["passed"] is False
    assert failed["tags"] == ["odd"] and failed["latency_ms"] >= 0 and failed["model"] == "scripted"


def test_cancel__of_an_open_run__stops_it_and_once_only(cast: Cast, prompt: Prompt) -> None:
    building.suite(cast.ada)
    pk = start(cast).json["id"]

    cancelled = Api(cast.ada).post(f"runs/{pk}/cancel")

    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert cancelled.json["check"]["state"] == "error"
    assert Api(cast.ada).post(f"runs/{pk}/cancel").status == 409
    assert Api(cast.vera).post(f"runs/{pk}/cancel").status == 403


def test_resume__of_a_cancelled_run__goes_on_with_another_budget(cast: Cast, prompt: Prompt) -> None:
    building.suite(cast.ada)
    pk = start(cast).json["id"]
    assert Api(cast.ada).post(f"runs/{pk}/resume").code == "run.state"
    Api(cast.ada).post(f"runs/{pk}/cancel")
    assert Api(cast.vera).post(f"runs/{pk}/resume").status == 403
    assert Api(cast.linus).post(f"runs/{pk}/resume").status == 404

    resumed = Api(cast.ada).post(f"runs/{pk}/resume", {"budget": {"requests": 500}})

    assert (resumed.status, resumed.json["state"], resumed.json["check"]["state"]) == (200, "queued", "pending")
    assert resumed.json["budget"]["requests"] == 500
    assert building.work(Run.objects.get(pk=pk)).state == "finished"


def test_retry_errors__after_the_provider_came_back__answers_what_was_missing(
    cast: Cast, prompt: Prompt, provider: ScriptedProvider
) -> None:
    building.suite(cast.ada, scorers=[{"kind": "contains"}])
    provider.script(Rule(anywhere="Now", status=400))
    pk = start(cast).json["id"]
    building.work(Run.objects.get(pk=pk))
    assert Api(cast.ada).get(f"runs/{pk}").json["state"] == "error"

    provider.script()
    retried = Api(cast.ada).post(f"runs/{pk}/retry-errors")
    building.work(Run.objects.get(pk=pk))

    assert (retried.status, retried.json["state"]) == (200, "queued")
    ended = Api(cast.ada).get(f"runs/{pk}").json
    assert (ended["state"], ended["verdict"], ended["progress"]["errors"]) == ("finished", "passed", 0)
    assert Api(cast.ada).post(f"runs/{pk}/retry-errors").status == 409


def test_runs__listed_and_filtered__are_the_workspaces_own(cast: Cast, prompt: Prompt) -> None:
    building.suite(cast.ada)
    pk = start(cast).json["id"]

    assert [one["id"] for one in Api(cast.vera).get("runs?state=queued&prompt=numbers/echo").json["results"]] == [pk]
    assert Api(cast.vera).get("runs?verdict=passed").json["results"] == []
    assert Api(cast.linus).get("runs").json["results"] == []
    assert Api(cast.linus).get(f"runs/{pk}").status == 404
    assert Api(cast.linus).get(f"runs/{pk}/results").status == 404
    assert Api(cast.linus).post(f"runs/{pk}/cancel").status == 404


def test_results__of_an_answer_that_calls_tools__hold_the_calls(
    cast: Cast, prompt: Prompt, provider: ScriptedProvider
) -> None:
    provider.script(Rule(calls=(("look_up", '{"city": "Rome"}'),)))
    building.suite(cast.ada, of=building.cases(1), mode="report_only", scorers=[{"kind": "contains"}])
    run = building.work(Run.objects.get(pk=start(cast, baseline=None).json["id"]))

    (row,) = Api(cast.vera).get(f"runs/{run.pk}/results").json["results"]
    assert (row["status"], row["output"]) == ("failed", "")
    assert [call["function"]["name"] for call in row["tool_calls"]] == ["look_up"]
