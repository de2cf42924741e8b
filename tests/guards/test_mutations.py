"""The race and gate tests can fail: each wall is taken away in turn, and something is then found to be wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.db.models import QuerySet

from prompts_app import facts
from prompts_app.actions import applying, moving
from prompts_app.content import content_digest
from prompts_app.models import Deployment, LivePointer, PromptVersion
from registry.core import audit
from registry.core.audit import verify_chain
from registry.core.models import AuditEvent
from tests.builders import Cast, make_cast, prompt, version
from tests.invariants import scenarios
from tests.invariants.checker import violations
from tests.invariants.racing import Play, one_after_the_other, side_by_side
from tests.invariants.scenarios import Scenario
from tests.scenes import go_live

type Mutation = Callable[[pytest.MonkeyPatch], None]
REAL_LOCK = QuerySet.select_for_update


def _no_locks(patch: pytest.MonkeyPatch) -> None:
    """Rows are read without a lock."""
    patch.setattr(QuerySet, "select_for_update", lambda self, **options: self.all())


def _no_place_locks(patch: pytest.MonkeyPatch) -> None:
    """Only what a move locks is read without a lock: pointers, promotions, revisions and the end of the audit chain."""
    names = {"livepointer", "promotion", "environmentrevision", "audithead"}

    def without(self: QuerySet[Any], **options: Any) -> QuerySet[Any]:
        return self.all() if self.model._meta.model_name in names else REAL_LOCK(self, **options)

    patch.setattr(QuerySet, "select_for_update", without)


def _no_audit_lock(patch: pytest.MonkeyPatch) -> None:
    """The end of the audit chain is locked when the row is written, no longer before the facts are judged."""
    late = SimpleNamespace(lock=lambda workspace_id: None, record=audit.record)
    patch.setattr(moving, "audit", late)


def _stronger_member_locks(patch: pytest.MonkeyPatch) -> None:
    """Members are locked against those who refer to them too."""

    def stronger(self: QuerySet[Any], **options: Any) -> QuerySet[Any]:
        strong = self.model._meta.model_name == "member"
        return REAL_LOCK(self, **({**options, "no_key": False} if strong else options))

    patch.setattr(QuerySet, "select_for_update", stronger)


def _no_blockers(patch: pytest.MonkeyPatch) -> None:
    """Nothing is ever in the way."""
    patch.setattr(facts, "blockers", lambda given, now: ())


def _judged_before_the_lock(patch: pytest.MonkeyPatch) -> None:
    """What was judged when the promotion was looked at counts, and is not judged again under the lock."""
    real_lock, real_judge, seen = applying.lock_places, facts.judge, {}

    def lock_places(prompt_: Any, environments: Any) -> Any:
        for row in applying.Promotion.objects.pending().filter(prompt=prompt_, environment__in=environments):
            seen[row.pk] = real_judge(applying.find_promotion(prompt_.workspace_id, row.pk), None)
        return real_lock(prompt_, environments)

    def judge(row: Any, actor: Any) -> Any:
        judged = seen.get(row.pk) or real_judge(row, actor)
        found = tuple(one for one in judged.blockers if one.code != "actor.forbidden")
        return facts.Judgement(judged.facts, judged.now, found, judged.approvals)

    patch.setattr(applying, "lock_places", lock_places)
    patch.setattr(applying, "judge", judge)


TAKEN_AWAY: list[tuple[Mutation, Scenario, Play]] = [
    *((_no_locks, scenario, side_by_side) for scenario in scenarios.RACES),
    (_no_place_locks, scenarios.two_applies, side_by_side),
    (_no_place_locks, scenarios.two_clocks, side_by_side),
    (_no_place_locks, scenarios.demoted_while_applied, side_by_side),
    (_no_audit_lock, scenarios.demoted_while_applied, one_after_the_other),
    (_stronger_member_locks, scenarios.demoted_while_voting, one_after_the_other),
    (_no_blockers, scenarios.two_applies, one_after_the_other),
    (_no_blockers, scenarios.demoted_while_applied, one_after_the_other),
    (_no_blockers, scenarios.yanked_while_applied, one_after_the_other),
    (_no_blockers, scenarios.blocked_by_everything, one_after_the_other),
    (_judged_before_the_lock, scenarios.two_applies, one_after_the_other),
    (_judged_before_the_lock, scenarios.yanked_while_applied, one_after_the_other),
]


def outcome(scenario: Scenario, cast: Cast, play: Play) -> list[str]:
    """What a scenario finds wrong; an error of the database is something wrong too."""
    try:
        return scenario(cast, play)
    except Error as error:
        return [f"an error that is no refusal: {error}"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("mutation", "scenario", "play"), TAKEN_AWAY, ids=lambda value: getattr(value, "__name__", "").strip("_")
)
def test_scenario__with_its_wall_taken_away__finds_something_wrong(
    mutation: Mutation, scenario: Scenario, play: Play
) -> None:
    cast = make_cast(is_open=True)
    with pytest.MonkeyPatch.context() as patch:
        mutation(patch)
        assert outcome(scenario, cast, play) != []


@contextmanager
def taken_back() -> Iterator[Any]:
    """A cursor of the tables' owner, in a transaction that is rolled back."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks still to come cannot be altered
        cursor.execute("SET LOCAL ROLE NONE")
        yield cursor
        transaction.set_rollback(True)


def _without_triggers(cursor: Any, table: str) -> None:
    cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    cursor.execute(f"GRANT UPDATE, DELETE ON {table} TO greenroom_app")
    cursor.execute("SET LOCAL ROLE greenroom_app")


def test_versions__without_their_triggers__can_be_rewritten_and_that_is_seen(free: Cast) -> None:
    prompt(free.ada, text="a")
    with taken_back() as cursor:
        _without_triggers(cursor, "prompts_app_promptversion")
        PromptVersion.objects.update(content='{"template_format": "jinja", "text": "evil", "variables": null}')
        changed = PromptVersion.objects.select_related("prompt").get()
        assert content_digest(changed.load()) != changed.digest
        assert any(found.startswith("1:") for found in violations(free.workspace.pk))
    assert violations(free.workspace.pk) == []


def test_audit__without_its_triggers__can_be_rewritten_and_that_is_seen(free: Cast) -> None:
    with taken_back() as cursor:
        _without_triggers(cursor, "core_auditevent")
        AuditEvent.objects.filter(workspace=free.workspace, sequence=2).update(actor_name="Mallory")
        assert not verify_chain(free.workspace.pk).ok
    assert verify_chain(free.workspace.pk).ok


CORRUPTIONS = {
    "1": "UPDATE prompts_app_promptversion SET digest = repeat('0', 64)",
    "2": "UPDATE prompts_app_livepointer SET deployment_id = (SELECT min(id) FROM prompts_app_deployment)",
    "3: deployment": "DELETE FROM core_outboxmessage WHERE topic = 'deployment.created'",
    "4": "UPDATE prompts_app_environmentrevision SET n = n + 1",
    "5": "UPDATE prompts_app_promotion SET state = 'closed', deployment_id = NULL",
    "6": "UPDATE prompts_app_promotion SET base_id = NULL",
    "9": """UPDATE prompts_app_deployment d SET evidence = jsonb_set(evidence::jsonb, '{approvals}',
            jsonb_build_array(jsonb_build_object('member', p.author_id, 'by', 'x')))::text
            FROM prompts_app_promotion p WHERE p.id = d.promotion_id""",
    "19": "UPDATE core_auditevent SET actor_name = 'Mallory'",
    "24": "UPDATE prompts_app_prompt SET last_number = last_number + 1",
}


@pytest.mark.parametrize("number", CORRUPTIONS)
def test_checker__of_a_corruption__names_the_invariant(free: Cast, number: str) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    go_live(free, version(free.ada, made, "b"), "staging")
    assert violations(free.workspace.pk) == []
    with taken_back() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(CORRUPTIONS[number])
        assert any(found.startswith(number) for found in violations(free.workspace.pk)), violations(free.workspace.pk)


def test_checker__of_a_pointer_moved_past_the_actions__sees_it(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "staging")
    LivePointer.objects.filter(prompt=made).update(deployment=None)
    assert any(found.startswith("2:") for found in violations(free.workspace.pk))
    assert Deployment.objects.count() == 1
