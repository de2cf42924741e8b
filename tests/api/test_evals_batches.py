"""`/runs/batches`."""

from collections.abc import Iterator

import pytest

from evals_app.models import RunBatch
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building

BODY = {"prompt": "support/triage", "version": 1, "suite": "numbers"}
BOTH = {**BODY, "configs": [{}, {"temperature": 1}]}


@pytest.fixture(autouse=True)
def provider(cast: Cast) -> Iterator[None]:
    with building.scripted() as scripted:
        building.add_provider(cast, scripted)
        builders.prompt(cast.ada, text="{{ q }}")
        building.suite(cast.ada, of=building.cases(6))
        yield


def test_batch__started_and_worked_through__tells_columns(cast: Cast) -> None:
    ada = Api(cast.ada)

    started = ada.post("runs/batches", BOTH)
    building.work_all()
    told = Api(cast.vera).get(f"runs/batches/{started.json['id']}")

    assert started.status == 202 and started.json["open"] and started.json["progress"]["total"] == 12
    assert started.json["columns"][0]["passes"] is None
    assert told.status == 200 and not told.json["open"] and told.headers["ETag"]
    first, second = told.json["columns"]
    assert first["passes"]["mean"] == 1 and first["flips"] is None
    assert first["settings"] == {"provider": "scripted", "model": "scripted", "parameters": {}}
    assert second["settings"]["parameters"] == {"temperature": 1} and second["latency_ms"]["p90"] is not None
    assert second["flips"] == {"better": 0, "worse": 0, "passed": 6, "failed": 0, "error": 0}
    [listed] = Api(cast.vera).get("runs/batches").json["results"]
    assert listed["id"] == told.json["id"] and "columns" not in listed
    assert ada.post(f"runs/batches/{listed['id']}/cancel", {}).code == "batch.ended"


def test_batch__sent_twice_under_one_key__is_one(cast: Cast) -> None:
    answers = [Api(cast.ada).post("runs/batches", BOTH, Idempotency_Key="one") for _ in range(2)]

    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].json["id"] == answers[1].json["id"] and RunBatch.objects.count() == 1


def test_batch__what_cannot_be_compared__is_422_by_field(cast: Cast) -> None:
    ada = Api(cast.ada)

    refused = ada.post("runs/batches", {**BODY, "configs": [{}, {"model": "grand"}]})

    assert (refused.status, refused.code) == (422, "batch.invalid")
    assert (
        refused.json["errors"][0]["field"] == "configs[1]" and "offers no model" in refused.json["errors"][0]["message"]
    )
    assert ada.post("runs/batches", {**BOTH, "baseline": 1}).status == 422
    assert ada.post("runs/batches", BODY).status == 422
    assert ada.get("runs/batches/999999").status == 404
