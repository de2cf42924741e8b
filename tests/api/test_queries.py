"""What an answer costs does not grow with what there is."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api.client import Api
from tests.builders import Cast, prompt, version

LISTS = (
    "prompts",
    "prompts/p0/versions",
    "promotions",
    "promotions?state=pending",
    "environments",
    "environments/development/deployments",
    "members",
    "keys",
    "audit",
)


def queries(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        call()
    return len(captured)


def fill(cast: Cast, numbers: range) -> None:
    ada = Api(cast.ada)
    for number in numbers:
        made = prompt(cast.ada, f"p{number}")
        version(cast.ada, made, "again")
        ada.post("promotions", {"prompt": made.name, "version": 1, "environment": "production"})
        cast.key(name=f"key {number}")


@pytest.mark.parametrize("path", LISTS)
def test_list__with_more_rows__costs_no_more_queries(cast: Cast, path: str):
    olga = Api(cast.olga)
    fill(cast, range(2))
    olga.get(path)
    few = queries(lambda: olga.get(path))
    fill(cast, range(2, 6))
    assert queries(lambda: olga.get(path)) == few
    assert few <= 10, f"{path}: {few}"


def test_promotion__read__costs_a_bounded_number_of_queries(cast: Cast):
    fill(cast, range(1))
    rosa = Api(cast.rosa)
    [row] = rosa.get("promotions?state=open").json["results"]
    assert queries(lambda: rosa.get(f"promotions/{row['id']}")) <= 40
