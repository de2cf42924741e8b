import pytest

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.checks import define_check, require_check
from prompts_app.actions.promotions import acknowledge_breaking, close, open_promotion, rebase, reopen, schedule
from prompts_app.actions.reviews import Spot, comment, dismiss_request, find_comment, resolve_comment, vote
from prompts_app.actions.rollback import roll_back
from prompts_app.facts import judge, live_deployment, not_eligible, subject_of
from prompts_app.models import Approval, Promotion, PromptVersion, Vote
from prompts_app.pending_queries import known_of
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, PreconditionFailed
from registry.core.models import Member
from tests.builders import Cast, join, prompt, version
from tests.scenes import approve, codes, fresh, go_live, in_minutes, policy, suite, valid


@pytest.fixture
def reviewed(free: Cast) -> Cast:
    """The open workspace, where staging asks for one approval."""
    policy(free, "staging", approvals=1)
    return free


def asked(cast: Cast, by: Actor | None = None, text: str = "a") -> Promotion:
    made = prompt(cast.ada, text=text)
    return open_promotion(by or cast.ada, made.versions.get(), cast.environment("staging"))


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user").get(pk=actor.member_id)


def test_vote__by_an_eligible_reviewer__counts_for_what_they_saw(reviewed: Cast) -> None:
    row = asked(reviewed)
    approval = approve(reviewed.grace, row)
    assert approval.subject_hash == subject_of(row).hash
    assert len(approval.subject_hash) == 64
    assert valid(row, reviewed.rosa) == {"Grace"}
    assert codes(row, reviewed.rosa) == set()


def test_vote__on_something_else_than_what_is_there__conflicts(reviewed: Cast) -> None:
    row = asked(reviewed)
    seen = subject_of(row).hash
    acknowledge_breaking(reviewed.ada, row, stamp=None)
    for choice in (Vote.APPROVE, Vote.REQUEST_CHANGES):
        with pytest.raises(Conflict) as refused:
            vote(reviewed.grace, row, choice, stamp=None, subject_hash=seen)
        assert refused.value.code == "approval.changed"
        assert refused.value.extra["subject_hash"] == subject_of(fresh(row)).hash
    assert not Approval.objects.exists()


@pytest.mark.parametrize("choice", [Vote.APPROVE, Vote.REQUEST_CHANGES, Vote.WITHDRAWN])
def test_vote__by_editor_viewer_or_key__is_forbidden(reviewed: Cast, choice: Vote) -> None:
    row = asked(reviewed)
    for actor in (reviewed.ada, reviewed.vera):
        with pytest.raises(Forbidden, match=r"actor\.role"):
            approve(actor, row, choice)
    for key in (
        reviewed.key(scopes=["read", "write", "run", "promote", "check"]),
        reviewed.key("service", environment="staging"),
    ):
        with pytest.raises(Forbidden, match=r"actor\.key"):
            approve(key.actor, row, choice)
    assert not Approval.objects.exists()


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.RELEASER, Role.ADMIN, Role.OWNER])
def test_vote__by_the_author_of_the_promotion__is_ineligible_in_every_role(reviewed: Cast, role: Role) -> None:
    paul = join(reviewed.olga, "Paul", role, grants=("override",))
    row = asked(reviewed, by=paul)
    with pytest.raises(Forbidden, match=r"approval\.ineligible"):
        approve(paul, row)


def test_vote__by_an_author_on_the_chain__is_ineligible(reviewed: Cast) -> None:
    """Grace wrote what is live, Rosa and Olga wrote between, Ada the candidate."""
    made = prompt(reviewed.grace, text="1")
    go_live_in_staging(reviewed, made.versions.get())
    version(reviewed.rosa, made, "2")
    version(reviewed.olga, made, "3")
    row = open_promotion(reviewed.ada, version(reviewed.ada, made, "4"), reviewed.environment("staging"))
    for actor in (reviewed.rosa, reviewed.olga):
        with pytest.raises(Forbidden, match=r"approval\.ineligible"):
            approve(actor, row)
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}, "the live version itself is not included"
    assert judge(fresh(row), reviewed.rosa).facts.eligible == ((reviewed.grace.member_id, "Grace"),)


def go_live_in_staging(cast: Cast, one: PromptVersion) -> None:
    policy(cast, "staging", approvals=0)
    go_live(cast, one, "staging")
    policy(cast, "staging", approvals=1)


def test_chain__back_to_the_live_version__stops_at_it_and_not_at_its_digest(reviewed: Cast) -> None:
    """What Rosa wrote came and went again: it is on the chain all the same."""
    made = prompt(reviewed.ada, text="good")
    go_live_in_staging(reviewed, made.versions.get())
    version(reviewed.rosa, made, "bad")
    version(reviewed.olga, made, "good")
    row = open_promotion(reviewed.ada, version(reviewed.ada, made, "better"), reviewed.environment("staging"))
    excluded = not_eligible(fresh(row), live_deployment(made, row.environment))
    assert set(excluded) == {reviewed.ada.member_id, reviewed.rosa.member_id, reviewed.olga.member_id}


def test_chain__nothing_live__goes_back_to_the_first_version(reviewed: Cast) -> None:
    made = prompt(reviewed.grace, text="1")
    row = open_promotion(reviewed.ada, version(reviewed.ada, made, "2"), reviewed.environment("staging"))
    with pytest.raises(Forbidden):
        approve(reviewed.grace, row)


def test_chain__an_older_version_than_the_live_one__is_all_it_was_based_on(reviewed: Cast) -> None:
    made = prompt(reviewed.grace, text="1")
    second = version(reviewed.ada, made, "2")
    go_live_in_staging(reviewed, version(reviewed.olga, made, "3"))
    row = open_promotion(reviewed.rosa, second, reviewed.environment("staging"))
    excluded = not_eligible(fresh(row), live_deployment(made, row.environment))
    assert set(excluded) == {reviewed.rosa.member_id, reviewed.ada.member_id, reviewed.grace.member_id}


def test_vote__by_the_responsible_member_of_the_key_that_wrote_or_opened__is_ineligible(reviewed: Cast) -> None:
    """A key is no way around: its author is its responsible member."""
    key = reviewed.key(name="mine", responsible=member(reviewed.grace)).actor
    made = prompt(reviewed.ada, text="1")
    go_live_in_staging(reviewed, made.versions.get())
    by_key = version(key, made, "2")
    row = open_promotion(reviewed.ada, by_key, reviewed.environment("staging"))
    with pytest.raises(Forbidden, match="wrote part"):
        approve(reviewed.grace, row)
    opened = open_promotion(key, version(reviewed.ada, made, "3"), reviewed.environment("production"))
    with pytest.raises(Forbidden, match="opened this"):
        approve(reviewed.grace, opened)


def test_vote__by_who_changed_a_suite_of_the_gate__is_ineligible_until_the_next_deployment(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.grace, made)
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    with pytest.raises(Forbidden, match="changed a suite"):
        approve(reviewed.grace, row)
    policy(reviewed, "staging", require_suites=False)
    with pytest.raises(Forbidden, match="changed a suite"):
        approve(reviewed.grace, row)
    reopen(reviewed.ada, row, stamp=None)
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}, "a gate without suites uses none"


def test_vote__by_who_took_away_a_required_suite__is_ineligible(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.olga, made)
    require_check(reviewed.grace, made, "suite/intents", required=False)
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    with pytest.raises(Forbidden, match="changed a suite"):
        approve(reviewed.grace, row)
    approve(reviewed.olga, row)
    assert valid(row, reviewed.rosa) == {"Olga"}, "the suite she edited is no part of this gate any more"


def test_vote__by_who_changed_a_suite_before_the_live_deployment__is_eligible(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.grace, made)
    policy(reviewed, "staging", require_suites=False)
    go_live_in_staging(reviewed, made.versions.get())
    policy(reviewed, "staging", require_suites=True)
    row = open_promotion(reviewed.ada, version(reviewed.ada, made, "2"), reviewed.environment("staging"))
    # Within one transaction of the test all is at one time; the change was first.
    assert reviewed.grace.member_id not in not_eligible(fresh(row), live_deployment(made, row.environment))


def test_vote__by_who_changed_a_suite_before_somebody_went_back__is_ineligible_still(reviewed: Cast) -> None:
    """Going back asks no suite: whoever eased one and goes back has nobody who looked at it."""
    made = prompt(reviewed.ada, text="1")
    for one in (made.versions.get(), version(reviewed.ada, made, "2")):
        go_live_in_staging(reviewed, one)
    policy(reviewed, "staging", require_suites=True)
    suite(reviewed.grace, made)
    roll_back(reviewed.rosa, made, reviewed.environment("staging"), reason="calm", quarantine=False)
    row = open_promotion(reviewed.ada, version(reviewed.ada, made, "3"), reviewed.environment("staging"))
    with pytest.raises(Forbidden, match="changed a suite"):
        approve(reviewed.grace, row)
    assert reviewed.grace.member_id in known_of([fresh(row)])[row.pk].excluded


def test_vote__by_who_changed_a_suite_after_approving__no_longer_counts(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.ada, made)
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}
    define_check(reviewed.grace, "suite/intents", title="t", recipe="c" * 64, is_safety=False, changed_by_person=True)
    assert valid(row, reviewed.rosa) == set()


def test_suite__changed_by_the_machinery__bars_nobody(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.ada, made)
    define_check(reviewed.grace, "suite/intents", title="t", recipe="d" * 64, is_safety=False, changed_by_person=False)
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}


def test_approver__demoted_or_deactivated__no_longer_counts_and_counts_again(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row)
    for change in ({"role": Role.EDITOR}, {"is_active": False}):
        change_member(reviewed.olga, member(reviewed.grace), **change)
        assert valid(row, reviewed.rosa) == set()
        assert "approvals.insufficient" in codes(row, reviewed.rosa)
        with pytest.raises(Conflict, match=r"promotion\.blocked"):
            apply_promotion(reviewed.rosa, row, stamp=None)
        change_member(reviewed.olga, member(reviewed.grace), role=Role.REVIEWER, is_active=True)
        assert valid(row, reviewed.rosa) == {"Grace"}


def test_approver__whose_user_is_deactivated__no_longer_counts(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row)
    user = member(reviewed.grace).user
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    assert valid(row, reviewed.rosa) == set()


def test_approver__who_writes_on_the_chain_afterwards__is_about_the_candidate_only(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row)
    version(reviewed.grace, row.prompt, "later")
    assert valid(row, reviewed.rosa) == {"Grace"}, "a later version is not on the candidate's chain"


def test_vote__twice_by_one_person__counts_once_and_the_latest(reviewed: Cast) -> None:
    policy(reviewed, "staging", approvals=2)
    row = asked(reviewed)
    approve(reviewed.grace, row)
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}
    assert "approvals.insufficient" in codes(row, reviewed.rosa)
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    assert valid(row, reviewed.rosa) == set()
    assert Approval.objects.count() == 3, "nothing is deleted"


def test_withdraw__until_applied__takes_back_what_one_said(reviewed: Cast) -> None:
    row = asked(reviewed)
    with pytest.raises(Conflict, match=r"approval\.none"):
        approve(reviewed.grace, row, Vote.WITHDRAWN)
    approve(reviewed.grace, row)
    acknowledge_breaking(reviewed.ada, row, stamp=None)
    vote(reviewed.grace, row, Vote.WITHDRAWN, stamp=None, subject_hash="")
    assert valid(row, reviewed.rosa) == set()
    approve(reviewed.grace, row)
    apply_promotion(reviewed.rosa, row, stamp=None)
    with pytest.raises(Conflict, match=r"promotion\.state"):
        approve(reviewed.grace, row, Vote.WITHDRAWN)


def test_withdraw__by_somebody_no_longer_eligible__is_possible(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    made = prompt(reviewed.ada, text="1")
    suite(reviewed.ada, made)
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    define_check(reviewed.grace, "suite/intents", title="t", recipe="e" * 64, is_safety=False, changed_by_person=True)
    approve(reviewed.grace, row, Vote.WITHDRAWN)


def test_staleness__of_each_part__goes_when_the_old_value_is_back(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row)
    acknowledge_breaking(reviewed.ada, row, stamp=None)
    assert valid(row, reviewed.rosa) == set()
    acknowledge_breaking(reviewed.ada, row, stamp=None, acknowledged=False)
    assert valid(row, reviewed.rosa) == {"Grace"}
    schedule(reviewed.rosa, row, stamp=None, at=in_minutes(30))
    assert valid(row, reviewed.rosa) == set()
    policy(reviewed, "staging", approvals=3)
    policy(reviewed, "staging", approvals=1)
    comment(reviewed.ada, row, body="a word")
    assert valid(row, reviewed.rosa) == set()


def test_staleness__a_save_that_changes_nothing__changes_nothing(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row)
    acknowledge_breaking(reviewed.ada, row, stamp=None, acknowledged=False)
    rebase(reviewed.ada, row, stamp=None)
    assert valid(row, reviewed.rosa) == {"Grace"}


def test_dismiss__by_an_admin_with_a_reason__and_not_on_their_own_work(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    grace = member(reviewed.grace)
    for actor in (reviewed.rosa, reviewed.ada):
        with pytest.raises(Forbidden):
            dismiss_request(actor, row, grace, stamp=None, reason="no")
    with pytest.raises(Invalid):
        dismiss_request(reviewed.olga, row, grace, stamp=None, reason=" ")
    with pytest.raises(PreconditionFailed):
        dismiss_request(reviewed.olga, row, grace, stamp=99, reason="no")
    with pytest.raises(Conflict, match=r"approval\.none"):
        dismiss_request(reviewed.olga, row, member(reviewed.rosa), stamp=None, reason="no")
    dismiss_request(reviewed.olga, row, grace, stamp=None, reason="it was answered")
    assert codes(row, reviewed.rosa) == {"approvals.insufficient"}
    own = asked_by_olga(reviewed)
    approve(reviewed.grace, own, Vote.REQUEST_CHANGES)
    with pytest.raises(Forbidden, match=r"approval\.ineligible"):
        dismiss_request(reviewed.olga, own, grace, stamp=None, reason="I like it")


def asked_by_olga(cast: Cast) -> Promotion:
    made = prompt(cast.ada, "other", text="a")
    return open_promotion(cast.olga, made.versions.get(), cast.environment("staging"))


def test_dismissed__and_voted_again__counts_again(reviewed: Cast) -> None:
    row = asked(reviewed)
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    dismiss_request(reviewed.olga, row, member(reviewed.grace), stamp=None, reason="answered")
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    assert "approvals.changes_requested" in codes(row, reviewed.rosa)


def test_reopen__while_changes_are_requested__drops_approvals_and_not_the_request(reviewed: Cast) -> None:
    """Else an author could reopen a reviewer's objection away."""
    policy(reviewed, "staging", approvals=0)
    row = asked(reviewed)
    approve(reviewed.rosa, row)
    approve(reviewed.grace, row, Vote.REQUEST_CHANGES)
    reopen(reviewed.ada, row, stamp=None)
    assert valid(row, reviewed.olga) == set()
    assert codes(row, reviewed.olga) == {"approvals.changes_requested"}
    approve(reviewed.grace, row)
    assert codes(row, reviewed.olga) == set()


def test_vote__refusals__come_in_the_order_of_the_api(reviewed: Cast) -> None:
    row = asked(reviewed, by=reviewed.grace)
    with pytest.raises(Forbidden, match=r"approval\.ineligible"):
        vote(reviewed.grace, row, Vote.APPROVE, stamp=99, subject_hash="x", comment="\0")
    with pytest.raises(PreconditionFailed):
        vote(reviewed.rosa, row, Vote.APPROVE, stamp=99, subject_hash="x", comment="\0")
    with pytest.raises(Invalid):
        vote(reviewed.rosa, row, Vote.APPROVE, stamp=row.stamp, subject_hash="x", comment="\0")
    with pytest.raises(Conflict, match=r"approval\.changed"):
        vote(reviewed.rosa, row, Vote.APPROVE, stamp=row.stamp, subject_hash="x")


def test_comment__by_whom__on_a_line_and_resolved(reviewed: Cast) -> None:
    row = asked(reviewed)
    stamp = fresh(row).stamp
    remark = comment(reviewed.ada, row, body="why this word?", spot=Spot("messages[0]", 3))
    assert (remark.author_name, remark.path, remark.line, fresh(row).stamp) == ("Ada", "messages[0]", 3, stamp)
    by_key = comment(reviewed.key(name="bot").actor, row, body="lint says hi")
    assert by_key.author_name == "Olga"
    for body, path in ((" ", ""), ("a\0", ""), ("fine", "x" * 201)):
        with pytest.raises(Invalid):
            comment(reviewed.ada, row, body=body, spot=Spot(path))
    with pytest.raises(Forbidden):
        comment(reviewed.vera, row, body="hm")
    resolved = resolve_comment(reviewed.grace, remark)
    assert (resolved.resolved_by_name, resolved.resolved_at is not None) == ("Grace", True)
    assert find_comment(row, remark.pk) == remark
    with pytest.raises(NotFound):
        find_comment(asked_by_olga(reviewed), remark.pk)


def test_comment__on_one_that_has_ended__is_possible(reviewed: Cast) -> None:
    row = asked(reviewed)
    close(reviewed.ada, row, stamp=None)
    assert comment(reviewed.ada, row, body="for the record").pk
