"""`/runs/{a}/compare/{b}` and what else compares."""

import pytest

from evals_app.tallies import write_tallies
from tests.api.client import Api
from tests.builders import Cast
from tests.pages.evaluated import Evaluated, evaluated


@pytest.fixture
def world(cast: Cast):
    with evaluated(cast) as made:
        yield made


def test_compare__two_arms_of_a_run__tells_scores_flips_and_distributions(cast: Cast, world: Evaluated) -> None:
    pk = world.run.pk

    answer = Api(cast.vera).get(f"runs/{pk}/compare/{pk}?old_arm=baseline")

    assert answer.status == 200
    told = answer.json
    assert (told["old"]["version"], told["new"]["version"], told["suite"]) == (1, 2, "numbers")
    assert told["cases"] == {
        "common": 60,
        "left_out": 0,
        "better": 0,
        "worse": 1,
        "passed": 58,
        "failed": 0,
        "error": 1,
    }
    assert [score["name"] for score in told["scores"]] == ["passes", "contains", "regex"]
    assert told["scores"][0]["says"] == "unclear" and told["scores"][0]["lower"] < 0 < told["scores"][0]["upper"]
    assert [row["case"] for row in told["flipped"]] == ["case-3"] and told["flipped"][0]["case_number"] == 4
    latency, cost = told["distributions"]
    assert latency["new"]["answers"] == 59 and latency["new"]["median"] is not None
    assert cost["new"] == {"answers": 59, "unknown": 59, "total": None, "median": None, "p90": None, "p99": None}


def test_compare__many_flips__are_paged_by_case(cast: Cast, world: Evaluated) -> None:
    world.run.results.filter(arm="candidate", case__position__gte=50).update(is_passed=False)
    write_tallies(world.run)
    address, found = f"runs/{world.run.pk}/compare/{world.run.pk}?old_arm=baseline&flips=worse&limit=4", []

    while address:
        page = Api(cast.vera).get(address).json
        found.append([row["case"] for row in page["flipped"]])
        address = (page["next"] or "").partition("/api/v1/")[2]

    assert [len(part) for part in found] == [4, 4, 3]
    assert found[0][0] == "case-3" and found[-1][-1] == "case-59"


def test_compare__with_what_is_not_there__is_refused(cast: Cast, world: Evaluated) -> None:
    vera, pk = Api(cast.vera), world.run.pk

    assert vera.get(f"runs/{pk}/compare/{pk}?old_arm=both").status == 422
    assert vera.get(f"runs/{pk}/compare/{pk}?flips=sideways").status == 422
    assert vera.get(f"runs/{pk}/compare/999999").status == 404
    assert vera.get(f"runs/{pk}/compare/{world.waiting.pk}").code == "comparison.suites"
