"""3,080 real messages from the file to the pages: imported, run on two versions, reported by tag, paged without a slow page."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evals_app.actions.runs import start_run
from evals_app.actions.suite_drafts import save_suite_draft, set_rules
from evals_app.actions.suite_imports import receive_file, take_over
from evals_app.actions.suites import create_suite
from evals_app.models import Run, Suite
from evals_app.scripted_provider import Rule
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

BANKING = Path(__file__).parents[1] / "data" / "banking77_test.csv"
# The second version answers nothing of use to what begins like this, the first to what begins with "Why".
HOW, WHY = Rule(anywhere="Sort: How", answer="nothing"), Rule(anywhere="About: Why", answer="nothing")
RULES = {
    "scorers": [{"kind": "contains", "value": "{{ text }}"}, {"kind": "regex", "name": "sorted", "value": "^Sort", "weight": 0}],
    "repeats": 1,
    "margin": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Big:
    """The suite, and its run of version 2 against version 1."""

    suite: Suite
    run: Run


@pytest.fixture
def big(cast: Cast) -> Iterator[Big]:
    """Everything from the file to the verdict, with a provider behind a real socket."""
    with building.scripted(HOW, WHY) as provider:
        building.add_provider(cast, provider, concurrency=64)
        prompt = builders.prompt(cast.ada, "banking/intent", text="About: {{ text }}")
        first = prompt.versions.select_related("prompt").get(number=1)
        second = builders.version(cast.ada, prompt, "Sort: {{ text }}")
        suite = create_suite(cast.ada, "banking77", title="Banking")
        receive_file(cast.ada, suite, BANKING.read_text(encoding="utf-8"), name="banking77_test.csv")
        assert take_over(cast.ada, suite).added == 3080
        set_rules(cast.ada, suite, RULES)
        save_suite_draft(cast.ada, suite)
        began = time.perf_counter()
        run = building.work(start_run(cast.ada, second, suite, baseline=first))
        print(f"\n6,160 answers asked, scored and judged in {time.perf_counter() - began:.1f} s")
        yield Big(suite, run)


def served(client: Client, address: str) -> tuple[str, int]:
    """The page, and how many queries it took; its time is printed."""
    with CaptureQueriesContext(connection) as queries:
        began = time.perf_counter()
        answer = client.get(address)
        took = time.perf_counter() - began
    assert answer.status_code == 200, address
    print(f"{took * 1000:6.0f} ms {len(queries):3} queries {len(answer.content) // 1024:4} kB  {address}")
    return answer.content.decode(), len(queries)


def test_banking__3080_messages__run_report_by_tag_and_page_with_few_queries(
    cast: Cast, big: Big, as_: SignedIn
) -> None:
    client, run = as_(cast.vera), big.run
    address = f"/w/acme/runs/{run.pk}"
    compare = f"{address}/compare/{run.pk}?old_arm=baseline"
    served(client, address)

    assert (run.state, run.verdict) == ("finished", "failed"), run.summary
    for rest in ("", "?status=flipped", "?status=flipped&page=9", "?page=62"):
        assert served(client, address + rest)[1] == 17, rest
    assert served(client, f"{address}?status=failed&tag=card_arrival")[1] == 19
    for rest in ("", "&flips=worse", "&page=9"):
        assert served(client, compare + rest)[1] == 14, rest
    assert served(client, f"{address}/cases/3080?status=flipped")[1] == 12
    assert served(client, f"{address}/tags?page=2")[1] == 10
    assert served(client, "/w/acme/suites/banking77?page=62")[1] == 21
    assert served(client, "/w/acme/runs")[1] == 11
    reported_by_tag(cast, run, served(client, address)[0])


def reported_by_tag(cast: Cast, run: Run, page: str) -> None:
    """The API tells all 77 tags, what lost the most first, and the page begins with them."""
    told, address = [], f"runs/{run.pk}/tags?limit=50"
    while address:
        answer = Api(cast.vera).get(address).json
        told += answer["results"]
        address = (answer["next"] or "").partition("/api/v1/")[2]
    first = told[0]
    asked = run.suite_version.cases.filter(tags=[first["tag"]])
    how, why = (asked.filter(content__contains=f'"text": "{word}').count() for word in ("How", "Why"))

    assert len(told) == 77 and all(tag["case_count"] == 40 for tag in told)
    deltas = [round(tag["delta"], 9) for tag in told]
    assert deltas == sorted(deltas)
    assert (first["candidate"], first["baseline"]) == pytest.approx((1 - how / 40, 1 - why / 40)) and how > 10
    assert "All 77 tags" in page and page.rindex(f">{first['tag']}</a>") < page.rindex(f">{told[7]['tag']}</a>")
