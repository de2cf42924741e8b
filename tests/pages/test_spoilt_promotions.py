"""What readers are led to where a version should not go live: its evidence failed, or it was put away."""

import re

import pytest

from prompts_app.actions.promotions import open_promotion, set_ready
from prompts_app.models import CheckState, Promotion, Prompt
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import fresh, go_live, policy, post, suite

LOOSE = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}
GATED = {**LOOSE, "approvals": 1, "require_suites": True}
NAME = "support/triage"
NEW = f"/w/acme/prompts/{NAME}/promotions"


@pytest.fixture
def prompt(cast: Cast) -> Prompt:
    """Three versions; the first is live in production, where a suite is required."""
    policy(cast, "production", **LOOSE)
    made = builders.prompt(cast.ada, NAME, text="a")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    for text in ("b", "c"):
        builders.version(cast.ada, made, text)
    suite(cast.olga, made)
    policy(cast, "production", **GATED)
    return made


@pytest.fixture
def failed(cast: Cast, prompt: Prompt) -> Promotion:
    row = open_promotion(
        cast.ada, prompt.versions.select_related("prompt").get(number=2), cast.environment("production")
    )
    post(row.version, row.environment, CheckState.FAILED)
    return row


def blockers_of(page: str) -> str:
    return page.partition('id="blockers"')[2].partition("</section>")[0]


def test_promotion__whose_suite_failed__says_so_first_and_approving_is_not_its_main_button(
    cast: Cast, as_: SignedIn, failed: Promotion
) -> None:
    policy(cast, "production", require_predecessor=True)
    address = f"/w/acme/promotions/{failed.pk}"

    grace, ada = (as_(one).get(address).content.decode() for one in (cast.grace, cast.ada))

    codes = re.findall(r'data-code="([^"]*)"', grace)
    assert codes[0] == "check.suite/intents.failed" and "predecessor.missing" in codes
    assert "What speaks against v2" in grace and "Promote it there" not in grace
    approve = re.search(r'<button class="([^"]*)" type="submit" formaction="[^"]*/approve"', grace)
    assert approve and "primary" not in approve[1]
    editor = f'<a class="btn small" href="/w/acme/prompts/{NAME}/drafts/edit">Save a better version</a>'
    assert editor in blockers_of(ada) and editor not in grace


def test_promotion__whose_suite_failed__is_not_offered_to_go_live_when_ready(
    cast: Cast, as_: SignedIn, failed: Promotion
) -> None:
    address = f"/w/acme/promotions/{failed.pk}"

    alone = as_(cast.rosa).get(address).content.decode()
    set_ready(cast.rosa, fresh(failed), stamp=None)
    chosen = as_(cast.rosa).get(address).content.decode()
    post(failed.version, failed.environment, CheckState.ERROR)
    again = as_(cast.rosa).get(address).content.decode()

    assert "Promote when ready" not in alone
    assert "Do not promote when ready" in chosen and "goes live by itself" not in blockers_of(chosen)
    assert "goes live by itself" in blockers_of(again)
