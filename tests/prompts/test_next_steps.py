"""What stands in the way, told to each reader: what they can do, whom the rest waits for, and one sentence over it."""

from prompts_app.actions.promotions import open_promotion
from prompts_app.models import CheckState, Promotion, Vote
from prompts_app.next_steps import NextSteps, next_steps
from prompts_app.promotion_queries import review_of
from registry.core.actor import Actor
from tests.builders import Cast, prompt, version
from tests.scenes import approve, fresh, go_live, policy, post, suite

GATED = {"approvals": 1, "require_predecessor": False, "require_suites": True, "min_suites": 0}


def asked(cast: Cast) -> Promotion:
    """Ada's second version, waiting for production, where the first is live."""
    policy(cast, "production", **{**GATED, "approvals": 0, "require_suites": False})
    made = prompt(cast.ada, "p", text="a")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    policy(cast, "production", **GATED)
    return open_promotion(cast.ada, version(cast.ada, made, "b"), cast.environment("production"))


def steps(row: Promotion, actor: Actor) -> NextSteps:
    return next_steps(review_of(fresh(row), actor), actor)


def codes(found: NextSteps) -> tuple[list[str], list[str]]:
    return [one.blocker.code for one in found.mine], [one.blocker.code for one in found.others]


def test_steps__an_approval_is_missing__the_reviewer_can_give_it_and_the_author_reads_who_can(cast: Cast) -> None:
    row = asked(cast)

    grace, ada = steps(row, cast.grace), steps(row, cast.ada)

    assert codes(grace) == (["approvals.insufficient"], [])
    assert (grace.mine[0].link, grace.mine[0].label) == ("#your-review", "Review it")
    assert grace.sentence == "Not yet: 0 of 1 approvals. You can see to it now."
    assert codes(ada) == ([], ["approvals.insufficient"])
    assert ada.sentence == "Not yet: 0 of 1 approvals. It waits for Grace or Olga or Rosa."


def test_steps__a_failed_suite_and_no_approval__are_apart_by_who_can_help(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)
    post(row.version, row.environment, CheckState.FAILED)

    grace, vera = steps(row, cast.grace), steps(row, cast.vera)

    assert set(codes(grace)[0]) == {"check.suite/intents.failed", "approvals.insufficient"}
    assert codes(vera) == ([], [*codes(vera)[1]]) and len(vera.others) == 2
    assert "suite/intents failed" in vera.sentence and "waits for Ada or an editor or" in vera.sentence


def test_steps__nothing_in_the_way__says_who_applies_and_not_that_a_reader_may_not(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row)

    assert steps(row, cast.rosa).sentence == "Nothing stands in the way. You can apply it."
    assert steps(row, cast.ada).sentence == "Nothing stands in the way. Olga or Rosa can apply it."
    assert codes(steps(row, cast.ada)) == ([], [])


def test_steps__something_else_went_live__an_editor_rebases_with_one_press(cast: Cast) -> None:
    row = asked(cast)
    policy(cast, "production", **{**GATED, "approvals": 0, "require_suites": False})
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")

    mine = {one.blocker.code: one for one in steps(row, cast.ada).mine}

    assert (mine["base.moved"].verb, mine["base.moved"].label) == ("rebase", "Rebase onto what is live")


def test_steps__changes_were_requested__only_who_asked_or_an_admin_clears_it(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row, Vote.REQUEST_CHANGES)

    assert "approvals.changes_requested" in codes(steps(row, cast.grace))[0]
    assert "approvals.changes_requested" in codes(steps(row, cast.olga))[0]
    assert "approvals.changes_requested" in codes(steps(row, cast.ada))[1]
