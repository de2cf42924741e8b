"""What a version or a promotion lacks, and the way to it: runs that go on, suites that are not required yet."""

import re
from datetime import timedelta

import pytest

from evals_app.actions.runs import cancel_run, start_run
from evals_app.models import Run, RunState, SuiteAttachment
from evals_app.scripted_provider import Rule
from evals_app.views import evidence
from prompts_app.actions import promotions
from prompts_app.models import RequiredCheck
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated

HTMX = {"HX-Request": "true"}
CHECKS = "/w/acme/prompts/numbers/echo/checks"


def test_checks_panel__of_a_run_that_ended_in_errors__asks_only_those_again(
    cast: Cast, world: Evaluated, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "STARTS_WITHIN", timedelta())
    SuiteAttachment.objects.filter(suite__slug="shape").delete()
    world.provider.script(Rule(anywhere="Third 1", status=400))
    third = builders.version(cast.ada, world.prompt, "Third {{ q }}")
    live = world.prompt.versions.select_related("prompt").get(number=1)
    run = building.work(start_run(cast.ada, third, world.suite, baseline=live))
    client, path = as_(cast.ada), "/w/acme/prompts/numbers/echo/versions/3/checks"

    panel = client.get(CHECKS, headers=HTMX).content.decode()
    world.provider.script()
    before = world.provider.calls
    client.post(f"{path}/run", {"back": "version"})
    said = client.get("/w/acme/prompts/numbers/echo").content.decode()
    again = building.work(Run.objects.get(pk=run.pk))

    assert run.state == RunState.ERROR and "Run the 11 errors again" in panel
    assert "Asking again where no answer came" in said
    assert world.provider.calls - before == 11 and again.state == RunState.FINISHED
    assert Run.objects.filter(candidate=third).count() == 1


def test_checks_panel__of_a_run_that_was_cancelled__goes_on_with_it(
    cast: Cast, world: Evaluated, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "STARTS_WITHIN", timedelta())
    SuiteAttachment.objects.filter(suite__slug="numbers").delete()
    cancel_run(cast.ada, world.waiting)
    client = as_(cast.ada)

    panel = client.get(CHECKS, headers=HTMX).content.decode()
    client.post("/w/acme/prompts/numbers/echo/versions/2/checks/run", {"back": "version"})

    assert "Ask the 360 that have no answer" in panel
    assert Run.objects.get(suite_version__suite__slug="shape").state == RunState.QUEUED


def test_promotion__where_nothing_is_live__says_that_its_suites_look_at_it_on_its_own(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    row = promotions.open_promotion(cast.ada, world.run.candidate, cast.environment("staging"))
    client = as_(cast.ada)

    first = client.get(f"/w/acme/promotions/{row.pk}").content.decode()
    second = client.get(f"/w/acme/promotions/{world.promotion.pk}").content.decode()

    assert "on its own: nothing is live in Staging" in first and "against what is live" not in first
    assert "against what is live in Production" in second


def test_promotion__lacking_a_required_suite__says_which_there_are_and_leads_to_what_does_it(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), f"/w/acme/promotions/{world.promotion.pk}"
    back = f"back=%2Fw%2Facme%2Fpromotions%2F{world.promotion.pk}"
    RequiredCheck.objects.all().delete()
    SuiteAttachment.objects.update(is_required=False)
    several = client.get(path).content.decode()
    SuiteAttachment.objects.filter(suite__slug="shape").delete()
    one = client.get(path).content.decode()
    SuiteAttachment.objects.all().delete()
    none = client.get(path).content.decode()
    panel = client.get(f"{CHECKS}?{back}", headers=HTMX).content.decode()

    needs = "This prompt needs a required suite to go live here, and has none."
    assert f"{needs} “Numbers” and “Shape” are attached to it, but not required." in several
    assert f'href="/w/acme/prompts/numbers/echo?{back}#checks-panel">Require one of them</a>' in several
    assert f"{needs} “Numbers” is attached to it, but not required." in one and ">Require it</a>" in one
    assert f"{needs} No suite is attached to it." in none and ">Attach a suite</a>" in none
    assert re.search(r"<details[^>]* open>\s*<summary[^>]*>Attach a suite", panel)
    assert 'name="required" checked' in panel


def test_promotion__where_there_is_no_suite_at_all__leads_to_making_one(cast: Cast, as_: SignedIn) -> None:
    scenes.policy(cast, "staging", approvals=0, require_predecessor=False, require_suites=True, min_suites=1)
    prompt = builders.prompt(cast.ada, "numbers/echo", text="{{ q }}")
    version = prompt.versions.select_related("prompt").get()
    row = promotions.open_promotion(cast.ada, version, cast.environment("staging"))

    page = as_(cast.ada).get(f"/w/acme/promotions/{row.pk}").content.decode()

    assert "and has none. There is no suite to attach yet." in page
    way = f"prompt=numbers%2Fecho&amp;required=on&amp;back=%2Fw%2Facme%2Fpromotions%2F{row.pk}"
    assert f'href="/w/acme/new-suite?{way}">Make a suite</a>' in page
