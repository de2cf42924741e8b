"""What promotions wait for, as their list says it: the same as their own pages judge, in two or three words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import acknowledge_breaking, open_promotion, schedule
from prompts_app.actions.rollback import roll_back
from prompts_app.actions.versions import yank_version
from prompts_app.models import CheckState, Promotion, Vote
from prompts_app.obstacle_queries import waits_of
from prompts_app.promotion_queries import Filter, promotions, review_of
from tests.builders import Cast, prompt, version
from tests.pages.conftest import SignedIn
from tests.scenes import approve, fresh, go_live, in_minutes, let_pass, policy, post, suite

GATED = {"approvals": 1, "require_predecessor": False, "require_suites": True, "min_suites": 0}


def asked(cast: Cast, **rules: Any) -> Promotion:
    """Ada's second version, waiting for production, where the first is live."""
    policy(cast, "production", approvals=0, require_predecessor=False, require_suites=False, min_suites=0)
    made = prompt(cast.ada, "p", text="a")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    policy(cast, "production", **{**GATED, **rules})
    return open_promotion(cast.ada, version(cast.ada, made, "b"), cast.environment("production"))


def said(cast: Cast, row: Promotion) -> str:
    rows = list(promotions(cast.workspace.pk, Filter()))
    found = waits_of(cast.workspace.pk, rows)[row.pk].words
    is_clear = found in ("Ready to promote", "Scheduled")
    blocking = [one for one in review_of(fresh(row), cast.rosa).standing if one.code != "schedule.not_due"]
    assert is_clear is not bool(blocking), (found, blocking)
    return found


def _nothing(cast: Cast, row: Promotion) -> None:
    approve(cast.grace, row)


def _no_approval(cast: Cast, row: Promotion) -> None:
    """As it was opened."""


def _by_its_author(cast: Cast, row: Promotion) -> None:
    """A vote of somebody who may not."""
    Promotion.objects.filter(pk=row.pk).update(author=cast.grace.member_id)
    approve(cast.olga, row)
    policy(cast, "production", approvals=2)


def _posted(state: CheckState | None) -> Callable[[Cast, Promotion], None]:
    def pose(cast: Cast, row: Promotion) -> None:
        suite(cast.olga, row.prompt)
        if state:
            post(row.version, row.environment, state)

    return pose


def _lint_missing(cast: Cast, row: Promotion) -> None:
    policy(cast, "production", external_checks=["lint"])


def _changes(cast: Cast, row: Promotion) -> None:
    approve(cast.grace, row, Vote.REQUEST_CHANGES)


def _moved(cast: Cast, row: Promotion) -> None:
    policy(cast, "production", approvals=0)
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")


def _yanked(cast: Cast, row: Promotion) -> None:
    version(cast.ada, row.prompt, "c")
    yank_version(cast.rosa, row.version, reason="wrong")


def _frozen(cast: Cast, row: Promotion) -> None:
    until = {"starts_at": in_minutes(-1), "ends_at": in_minutes(60)}
    freeze_environment(cast.olga, row.environment, **until, reason="the launch")


def _suites(cast: Cast, row: Promotion) -> None:
    policy(cast, "production", min_suites=1)


def _staging(cast: Cast, row: Promotion) -> None:
    policy(cast, "production", require_predecessor=True)


def _soaking(cast: Cast, row: Promotion) -> None:
    policy(cast, "production", require_predecessor=True, soak_minutes=60)
    policy(cast, "staging", require_predecessor=False)
    go_live(cast, row.version, "staging")


def _scheduled(cast: Cast, row: Promotion) -> None:
    schedule(cast.rosa, row, stamp=None, at=in_minutes(60))
    approve(cast.grace, row)


def _scheduled_without_approval(cast: Cast, row: Promotion) -> None:
    schedule(cast.rosa, row, stamp=None, at=in_minutes(60))


@pytest.mark.parametrize(
    ("pose", "words"),
    [
        (_nothing, "Ready to promote"),
        (_no_approval, "Waits for approval"),
        (_by_its_author, "Waits for approval"),
        (_posted(None), "Waits for a suite"),
        (_posted(CheckState.PENDING), "Suite running"),
        (_posted(CheckState.FAILED), "Blocked: suite failed"),
        (_posted(CheckState.ERROR), "Blocked: suite error"),
        (_posted(CheckState.INCONCLUSIVE), "Blocked: suite inconclusive"),
        (_posted(CheckState.PASSED), "Waits for approval"),
        (_lint_missing, "Waits for a check"),
        (_changes, "Changes requested"),
        (_moved, "Needs a rebase"),
        (_yanked, "Blocked: version yanked"),
        (_frozen, "Blocked: frozen"),
        (_suites, "Needs a suite"),
        (_staging, "Waits for Staging"),
        (_soaking, "Waits for Staging"),
        (_scheduled, "Scheduled"),
        (_scheduled_without_approval, "Waits for approval"),
    ],
)
def test_list__open_promotion__says_what_it_waits_for_as_its_own_page_judges(
    cast: Cast, pose: Callable[[Cast, Promotion], None], words: str
) -> None:
    row = asked(cast)
    pose(cast, row)

    assert said(cast, row) == words


def test_list__what_was_kept__is_told_anew_once_something_has_changed(cast: Cast, as_: SignedIn) -> None:
    row = asked(cast)
    client = as_(cast.vera)

    def shown() -> str:
        page = client.get("/w/acme/promotions").content.decode()
        return page.rpartition('<span class="status-word">')[2].partition("<")[0]

    before = shown()
    approve(cast.grace, row)
    approved = shown()
    freeze = freeze_environment(
        cast.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(60), reason="the launch"
    )
    frozen = shown()
    freeze.cancelled_at = in_minutes(0)
    freeze.save()

    assert [before, approved, frozen, shown()] == [
        "Waits for approval",
        "Ready to promote",
        "Blocked: frozen",
        "Ready to promote",
    ]


def test_list__soak_that_has_ended__is_not_waited_for(cast: Cast) -> None:
    row = asked(cast, require_predecessor=True, soak_minutes=60)
    policy(cast, "staging", require_predecessor=False)
    deployment = go_live(cast, row.version, "staging")
    approve(cast.grace, row)
    soaking = said(cast, row)
    let_pass(deployment, timedelta(minutes=61))
    policy(cast, "production", soak_minutes=59)

    assert (soaking, said(cast, row)) == ("Waits for Staging", "Ready to promote")


def test_list__breaking_change__blocks_until_it_is_acknowledged(cast: Cast) -> None:
    policy(cast, "production", approvals=0, require_predecessor=False, require_suites=False, min_suites=0)
    made = prompt(cast.ada, "p", text="a {{ name }}")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    row = open_promotion(cast.ada, version(cast.ada, made, "a {{ other }}"), cast.environment("production"))
    before = said(cast, row)
    acknowledge_breaking(cast.ada, row, stamp=None)

    assert (before, said(cast, row)) == ("Blocked: breaking change", "Ready to promote")


def test_list__content_that_was_rolled_back__is_quarantined(cast: Cast) -> None:
    row = asked(cast, approvals=0)
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")
    roll_back(cast.rosa, row.prompt, row.environment, reason="worse")
    again = open_promotion(cast.ada, row.prompt.versions.select_related("prompt").get(number=3), row.environment)

    assert said(cast, again) == "Blocked: quarantined"


def test_list__of_ended_ones__says_how_they_ended(cast: Cast, as_: SignedIn) -> None:
    row = asked(cast, approvals=0)
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")

    page = as_(cast.vera).get("/w/acme/promotions?state=applied").content.decode()

    assert '<span class="status-word">Promoted</span>' in page
    assert waits_of(cast.workspace.pk, list(promotions(cast.workspace.pk, Filter(state="applied")))) == {}
