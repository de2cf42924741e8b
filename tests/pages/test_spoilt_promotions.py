"""What readers are led to where a version should not go live: its evidence failed, or it was put away."""

import re

import pytest

from prompts_app.actions.promotions import open_promotion, set_ready
from prompts_app.actions.rollback import roll_back
from prompts_app.actions.versions import yank_version
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
    assert "what it replaces, the time it is scheduled for or where it goes changes" in grace
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


def test_promotion_form__of_a_version_that_failed__says_so_and_beside_what_wherever_it_would_go(
    cast: Cast, as_: SignedIn, failed: Promotion
) -> None:
    ada = as_(cast.ada)

    pages = [
        ada.get(f"{NEW}?version={number}&environment={place}").content.decode()
        for number, place in ((2, "production"), (3, "production"), (2, "staging"))
    ]

    said = "v2 failed “suite/intents”</strong> beside v1, live in Production."
    assert [said in page for page in pages] == [True, False, True]


def test_promotion_form__after_going_back__says_what_is_quarantined_and_proposes_another(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    policy(cast, "staging", **LOOSE)
    policy(cast, "production", **LOOSE)
    newest = prompt.versions.select_related("prompt").get(number=3)
    go_live(cast, newest, "staging")
    go_live(cast, newest, "production")
    roll_back(cast.rosa, prompt, cast.environment("production"), reason="It was rude")
    ada = as_(cast.ada)

    proposed, asked = (ada.get(f"{NEW}{query}").content.decode() for query in ("", "?version=3&environment=production"))

    assert '<option value="2" selected>v2' in proposed and '<option value="production" selected>' in proposed
    assert "v3 · quarantined in Production</option>" in proposed and "v3 is quarantined in Production<" not in proposed
    assert "<strong>v3 is quarantined in Production</strong>" in asked


def test_promotion_form__of_a_yanked_version__says_so_at_the_choice_and_below(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    builders.version(cast.ada, prompt, "d")  # so that the third one is live nowhere
    yank_version(cast.ada, prompt.versions.select_related("prompt").get(number=3), reason="Wrong")
    ada = as_(cast.ada)

    page = ada.get(f"{NEW}?version=3").content.decode()

    assert "v3 · yanked</option>" in page and "<strong>v3 was yanked</strong>" in page
