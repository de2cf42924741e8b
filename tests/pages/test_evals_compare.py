"""Comparing on pages: two runs, two versions, several models; a suite's history; what it all cost."""

import re

import pytest

from evals_app.actions.runs import start_run
from evals_app.models import Result
from evals_app.stats import wilson
from evals_app.tallies import write_tallies
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated


def test_compare__two_arms__shows_flips_scores_and_charts_with_their_numbers(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    Result.objects.filter(run=world.run, arm="candidate", error="").update(cost="0.001", latency_ms=120)
    write_tallies(world.run)
    pk = world.run.pk

    page = as_(cast.vera).get(f"/w/acme/runs/{pk}/compare/{pk}?old_arm=baseline").content.decode()

    assert f'href="/w/acme/runs/{pk}/cases/4"' in page and "four &lt;b&gt;bold" in page
    assert "No clear difference" in page and '<svg class="interval"' in page
    assert page.count('<svg class="chart"') == 2 and "<desc" in page and "The bars in numbers" in page
    assert "price not known for 60 answers" in page and "$0.0010" in page
    assert f'href="/w/acme/runs/{pk}/compare/{pk}?old_arm=candidate&amp;new_arm=baseline"' in page


def test_compare__entry_points__lead_there(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    vera, pk = as_(cast.vera), world.run.pk

    assert f'href="/w/acme/runs/{pk}/compare"' in vera.get(f"/w/acme/runs/{pk}").content.decode()
    choose = vera.get(f"/w/acme/runs/{pk}/compare").content.decode()
    suite = vera.get("/w/acme/suites/numbers").content.decode()
    evidence = vera.get("/w/acme/prompts/numbers/echo/diff/evidence?from=1&to=2").content.decode()

    assert f'href="/w/acme/runs/{pk}/compare/{pk}?old_arm=baseline"' in choose
    assert 'action="/w/acme/suites/numbers/compare"' in choose and 'action="/w/acme/suites/numbers/compare"' in suite
    assert f'href="/w/acme/runs/{pk}/compare/{pk}?old_arm=baseline"' in evidence


def test_versions__both_with_a_finished_run__lead_to_their_comparison(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    address = "/w/acme/suites/{}/compare?prompt=numbers/echo&from=1&to=2"

    there = as_(cast.vera).get(address.format("numbers"))
    waiting = as_(cast.ada).get(address.format("shape")).content.decode()
    building.work(world.waiting)
    ended = as_(cast.ada).get(address.format("shape"))

    assert there["Location"] == (
        f"/w/acme/runs/{world.run.pk}/compare/{world.run.pk}?old_arm=baseline&new_arm=candidate"
    )
    assert "is under way" in waiting and "no run has finished" not in waiting
    assert ended.status_code == 302


def test_versions__one_without_a_run__offers_to_start_one(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    world.waiting.chunks.all().delete()
    type(world.waiting).objects.filter(pk=world.waiting.pk).delete()
    address = "/w/acme/suites/shape/compare?prompt=numbers/echo&from=1&to=2"

    offered = as_(cast.ada).get(address).content.decode()
    reading = as_(cast.vera).get(address).content.decode()

    assert "/w/acme/runs/new?prompt=numbers/echo&amp;version=1&amp;suite=shape" in offered.replace("%2F", "/")
    assert "Start a run" not in reading and "no run has finished" in reading


def test_versions__not_named__are_not_found(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client = as_(cast.vera)

    for query in ("", "?prompt=numbers/echo", "?prompt=numbers/echo&from=1&to=x", "?prompt=a%00b&from=1&to=2"):
        assert client.get(f"/w/acme/suites/numbers/compare{query}").status_code == 404, query


def test_compare_page__whatever_it_shows__takes_as_many_queries(
    cast: Cast, world: Evaluated, as_: SignedIn, django_assert_num_queries
) -> None:
    client, address = as_(cast.vera), f"/w/acme/runs/{world.run.pk}/compare/{world.run.pk}?old_arm=baseline"

    for query in ("", "&flips=worse", "&page=9"):
        with django_assert_num_queries(14):
            client.get(address + query)


def test_history__of_a_suite__tells_each_version_with_its_interval(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    address = "/w/acme/suites/numbers/history?prompt=numbers/echo"
    page = as_(cast.vera).get(address).content.decode()
    for leading in (f"runs/{world.run.pk}", "prompts/numbers/echo/checks"):
        found = as_(cast.vera).get(f"/w/acme/{leading}", follow=True).content.decode()
        assert f'href="{address.replace("s/e", "s%2Fe")}"' in found
    (told,) = Api(cast.vera).get("suites/numbers/history?prompt=numbers/echo").json["results"]

    bounds = wilson(58, 59, 0.05)
    assert (told["version"], told["score"], told["case_count"]) == (2, pytest.approx(58 / 59), 59)
    assert (told["lower"], told["upper"]) == (pytest.approx(bounds.lower), pytest.approx(bounds.upper))
    assert "v2: 98.3" in page and '<svg class="chart"' in page
    assert Api(cast.vera).get("suites/numbers/history").status == 422


def test_compare_evidence__of_many_flips__shows_as_many_as_are_read_and_counts_the_rest(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    first, wrong = world.prompt.versions.get(number=1), builders.version(cast.ada, world.prompt, "Say it.")
    run = building.work(start_run(cast.ada, wrong, world.suite, baseline=first))

    page = as_(cast.vera).get("/w/acme/prompts/numbers/echo/diff/evidence?from=1&to=3").content.decode()

    assert len(re.findall(rf"/w/acme/runs/{run.pk}/cases/\d+\?status=flipped", page)) == 6
    assert "and 54 more</a>" in page
