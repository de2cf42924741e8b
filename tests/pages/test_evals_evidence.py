"""What the pages of prompts and promotions load from here: evidence, and the runs that are missing."""

from collections.abc import Iterator

import pytest

from evals_app.models import Run, SuiteAttachment
from evals_app.scripted_provider import Rule
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated, evaluated

HTMX = {"HX-Request": "true"}
CHECKS = "/w/acme/prompts/numbers/echo/checks"


@pytest.fixture
def world(cast: Cast) -> Iterator[Evaluated]:
    with evaluated(cast) as made:
        yield made


def test_checks_panel__of_the_newest_version__says_what_each_suite_says(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    panel = as_(cast.vera).get(CHECKS, headers=HTMX).content.decode()

    assert "<html" not in panel and "what they say of v2" in panel
    assert f'href="/w/acme/runs/{world.run.pk}"' in panel and "Passed" in panel and "against v1" in panel
    assert "0/360" in panel and 'hx-trigger="every 2s"' in panel
    assert "Run what is missing" not in panel


def test_checks_panel__of_a_version_nobody_asked_about__runs_what_is_missing(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    building.work(world.waiting)
    builders.version(cast.ada, world.prompt, "Third {{ q }}")
    client, path = as_(cast.ada), "/w/acme/prompts/numbers/echo/versions/3/checks"

    panel = client.get(CHECKS, headers=HTMX).content.decode()
    started = client.post(f"{path}/run", {"back": "version"})
    again = client.post(f"{path}/run", {"back": "prompt"})

    assert panel.count("No evidence yet") == 2 and "Run what is missing" in panel
    assert started["Location"] == "/w/acme/prompts/numbers/echo/versions/3"
    assert again["Location"] == "/w/acme/prompts/numbers/echo"
    runs = Run.objects.filter(candidate__number=3)
    assert sorted(run.suite_version.suite.slug for run in runs) == ["numbers", "shape"]
    assert {run.baseline.number for run in runs if run.baseline} == {1}
    assert as_(cast.vera).post(f"{path}/run").status_code == 403


def test_checks_panel__attaches_a_suite_from_the_prompts_page(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    building.suite(cast.ada, "third")
    client = as_(cast.ada)

    assert "Attach a suite" in client.get(CHECKS, headers=HTMX).content.decode()
    done = client.post(f"{CHECKS}/attach", {"suite": "third", "run_on": "promotion", "required": "on"})

    assert done["Location"] == "/w/acme/prompts/numbers/echo"
    assert SuiteAttachment.objects.get(suite__slug="third").is_required


def test_promotion_evidence__of_required_suites__shows_verdict_interval_and_flips(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.grace), f"/w/acme/promotions/{world.promotion.pk}"

    fragment = client.get(f"{path}/evidence", headers=HTMX).content.decode()
    whole = client.get(f"{path}/evidence").content.decode()

    assert f'hx-get="{path}/evidence"' in client.get(path).content.decode()
    assert "<html" not in fragment and "<html" in whole
    assert "Not worse than the live version" in fragment and '<svg class="interval"' in fragment
    assert f"/w/acme/runs/{world.run.pk}/cases/4?status=flipped" in fragment and "case-4<" not in fragment
    assert "Shape" not in fragment and "Run what is missing" not in fragment
    assert "Measured otherwise than what is live was:" in fragment and "new since: 60 cases" in fragment


def test_promotion_evidence__gone_stale__is_run_again_on_request(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    from evals_app.actions.suites import save_suite_version

    save_suite_version(
        cast.grace, world.suite, {"cases": building.cases(50), "scorers": [{"kind": "contains"}], "margin": 0.1}
    )
    world.provider.script(Rule(latency_s=0.01))
    client, path = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}/evidence"

    stale = client.get(path, headers=HTMX).content.decode()
    started = client.post(f"{path}/run")
    moving = client.get(path, headers=HTMX).content.decode()
    building.work_all()
    ended = client.get(f"{path}?moving=1", headers=HTMX).content.decode()

    assert "Stale" in stale and "Run what is missing" in stale
    assert started["Location"] == f"/w/acme/promotions/{world.promotion.pk}"
    assert "0 of 300 answers" in moving and 'hx-trigger="every 2s"' in moving
    assert "hx-trigger" not in ended and "Passed" in ended and "Reload to see what it changes" in ended


def test_compare_evidence__between_two_versions__is_what_was_asked_of_them(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), "/w/acme/prompts/numbers/echo/diff/evidence"

    fragment = client.get(f"{path}?from=1&to=2", headers=HTMX).content.decode()
    other_way = client.get(f"{path}?from=2&to=1", headers=HTMX).content.decode()

    assert "case-3" in fragment and "<html" not in fragment
    assert "Score by score" in fragment and "Latency of an answer, median" in fragment
    for score in ("passes", "contains", "regex"):
        assert f'<th scope="row">{score}</th>' in fragment
    assert "No suite was asked of the two" in other_way
    assert client.get(path).status_code == 404
    assert client.get(f"{path}?from=1&to=9").status_code == 404
