"""The reviews inbox: the right rows, the right thing to do, the same number of queries whatever their number."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from prompts_app.actions.applying import override_promotion, review_override
from prompts_app.actions.promotions import close, open_promotion, rebase
from prompts_app.facts import judge
from prompts_app.inbox_queries import Inbox, InboxRow, inbox
from prompts_app.models import CheckState, Environment, Override, Promotion, Vote
from prompts_app.waiting_queries import Marks, marks, waiting_count
from registry.core.actor import Role
from tests.builders import Cast, deliver, join, prompt, version
from tests.evals import building
from tests.scenes import approve, fresh, go_live, policy, post, suite

GATED = {"approvals": 1, "require_predecessor": False, "require_suites": True, "min_suites": 0}
OPEN = {**GATED, "approvals": 0, "require_suites": False}


def asked(cast: Cast, name: str = "p") -> Promotion:
    """Ada's second version, waiting for production, where the first is live."""
    policy(cast, "production", **OPEN)
    made = prompt(cast.ada, name, text="a")
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    policy(cast, "production", **GATED)
    return open_promotion(cast.ada, version(cast.ada, made, "b"), cast.environment("production"))


def told(rows: tuple[InboxRow, ...]) -> list[tuple[int, str]]:
    return [(row.promotion.pk, row.todo) for row in rows]


def everything(found: Inbox) -> list[int]:
    return [row.promotion.pk for rows in (found.waiting, found.to_apply, found.asked, found.stale) for row in rows]


def test_inbox__a_promotion_through_its_life__each_person_reads_what_to_do(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)

    assert told(inbox(cast.grace).waiting) == [(row.pk, "Read it while its evidence is gathered")]
    assert told(inbox(cast.ada).asked) == [(row.pk, "Wait for intents: it starts by itself in a moment")]
    deliver()
    assert told(inbox(cast.grace).waiting) == [(row.pk, "Read it while its evidence is gathered")]
    assert told(inbox(cast.ada).asked) == [(row.pk, "Run intents: it has not answered for this")]
    post(row.version, row.environment, CheckState.FAILED)
    assert told(inbox(cast.grace).waiting) == [(row.pk, "Look at what got worse, and ask for changes: intents failed")]
    assert told(inbox(cast.ada).asked) == [(row.pk, "Improve the version: intents failed")]
    post(row.version, row.environment)
    assert told(inbox(cast.grace).waiting) == [(row.pk, "Approve it, or ask for changes")]
    assert told(inbox(cast.ada).asked) == [(row.pk, "Wait for Grace or Rosa: 0 of 1 approvals")]
    approve(cast.grace, row)
    assert inbox(cast.grace).waiting == () and told(inbox(cast.ada).asked) == [
        (row.pk, "Ask Rosa or Olga to promote it")
    ]
    assert told(inbox(cast.rosa).to_apply) == [(row.pk, "Promote it: its check passed, and it is approved")]


def test_inbox__went_live_over_what_stood_in_its_way__waits_for_somebody_to_look(cast: Cast) -> None:
    row = asked(cast)
    otto = join(cast.olga, "Otto", Role.ADMIN, grants=("override",))
    override_promotion(otto, row, stamp=None, reason="The old one answers in the wrong language.")

    to_read = "Read what stood in its way, and say that you looked"
    assert told(inbox(cast.grace).overridden) == [(row.pk, to_read)]
    assert inbox(otto).overridden == ()
    assert told(inbox(otto).asked) == [(row.pk, "Wait for somebody else to look at what was overridden")]
    assert inbox(cast.ada).overridden == (), "who may not review is asked nothing"
    review_override(cast.grace, Override.objects.get())
    assert inbox(cast.rosa).overridden == ()


def test_inbox__after_a_rebase__the_approver_is_asked_again(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row)
    policy(cast, "production", **OPEN)
    go_live(cast, version(cast.ada, row.prompt, "c"), "production")
    assert told(inbox(cast.ada).asked) == [(row.pk, "Rebase it: something else went live since")]

    rebase(cast.ada, fresh(row), stamp=None)

    assert told(inbox(cast.grace).stale) == [(row.pk, "Look at what changed, and approve again")]


def test_inbox__changes_requested__the_author_is_told_by_whom(cast: Cast) -> None:
    row = asked(cast)
    approve(cast.grace, row, Vote.REQUEST_CHANGES)

    assert told(inbox(cast.ada).asked) == [(row.pk, "Answer Grace: changes were asked for")]
    assert inbox(cast.rosa).to_apply == ()


@pytest.mark.parametrize("kind", ["author on the chain", "suite editor", "viewer"])
def test_inbox__somebody_who_may_not_approve__is_not_asked(cast: Cast, kind: str) -> None:
    row = asked(cast)
    if kind == "author on the chain":
        mia = join(cast.olga, "Mia", Role.REVIEWER)
        version(mia, row.prompt, "c")
        row = open_promotion(cast.ada, version(cast.ada, row.prompt, "d"), row.environment)
    else:
        mia = join(cast.olga, "Mia", Role.REVIEWER if kind == "suite editor" else Role.VIEWER)
    if kind == "suite editor":
        suite(mia, row.prompt)

    assert row.pk not in everything(inbox(mia))
    assert row.pk in everything(inbox(cast.grace))


def test_inbox__checks_and_approvals__are_those_that_judging_finds(cast: Cast) -> None:
    row = asked(cast)
    suite(cast.olga, row.prompt)
    suite(cast.olga, row.prompt, "suite/tone")
    post(row.version, row.environment, CheckState.INCONCLUSIVE)
    post(row.version, row.environment, recipe="0" * 64, name="suite/tone")

    (found,) = inbox(cast.grace).waiting
    judged = judge(fresh(row), cast.grace)

    counted = [(one.name, one.counts_as(judged.now, judged.policy.max_age_days)) for one in judged.facts.checks]
    assert list(found.checks) == counted == [("suite/intents", "inconclusive"), ("suite/tone", "stale")]
    assert (found.approvals, found.needed) == (len(judged.facts.valid_approvals()), judged.policy.approvals)


def test_inbox__of_many_promotions__takes_as_many_queries_as_of_one(cast: Cast) -> None:
    suite(cast.olga, asked(cast, "first").prompt, "suite/s")

    def queries() -> int:
        with CaptureQueriesContext(connection) as counted:
            inbox(cast.grace)
        return len(counted)

    one = queries()
    for number in range(5):
        row = asked(cast, f"p{number}")
        suite(cast.olga, row.prompt, f"suite/s{number}")

    assert queries() == one <= 14


def marked(cast: Cast) -> Marks:
    asked = marks()
    rows = Environment.objects.in_workspace(cast.workspace.pk).annotate(**asked)
    return tuple(rows.values_list(*asked))


def counted(cast: Cast, *people: str) -> list[int]:
    return [waiting_count(getattr(cast, name), marked(cast)) for name in people]


def test_count__through_a_promotions_life__is_what_the_inbox_lists_for_each_person(cast: Cast) -> None:
    everybody = ("ada", "grace", "rosa", "olga", "vera")

    def listed() -> list[int]:
        found = [inbox(getattr(cast, name)) for name in everybody]
        return [len(one.waiting + one.to_apply + one.stale + one.overridden) for one in found]

    row = asked(cast)
    assert counted(cast, *everybody) == listed() == [0, 1, 1, 1, 0]
    made = building.suite(cast.rosa)
    building.require(cast.rosa, made, row.prompt)
    assert counted(cast, *everybody) == listed() == [0, 1, 0, 1, 0], "who edited the suite may not"
    other = asked(cast, "q")
    assert counted(cast, *everybody) == listed() == [0, 2, 1, 2, 0]
    approve(cast.grace, row)
    assert counted(cast, *everybody) == listed() == [0, 1, 1, 1, 0], "and it needs no second one"
    post(row.version, row.environment, name=made.check_name)
    assert counted(cast, *everybody) == listed() == [0, 1, 2, 2, 0], "it is theirs to apply who may"
    policy(cast, "production", **{**GATED, "approvals": 2})
    assert counted(cast, *everybody) == listed() == [0, 1, 1, 2, 0]
    close(cast.ada, fresh(other), stamp=None)
    assert counted(cast, *everybody) == listed() == [0, 0, 0, 1, 0]


def test_count__of_what_was_overridden__is_what_the_inbox_lists_until_somebody_looked(cast: Cast) -> None:
    row = asked(cast)
    otto = join(cast.olga, "Otto", Role.ADMIN, grants=("override",))
    override_promotion(otto, row, stamp=None, reason="The old one answers in the wrong language.")

    for actor, number in ((cast.ada, 0), (cast.vera, 0), (otto, 0), (cast.grace, 1), (cast.rosa, 1)):
        assert waiting_count(actor, marked(cast)) == len(inbox(actor).overridden) == number, actor.name
    with CaptureQueriesContext(connection) as queries:
        counted(cast, "grace", "rosa")
    assert len(queries) == 2, "the marks of each, and nothing again"
    review_override(cast.grace, Override.objects.get())
    assert counted(cast, "grace", "rosa") == [0, 0]


def test_count__while_nothing_that_matters_changes__asks_nothing(cast: Cast) -> None:
    asked(cast)
    counted(cast, "grace")
    now = marked(cast)

    with CaptureQueriesContext(connection) as queries:
        assert waiting_count(cast.grace, now) == 1
        assert waiting_count(cast.vera, now) == 0
    assert len(queries) == 0
    asked(cast, "q")
    assert counted(cast, "grace") == [2]
