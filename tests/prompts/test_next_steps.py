"""What stands in the way, told to each reader: what they can do, whom the rest waits for, and one sentence over it."""

from datetime import timedelta

from django.utils import timezone

from prompts_app.actions.environments import freeze_environment
from prompts_app.actions.promotions import close, open_promotion, schedule, set_ready
from prompts_app.actions.reviews import comment
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.versions import yank_version
from prompts_app.blocker_words import overridden
from prompts_app.models import CheckState, Promotion, Vote
from prompts_app.next_steps import NextSteps, checks_first, next_steps
from prompts_app.promotion_queries import review_of
from registry.core.actions.invitations import create_invitation, revoke_invitation
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.models import Member
from tests.builders import Cast, again, deliver, join, prompt, version
from tests.scenes import approve, fresh, go_live, in_minutes, policy, post, suite

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
    assert grace.asks_vote and not ada.asks_vote
    assert grace.deeds == grace.waits == ada.waits == (), "the sentence has said it"
    assert grace.sentence == "Not yet: 0 of 1 approvals. You can approve it now. Then Rosa or Olga can promote it."
    assert codes(ada) == ([], ["approvals.insufficient"])
    assert ada.sentence == "Not yet: 0 of 1 approvals. It waits for Grace, Olga or Rosa."


def test_steps__a_failed_suite_and_no_approval__are_apart_by_who_can_help(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)
    post(row.version, row.environment, CheckState.FAILED)

    grace, vera = steps(row, cast.grace), steps(row, cast.vera)

    assert codes(grace) == (["approvals.insufficient"], ["check.suite/intents.failed"])
    assert (grace.asks_vote, grace.deeds, grace.waits, grace.against) == (True, (), (), grace.others)
    assert [one.link for one in vera.against] == ["#checks"] and (*vera.against, *vera.waits) == vera.others
    assert codes(steps(row, cast.ada))[0] == ["check.suite/intents.failed"]
    assert codes(vera) == ([], [*codes(vera)[1]]) and len(vera.others) == 2
    assert grace.sentence == (
        "Not yet: suite/intents failed and 0 of 1 approvals. You can look at what got worse and ask for changes now."
    )
    assert [one.who for one in grace.others] == ["Ada can save a better version"]
    assert vera.sentence.endswith("Ada can save a better version, with a promotion of its own.")


def test_steps__a_failed_suite__takes_another_version_and_nothing_is_promised_of_this_one(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)
    post(row.version, row.environment, CheckState.FAILED)

    set_ready(cast.rosa, row, stamp=None)
    found, grace = steps(row, cast.ada), steps(row, cast.grace)

    assert found.sentence == (
        "Not yet: suite/intents failed and 0 of 1 approvals."
        " You can look at what got worse and save a better version now, with a promotion of its own."
    )
    assert [one.who for one in found.waits] == [""], "nobody is told to approve it"
    assert (found.improves, found.may_become_ready, grace.improves) == (True, False, False)


def test_steps__a_failed_suite_and_not_live_below__does_not_advise_to_promote_it_there(cast: Cast) -> None:
    row = asked(cast)
    policy(cast, "production", require_predecessor=True)
    suite(cast.olga, row.prompt)
    post(row.version, row.environment, CheckState.FAILED)

    rosa = steps(row, cast.rosa)
    [below] = [one for one in rosa.waits if one.blocker.code == "predecessor.missing"]
    approve(cast.rosa, row, Vote.REQUEST_CHANGES)

    assert rosa.sentence.endswith("You can look at what got worse and ask for changes now.")
    assert [one.blocker.code for one in rosa.against] == ["check.suite/intents.failed"] and rosa.deeds == ()
    assert (below.blocker.message, below.link, below.who) == ("This content has not been live in Staging.", "", "")
    assert steps(row, cast.rosa).sentence.endswith("You have asked for changes: Ada can save a better version.")


def test_steps__a_yanked_or_quarantined_version__is_told_first_and_is_not_to_be_approved(cast: Cast) -> None:
    row = asked(cast)
    withdraw(cast.rosa, row.prompt, row.environment, reason="Wrong", quarantine=True)
    held = open_promotion(cast.ada, row.prompt.versions.select_related("prompt").get(number=1), row.environment)
    version(cast.ada, row.prompt, "c")  # so that it is live nowhere
    yank_version(cast.ada, row.version, reason="Wrong")

    yanked, quarantined = steps(row, cast.grace), steps(held, cast.rosa)

    assert yanked.sentence.startswith("Not yet: the version was yanked")
    assert yanked.sentence.endswith("You can ask for changes now.") and not yanked.may_become_ready
    assert quarantined.sentence == (
        "Not yet: this content was rolled back here and 0 of 1 approvals."
        " You can clear the quarantine and ask for changes now."
    )
    assert quarantined.may_become_ready, "the quarantine can be cleared"


def test_checks_first__until_all_have_passed__is_true_of_what_is_pending(cast: Cast) -> None:
    row = asked(cast)

    def is_first() -> bool:
        return checks_first(review_of(fresh(row), cast.grace))

    alone = is_first()
    suite(cast.olga, row.prompt)
    missing = is_first()
    post(row.version, row.environment, CheckState.FAILED)
    failed = is_first()
    close(cast.ada, fresh(row), stamp=None)
    ended = is_first()
    later = open_promotion(cast.ada, version(cast.ada, row.prompt, "c"), row.environment)
    post(later.version, row.environment, CheckState.PASSED)

    assert (alone, missing, failed, ended) == (False, True, True, False)
    assert not checks_first(review_of(fresh(later), cast.grace))


def test_steps__not_yet_live_in_the_stage_below__waits_for_the_promotion_there_where_one_is_open(cast: Cast) -> None:
    policy(cast, "production", **{**GATED, "approvals": 0, "require_suites": False, "require_predecessor": True})
    row = open_promotion(
        cast.ada, version(cast.ada, prompt(cast.ada, "p", text="a"), "b"), cast.environment("production")
    )
    alone = steps(row, cast.rosa)
    below = open_promotion(cast.ada, row.version, cast.environment("staging"))
    rosa, ada = steps(row, cast.rosa), steps(row, cast.ada)

    assert [(one.link, one.elsewhere) for one in alone.mine] == [("lower", None)]
    assert rosa.mine == () and [one.elsewhere for one in rosa.others] == [below]
    assert rosa.sentence == ada.sentence
    assert rosa.sentence.endswith(f"It waits for promotion {below.pk} to {below.environment.label}.")
    assert [one.elsewhere for one in steps(below, cast.rosa).others] == []


def test_steps__what_the_reader_can_see_to__comes_first_in_the_sentence_whatever_its_level(cast: Cast) -> None:
    row = asked(cast)
    mia = join(cast.olga, "Mia", Role.REVIEWER)
    suite(cast.olga, row.prompt)
    post(row.version, row.environment, CheckState.PENDING)

    assert steps(row, mia).sentence == (
        "Not yet: 0 of 1 approvals and suite/intents is still running."
        " You can approve it now. The rest clears by itself."
    )
    assert steps(row, cast.ada).sentence.startswith("Not yet: suite/intents is still running and 0 of 1 approvals. ")


def test_steps__a_run_that_starts_by_itself__asks_nothing_of_anybody(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)

    ada, grace = steps(row, cast.ada), steps(row, cast.grace)
    approve(cast.grace, row)
    alone = steps(row, cast.ada).sentence
    deliver()
    over = steps(row, cast.ada)

    assert codes(ada) == ([], ["check.suite/intents.missing", "approvals.insufficient"])
    assert ada.others[0].label == "" and ada.others[0].is_check
    assert ada.sentence == ("Not yet: suite/intents is about to run and 0 of 1 approvals. It waits for Grace or Rosa.")
    assert grace.sentence.endswith("You can approve it now. The rest clears by itself.")
    assert alone == "Not yet: suite/intents is about to run. It clears by itself."
    assert [one.label for one in over.mine] == ["Run what is missing"]


def test_steps__one_vote_of_two__says_that_another_is_missing_and_whose_it_can_be(cast: Cast) -> None:
    row = asked(cast)
    policy(cast, "production", approvals=2)

    before = steps(row, cast.grace)
    approve(cast.grace, row)
    after = steps(row, cast.rosa)

    assert before.sentence == (
        "Not yet: 0 of 2 approvals. You can approve it now. Then it still waits for 1 more approval, by Olga or Rosa."
    )
    assert after.sentence == "Not yet: 1 of 2 approvals. You can approve it now. Then you can promote it."


def test_steps__what_others_can_do__names_them_and_who_may_override(cast: Cast) -> None:
    row = asked(cast)
    freeze_environment(cast.olga, row.environment, starts_at=in_minutes(-1), ends_at=in_minutes(60), reason="The sale")
    before = steps(row, cast.ada)
    change_member(cast.olga, Member.objects.get(pk=cast.rosa.member_id), grants=("override",))
    after = steps(row, cast.ada)
    policy(cast, "production", allow_override=False)

    assert {one.who for one in before.others} == {
        "Grace, Olga or Rosa can approve it",
        "Olga can clear it, or it clears by itself",
    }
    assert before.override == "nobody here may override it"
    assert after.override == "can be overridden by Rosa"
    assert steps(row, again(cast.rosa)).override == "cannot be overridden here"


def test_overridden__afterwards__is_told_as_it_was_without_advice(cast: Cast) -> None:
    kept = [
        {"code": "approvals.insufficient", "message": "0 of 1 approvals. Nobody may.", "needed": 1, "valid": 0},
        {"code": "check.suite/intents.failed", "message": "suite/intents failed: see what got worse."},
        {"code": "predecessor.missing", "message": "It was rolled back in staging: promote it there first."},
        {"code": "freeze.active", "message": "Frozen until 2026-11-30 09:00 UTC: the sale"},
    ]

    assert overridden(kept, {"suite/intents": "Intents"}) == (
        "0 of 1 approvals.",
        "“Intents” failed.",
        "It was rolled back in staging.",
        "Frozen until 2026-11-30 09:00 UTC: the sale.",
    )


def test_steps__nothing_in_the_way__says_who_applies_and_not_that_a_reader_may_not(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row)

    assert steps(row, cast.rosa).sentence == "Nothing stands in the way. You can promote it."
    assert steps(row, cast.ada).sentence == "Nothing stands in the way. Rosa or Olga can promote it."
    assert codes(steps(row, cast.ada)) == ([], [])


def test_steps__set_to_be_applied_by_itself__says_so_before_and_after_the_last_vote(cast: Cast) -> None:
    row = asked(cast)
    set_ready(cast.rosa, row, stamp=None)

    before = steps(row, cast.grace).sentence
    approve(cast.grace, row)
    after = steps(row, cast.grace).sentence
    change_member(cast.olga, Member.objects.get(pk=cast.rosa.member_id), role=Role.EDITOR)

    assert before == "Not yet: 0 of 1 approvals. You can approve it now. Then it goes live by itself: Rosa set it to."
    assert after == "Nothing stands in the way. It goes live by itself in a moment: Rosa set it to."
    assert steps(row, cast.grace).sentence == "Nothing stands in the way. Olga can promote it."


def test_steps__of_a_scheduled_promotion__have_its_time_apart_from_what_stands_in_the_way(cast: Cast) -> None:
    row = asked(cast)
    at = timezone.now() + timedelta(days=1)
    schedule(cast.rosa, row, stamp=None, at=at)

    waiting = steps(row, cast.grace)
    approve(cast.grace, row)
    agreed = steps(row, cast.rosa)

    assert codes(waiting) == (["approvals.insufficient"], []) and waiting.due == at
    assert (agreed.sentence, agreed.tone, agreed.due) == ("Nothing else stands in the way.", "pass", at)
    assert codes(agreed) == ([], [])


def test_steps__something_else_went_live__an_editor_rebases_with_one_press(cast: Cast) -> None:
    row = asked(cast)
    policy(cast, "production", **{**GATED, "approvals": 0, "require_suites": False})
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")

    mine = {one.blocker.code: one for one in steps(row, cast.ada).mine}

    assert (mine["base.moved"].verb, mine["base.moved"].label) == ("rebase", "Rebase onto what is live")
    assert mine["base.moved"].blocker.message.startswith("v3 went live since this was opened: rebase it")


def test_steps__colour__is_of_what_stands_in_the_way_and_not_of_who_reads(cast: Cast) -> None:
    row = asked(cast)
    comment(cast.grace, row, body="Is it clear?")

    waiting = [steps(row, one).tone for one in (cast.ada, cast.grace, cast.vera)]
    approve(cast.grace, row)

    assert waiting == ["warn"] * 3
    for reader in (cast.ada, cast.grace, cast.rosa):
        found = steps(row, reader)
        assert found.tone == "pass" and any("comments.unresolved" in one for one in codes(found))


def test_steps__unresolved_comments__are_spoken_of_by_their_number(cast: Cast) -> None:
    row = asked(cast)

    def told() -> list[str]:
        found = steps(row, cast.ada)
        every = [*found.mine, *found.others]
        return [f"{one.blocker.message} {one.label}" for one in every if one.blocker.code == "comments.unresolved"]

    comment(cast.grace, row, body="Is it clear?")
    one = told()
    comment(cast.grace, row, body="Is it short?")

    assert (one, told()) == (["1 unresolved comment. Read it"], ["2 unresolved comments. Read them"])


def test_steps__whoever_asked_for_changes__can_still_approve_and_waits_for_nobody(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row, Vote.REQUEST_CHANGES)

    grace = steps(row, cast.grace)

    assert set(codes(grace)[0]) == {"approvals.insufficient", "approvals.changes_requested"} and not grace.others
    assert grace.sentence.endswith("You can approve it now. Then Rosa or Olga can promote it.")


def test_steps__changes_were_requested__only_who_asked_or_an_admin_clears_it(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row, Vote.REQUEST_CHANGES)

    assert "approvals.changes_requested" in codes(steps(row, cast.grace))[0]
    assert "approvals.changes_requested" in codes(steps(row, cast.olga))[0]
    assert "approvals.changes_requested" in codes(steps(row, cast.ada))[1]


def unreviewed(cast: Cast) -> Promotion:
    """Olga's version, which she may not approve, after everybody else who may has gone."""
    row = asked(cast)
    for one in (cast.grace, cast.rosa):
        change_member(cast.olga, Member.objects.get(pk=one.member_id), is_active=False)
    return open_promotion(cast.olga, version(cast.olga, row.prompt, "c"), cast.environment("production"))


def test_steps__nobody_there_to_approve__an_admin_invites_somebody(cast: Cast) -> None:
    hers = unreviewed(cast)

    [step] = steps(hers, cast.olga).mine

    assert (step.link, step.label) == ("members", "Invite a reviewer")
    assert codes(steps(hers, cast.ada)) == ([], ["approvals.insufficient"])


def test_steps__nobody_there_to_approve_or_override__is_one_plain_sentence(cast: Cast) -> None:
    hers = unreviewed(cast)

    [stuck] = steps(hers, cast.olga).mine
    join(cast.olga, "Otto", Role.ADMIN, grants=("override",))
    policy(cast, "production", approvals=2)
    [still] = steps(open_promotion(cast.olga, version(cast.olga, hers.prompt, "d"), hers.environment), cast.olga).others

    assert stuck.says_override and stuck.blocker.message == "0 of 1 approvals: nobody here may approve or override it."
    assert not still.says_override and still.blocker.message == "0 of 2 approvals: only 1 here may approve it."


def test_steps__a_reviewer_is_invited__waits_for_them_by_name_to_those_who_may_invite(cast: Cast) -> None:
    hers = unreviewed(cast)
    create_invitation(cast.olga, role=Role.EDITOR, note="ed@example.com")
    spent = create_invitation(cast.olga, role=Role.REVIEWER, note="gone@example.com")
    revoke_invitation(cast.olga, spent.row)
    create_invitation(cast.olga, role=Role.REVIEWER, note="nina@example.com")

    olga, ada = steps(hers, cast.olga), steps(hers, cast.ada)

    assert not olga.mine and (olga.others[0].link, olga.others[0].label) == (
        "members",
        "Invited: nina@example.com (pending)",
    )
    assert olga.sentence == "Not yet: 0 of 1 approvals. It waits for nina@example.com to join."
    assert (ada.others[0].link, ada.others[0].who) == ("", "Invited: a reviewer (pending)")
    assert "nina" not in ada.sentence
