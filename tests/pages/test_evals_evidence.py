"""What the pages of prompts and promotions load from here: evidence, and the runs that are missing."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from evals_app.actions.runs import start_run
from evals_app.actions.suites import save_suite_version
from evals_app.metric_lines import metrics_of
from evals_app.models import Run, Suite, SuiteAttachment
from evals_app.scripted_provider import Rule
from evals_app.views import evidence
from prompts_app.actions import promotions
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.promotions import close, schedule
from prompts_app.asked_evidence import NEEDS_CHECKS, STARTS_WITHIN
from prompts_app.facts import subject_of
from prompts_app.models import RequiredCheck
from registry.core.models import Notification, OutboxMessage
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated

HTMX = {"HX-Request": "true"}
CHECKS = "/w/acme/prompts/numbers/echo/checks"


def test_checks_panel__of_the_newest_version__says_what_each_suite_says(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    panel = as_(cast.vera).get(CHECKS, headers=HTMX).content.decode()

    assert "<html" not in panel and "what they say of v2" in panel
    assert f'href="/w/acme/runs/{world.run.pk}"' in panel and "Passed" in panel and "against v1" in panel
    assert "0/360" in panel and 'hx-trigger="every 2s"' in panel
    assert "Run what is missing" not in panel
    in_full = as_(cast.vera).get(f"/w/acme/promotions/{world.promotion.pk}/evidence", headers=HTMX).content.decode()
    word = metrics_of([world.run])[world.run.pk][0].word
    assert word and all(f'<span class="small-text">{word}</span>' in page for page in (panel, in_full))


def test_checks_panel__of_a_version_nobody_asked_about__runs_what_is_missing(
    cast: Cast, world: Evaluated, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "STARTS_WITHIN", timedelta())
    building.work(world.waiting)
    builders.version(cast.ada, world.prompt, "Third {{ q }}")
    client, path = as_(cast.ada), "/w/acme/prompts/numbers/echo/versions/3/checks"

    panel = client.get(CHECKS, headers=HTMX).content.decode()
    started = client.post(f"{path}/run", {"back": "version"})
    again = client.post(f"{path}/run", {"back": "prompt"})

    assert panel.count("No evidence yet") == 2 and "Run what is missing: 480 questions" in panel
    assert started["Location"] == "/w/acme/prompts/numbers/echo/versions/3"
    assert again["Location"] == "/w/acme/prompts/numbers/echo"
    runs = Run.objects.filter(candidate__number=3)
    assert sorted(run.suite_version.suite.slug for run in runs) == ["numbers", "shape"]
    assert {run.baseline.number for run in runs if run.baseline} == {1}
    assert as_(cast.vera).post(f"{path}/run").status_code == 403


def test_checks_panel__of_a_version_saved_just_now__says_that_its_runs_start_by_themselves(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    building.work(world.waiting)
    builders.version(cast.ada, world.prompt, "Third {{ q }}")
    building.suite(cast.ada, "later")
    as_(cast.ada).post(f"{CHECKS}/attach", {"suite": "later", "run_on": "new_version"})

    panel = as_(cast.ada).get(CHECKS, headers=HTMX).content.decode()

    assert panel.count("starts by itself") == 1 and panel.count("No evidence yet") == 2
    assert "Run what is missing" not in panel and 'hx-trigger="every 2s"' in panel


def test_checks_panel__once_its_runs_have_ended__has_the_stages_above_told_anew(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client = as_(cast.vera)

    under_way = client.get(f"{CHECKS}?moving=1", headers=HTMX)
    building.work(world.waiting)
    first, ended = client.get(CHECKS, headers=HTMX), client.get(f"{CHECKS}?moving=1", headers=HTMX)

    assert ("HX-Trigger" in under_way, "HX-Trigger" in first, ended["HX-Trigger"]) == (False, False, "suites-told")
    assert 'hx-trigger="suites-told from:body"' in client.get("/w/acme/prompts/numbers/echo").content.decode()


def test_checks_panel__a_suite_that_is_not_required__is_made_so_there(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    SuiteAttachment.objects.filter(suite__slug="shape").update(is_required=False, run_on="promotion")

    panel = client.get(CHECKS, headers=HTMX).content.decode()
    client.post(f"{CHECKS}/attach", {"suite": "shape", "run_on": "promotion", "required": "on"})

    assert (
        panel.count("Require it") == 1 and "Require it" not in as_(cast.vera).get(CHECKS, headers=HTMX).content.decode()
    )
    assert "Shape is required of numbers/echo." in client.get("/w/acme/prompts/numbers/echo").content.decode()
    made = SuiteAttachment.objects.get(suite__slug="shape")
    assert made.is_required and made.run_on == "promotion"


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

    assert f'hx-get="{path}/evidence?seen=' in client.get(path).content.decode()
    assert "<html" not in fragment and "<html" in whole
    assert "Not worse than the live version" in fragment and '<svg class="interval"' in fragment
    assert f"/w/acme/runs/{world.run.pk}/cases/4?status=flipped" in fragment and "case-4<" not in fragment
    assert re.search(r'was</span> [^<]+ <span class="quiet-text">is</span> [^<]+</span></li>', fragment)
    assert re.search(r"\d+ better, [1-9]\d* worse</span></th>", fragment)
    assert "Shape" not in fragment and "Run what is missing" not in fragment
    assert "Measured otherwise than what is live was:" in fragment and "new since: 60 cases" in fragment


def test_promotion_evidence__of_too_few_required_suites__names_those_that_are_attached_only(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"
    SuiteAttachment.objects.update(is_required=False)
    RequiredCheck.objects.all().delete()

    pending = client.get(f"{path}/evidence", headers=HTMX).content.decode()
    close(cast.ada, world.promotion, stamp=None)
    ended = client.get(f"{path}/evidence", headers=HTMX).content.decode()

    link = f'href="/w/acme/suites/numbers?back=%2Fw%2Facme%2Fpromotions%2F{world.promotion.pk}#attachments"'
    assert link in pending and "Numbers</a> is attached but not required" in pending
    assert "attached but not required" not in ended


def test_promotion__ended__does_not_judge_its_evidence_anew(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"

    def checks() -> str:
        return client.get(path).content.decode().partition('id="evidence"')[2].partition("</section>")[0]

    pending = checks()
    close(cast.ada, world.promotion, stamp=None)

    assert "<strong>Numbers</strong>" in pending and "Passed" in pending
    assert "Passed" not in checks() and "The evidence in full" in checks()


def test_promotion_evidence__of_one_that_ended_before_it_was_asked__is_told_as_past(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    candidate, production = builders.version(cast.ada, world.prompt, "Third {{ q }}"), cast.environment("production")
    row, client = promotions.open_promotion(cast.ada, candidate, production), as_(cast.ada)
    close(cast.ada, row, stamp=None)

    page = client.get(f"/w/acme/promotions/{row.pk}").content.decode()
    evidence = client.get(f"/w/acme/promotions/{row.pk}/evidence", headers=HTMX).content.decode()

    assert "against what was live in Production" in page and "Starts by itself" not in page + evidence
    assert "Never asked of this version against what was live." in evidence and "No evidence yet" not in evidence


def test_promotion__opened_just_now__asks_nobody_to_start_the_run_that_starts_by_itself(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    candidate, production = builders.version(cast.ada, world.prompt, "Third {{ q }}"), cast.environment("production")
    row, client = promotions.open_promotion(cast.ada, candidate, production), as_(cast.ada)
    page = f"/w/acme/promotions/{row.pk}"

    drawn = client.get(page).content.decode()
    starting = client.get(f"{page}/evidence", headers=HTMX).content.decode()
    still = client.get(f"{page}/evidence?moving=1&starting=1", headers=HTMX)
    builders.deliver()
    begun = client.get(f"{page}/evidence?moving=1&starting=1", headers=HTMX)
    running = client.get(page).content.decode()

    assert "its run starts by itself in a moment." in drawn and "Its answer comes by itself" in drawn
    assert "Run what is missing" not in drawn + starting and 'href="#checks"' not in drawn
    assert drawn.count("Starts by itself") == starting.count("Starts by itself") == 1
    assert "/evidence?moving=1&amp;starting=1" in starting and 'hx-trigger="every 2s"' in starting
    assert "HX-Trigger" not in still and "anew-" not in still.content.decode()
    assert "Its run has started" in begun["HX-Trigger"] and "anew-" in begun.content.decode()
    assert "“Numbers” is still running." in running


def test_promotion__no_run_has_started_by_itself__offers_to_start_it(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    candidate, production = builders.version(cast.ada, world.prompt, "Third {{ q }}"), cast.environment("production")
    row, client = promotions.open_promotion(cast.ada, candidate, production), as_(cast.ada)
    page = f"/w/acme/promotions/{row.pk}"
    asking = OutboxMessage.objects.filter(topic=NEEDS_CHECKS).order_by("pk").last()
    scenes.let_pass(asking, STARTS_WITHIN)

    overdue = client.get(f"{page}/evidence?moving=1&starting=1", headers=HTMX)

    assert "Run what is missing" in overdue.content.decode() and 'hx-trigger="every 2s"' not in overdue.content.decode()
    assert "no run for it has started by itself" in overdue["HX-Trigger"]
    assert "Run what is missing" in client.get(page).content.decode()


def test_promotion_evidence__gone_stale__is_run_again_on_request(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    from evals_app.actions.suites import save_suite_version

    builders.deliver()
    save_suite_version(
        cast.grace, world.suite, {"cases": building.cases(50), "scorers": [{"kind": "contains"}], "margin": 0.1}
    )
    world.provider.script(Rule(latency_s=0.01))
    client, page = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"
    path = f"{page}/evidence"

    stale = client.get(path, headers=HTMX).content.decode()
    started = client.post(f"{path}/run")
    moving = client.get(path, headers=HTMX).content.decode()
    building.work_all()
    answer = client.get(f"{path}?moving=1", headers=HTMX)
    ended = answer.content.decode()

    assert "Stale" in stale and "Run what is missing" in stale
    assert started["Location"] == f"/w/acme/promotions/{world.promotion.pk}"
    assert "0 of 300 answers" in moving and 'hx-trigger="every 2s"' in moving
    assert 'hx-trigger="every 2s"' not in ended and "Passed" in ended
    assert "The evidence is in" in answer["HX-Trigger"]
    assert f'hx-get="{page}?view=" hx-trigger="load" hx-target="#main" hx-select="#main"' in ended


def test_compare_evidence__between_two_versions__is_what_was_asked_of_them(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), "/w/acme/prompts/numbers/echo/diff/evidence"

    fragment = client.get(f"{path}?from=1&to=2", headers=HTMX).content.decode()
    other_way = client.get(f"{path}?from=2&to=1", headers=HTMX).content.decode()

    assert "case-3" in fragment and "<html" not in fragment
    assert "Score by score" in fragment and "Latency of an answer, median" in fragment
    for score in ("passes", "contains", "regex"):
        assert f'<th scope="row">{score}<span class="meta">' in fragment
    assert "all scorers together" in fragment and 'data-label="Difference"' in fragment
    assert "the other way round" in other_way and "the other way round" not in fragment
    assert "One run asked both, with v2 as the one that was to go live." in other_way
    beside = client.get(f"{path}?from=1&to=2&view=split", headers=HTMX).content.decode()
    line = beside.partition('id="verdicts" hx-swap-oob="true"')[2].partition("</p>")[0]
    assert 'href="#evidence"' in line and "100 %" in line and "98.3 %" in line and 'id="verdicts"' not in fragment
    assert client.get(path).status_code == 404
    assert client.get(f"{path}?from=1&to=9").status_code == 404


def test_compare_evidence__of_versions_that_only_other_runs_asked__tells_each_ones_score_and_of_which_run(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    first, third = world.prompt.versions.get(number=1), builders.version(cast.ada, world.prompt, "Third {{ q }}")
    path = "/w/acme/prompts/numbers/echo/diff/evidence?from=2&to=3"
    before = as_(cast.vera).get(path, headers=HTMX).content.decode()
    run = building.work(start_run(cast.ada, third, world.suite, baseline=first))

    seen, offered = (as_(who).get(path, headers=HTMX).content.decode() for who in (cast.vera, cast.ada))

    assert "no run has finished" in before and "Only one of the two has answered this suite." in before
    for one in (world.run, run):
        assert f'<a href="/w/acme/runs/{one.pk}">run {one.pk}</a>, beside v1' in seen
        line = metrics_of([one])[one.pk][0]
        assert f'<strong class="num">{line.now}</strong>' in seen
    assert "of two different runs, so no interval is told of the difference between v2 and v3" in seen
    assert f'href="/w/acme/runs/{world.run.pk}/compare/{run.pk}?old_arm=candidate&amp;new_arm=candidate"' in seen
    assert "Run the two side by side" not in seen
    assert "suite=numbers&amp;version=3&amp;baseline=version:2" in offered


def test_compare_evidence__of_versions_that_nobody_asked_about__says_so(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    for text in ("Third {{ q }}", "Fourth {{ q }}"):
        builders.version(cast.ada, world.prompt, text)

    page = as_(cast.vera).get("/w/acme/prompts/numbers/echo/diff/evidence?from=3&to=4", headers=HTMX).content.decode()

    assert "No suite was asked of either version." in page


def test_promotion_evidence__of_a_page_that_stays_open__tells_that_a_vote_came(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"
    world.promotion.refresh_from_db()
    first = {"seen": world.promotion.edition, "subject": subject_of(world.promotion).hash, "view": "split"}

    drawn = client.get(f"{path}/evidence", headers=HTMX).content.decode()
    before = client.get(f"{path}/evidence", {**first, "watch": "1"}, headers=HTMX)
    scenes.approve(cast.grace, world.promotion)
    voted = client.get(f"{path}/evidence", {**first, "watch": "1"}, headers=HTMX)
    apply_promotion(cast.rosa, scenes.fresh(world.promotion), stamp=None)
    applied = client.get(f"{path}/evidence", {**first, "watch": "1"}, headers=HTMX)

    assert f"watch=1&amp;seen={world.promotion.edition}&amp;" in drawn and 'hx-trigger="every 5s, ' in drawn
    assert before.status_code == 204
    assert "Something about this promotion has changed" in voted["HX-Trigger"]
    assert f'hx-get="{path}?view=split" hx-trigger="load" hx-target="#main"' in voted.content.decode()
    assert "is live in Production now" in applied["HX-Trigger"] and "every 5s" not in applied.content.decode()


def test_promotion_evidence__of_another_subject_than_the_page_has__is_told_to_whoever_may_vote(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    address = f"/w/acme/promotions/{world.promotion.pk}/evidence"
    world.promotion.refresh_from_db()
    first = {"seen": world.promotion.edition, "subject": subject_of(world.promotion).hash, "watch": "1"}
    schedule(cast.rosa, world.promotion, stamp=None, at=timezone.now() + timedelta(days=1))

    grace, vera = (as_(who).get(address, first, headers=HTMX) for who in (cast.grace, cast.vera))

    assert "What is asked for here has changed" in grace.content.decode()
    assert 'hx-target="#main"' not in grace.content.decode() and "HX-Trigger" not in grace
    assert 'hx-target="#main"' in vera.content.decode() and "HX-Trigger" in vera


def test_compare_evidence__of_a_run_under_way__looks_again_until_it_has_ended(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), "/w/acme/prompts/numbers/echo/diff/evidence?from=1&to=2"

    moving = client.get(path, headers=HTMX).content.decode()
    again = client.get(f"{path}&moving=1", headers=HTMX).content.decode()
    building.work(world.waiting)
    ended = client.get(path, headers=HTMX).content.decode()

    asks = f'hx-get="{path.replace("&", "&amp;")}&amp;moving=1" hx-trigger="every 2s"'
    assert asks in moving and asks in again, "however often it asks, the address stays"
    assert "hx-trigger" not in ended


def test_suite__with_a_title__goes_by_it_wherever_people_read_of_its_check(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    Suite.objects.filter(slug="numbers").update(title="Says the number")
    ada, address = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"
    builders.deliver()
    save_suite_version(cast.olga, world.suite, {"cases": building.cases(60), "scorers": [{"kind": "contains"}]})

    def page(path: str) -> str:
        return ada.get(path).content.decode()

    promotion, version, record = (
        page(one) for one in (address, "/w/acme/prompts/numbers/echo/versions/2", f"{address}/record")
    )

    assert "Not yet: “Says the number” rests on evidence that no longer fits" in promotion
    assert "“Says the number” rests on evidence that no longer fits: run it again." in promotion
    assert "<strong>Says the number</strong>" in promotion
    assert '>Says the number</a> <code class="small-text">suite/numbers</code>' in version
    assert "<td>Says the number <code>suite/numbers</code></td>" in record
    assert "Run “Says the number”: it has not answered for this" in page("/w/acme/reviews")
    assert "Says the number on numbers/echo v2" in page("/w/acme/search?q=says+number")
    assert "<code>numbers</code> · v2" in page("/w/acme/suites")


def test_suite__with_a_title__goes_by_it_in_news(cast: Cast, world: Evaluated) -> None:
    Suite.objects.filter(slug="shape").update(title="Keeps its form")
    world.provider.script(Rule(anywhere="Now", answer="none of it"))
    building.work(world.waiting)
    builders.deliver()

    news = Notification.objects.filter(user__name="Ada").values_list("text", flat=True)
    assert any(one.startswith("“Keeps its form” ") for one in news), list(news)
