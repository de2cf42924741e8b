"""A key is no way around the eyes of somebody else: to whom it was shown cannot approve what it wrote or opened."""

from importlib import import_module

import pytest
from django.db import connection

from prompts_app.actions.checks import require_check
from prompts_app.actions.histories import keep_version, prepare_written
from prompts_app.actions.promotions import open_promotion
from prompts_app.facts import not_eligible
from prompts_app.inbox_queries import inbox
from prompts_app.transfer.histories import PromptHistory, WrittenVersion
from registry.core.actions.keys import create_key, rotate_key
from registry.core.actions.workspaces import hand_over_keys
from registry.core.actor import KeyKind, Role
from registry.core.errors import Forbidden
from registry.core.identity import actor_for_key
from registry.core.models import ApiKey
from tests.builders import Cast, join, prompt, version
from tests.prompts.test_reviews import go_live_in_staging, member, reviewed
from tests.scenes import approve, fresh, policy, suite, valid

__all__ = ["reviewed"]


def test_vote__by_who_made_or_rotated_the_key_that_wrote_or_opened__is_ineligible_whoever_answers_for_it(
    reviewed: Cast,
) -> None:
    """Who was shown a key could write by it in another's name and then approve: Olga made it, Otto rotated it."""
    otto = join(reviewed.olga, "Otto", Role.ADMIN)
    named = create_key(reviewed.olga, kind=KeyKind.CI, name="pipeline", responsible=member(reviewed.rosa))
    rotated = rotate_key(otto, named.row)
    made = prompt(reviewed.ada, text="1")
    go_live_in_staging(reviewed, made.versions.get())
    row = open_promotion(reviewed.ada, version(actor_for_key(rotated.row), made, "2"), reviewed.environment("staging"))
    for maker in (reviewed.olga, otto):
        with pytest.raises(Forbidden, match="made a key"):
            approve(maker, row)
        assert row.pk not in {one.promotion.pk for one in inbox(maker).waiting}
    assert row.pk in {one.promotion.pk for one in inbox(reviewed.grace).waiting}
    opened = open_promotion(
        actor_for_key(named.row), version(reviewed.ada, made, "3"), reviewed.environment("production")
    )
    with pytest.raises(Forbidden, match="made a key"):
        approve(reviewed.olga, opened)
    assert opened.pk not in {one.promotion.pk for one in inbox(reviewed.olga).waiting}


def test_key__handed_over__who_answered_for_it_when_it_wrote_before_stays_ineligible(reviewed: Cast) -> None:
    """Nobody takes a key out of a pipeline by naming somebody else who answers for it."""
    key = create_key(reviewed.olga, kind=KeyKind.CI, name="pipeline", responsible=member(reviewed.rosa)).row
    made = prompt(reviewed.ada, text="1")
    by_key = version(actor_for_key(key), made, "2")
    hand_over_keys(reviewed.olga, member(reviewed.rosa), to=member(reviewed.ada))
    go_live_in_staging(reviewed, by_key)
    key.refresh_from_db()
    row = open_promotion(reviewed.ada, version(actor_for_key(key), made, "3"), reviewed.environment("staging"))
    with pytest.raises(Forbidden, match=r"approval\.ineligible"):
        approve(reviewed.rosa, row)
    assert row.pk not in {one.promotion.pk for one in inbox(reviewed.rosa).waiting}
    assert row.pk in {one.promotion.pk for one in inbox(reviewed.grace).waiting}


def test_key__handed_over__its_maker_stays_ineligible_for_what_it_writes(reviewed: Cast) -> None:
    key = create_key(reviewed.olga, kind=KeyKind.CI, name="pipeline").row
    hand_over_keys(reviewed.olga, member(reviewed.olga), to=member(reviewed.rosa))
    key.refresh_from_db()
    made = prompt(reviewed.ada, text="1")
    go_live_in_staging(reviewed, made.versions.get())
    row = open_promotion(reviewed.ada, version(actor_for_key(key), made, "2"), reviewed.environment("staging"))
    with pytest.raises(Forbidden, match="made a key"):
        approve(reviewed.olga, row)
    approve(reviewed.grace, row)
    assert valid(row, reviewed.rosa) == {"Grace"}


def test_suite__changed_or_dropped_by_a_key__is_the_doing_of_whoever_made_it(reviewed: Cast) -> None:
    policy(reviewed, "staging", require_suites=True)
    key = actor_for_key(
        create_key(reviewed.olga, kind=KeyKind.CI, name="pipeline", responsible=member(reviewed.rosa)).row
    )
    made = prompt(reviewed.ada, text="1")
    suite(key, made, "suite/by-key")
    row = open_promotion(reviewed.ada, made.versions.get(), reviewed.environment("staging"))
    for doer in (reviewed.olga, reviewed.rosa):
        with pytest.raises(Forbidden, match="changed a suite"):
            approve(doer, row)
    suite(reviewed.ada, made, "suite/of-ada")
    require_check(key, made, "suite/of-ada", required=False)
    assert set(not_eligible(fresh(row), None)) == {
        one.member_id for one in (reviewed.ada, reviewed.olga, reviewed.rosa)
    }


def test_import__by_a_key_over_versions_of_another_key__passes_over_nobody(reviewed: Cast) -> None:
    """A history may say what its versions were based on; that takes no key's maker off the way from what is live."""
    otto = join(reviewed.olga, "Otto", Role.ADMIN)
    first, second = (
        actor_for_key(create_key(maker, kind=KeyKind.CI, name=name, responsible=member(reviewed.rosa)).row)
        for maker, name in ((reviewed.olga, "first"), (otto, "second"))
    )
    made = prompt(reviewed.ada, text="1")
    version(first, made, "2")
    content = {"text": "3", "template_format": "jinja"}
    written = WrittenVersion(number=3, content=content, based_on=1)
    history = PromptHistory(name=made.name, kind="text", versions=(written,))
    prepared = prepare_written(history, written, lambda pin: pytest.fail(f"asked for {pin}"))
    kept = keep_version(second, made, prepared)
    row = open_promotion(reviewed.ada, kept, reviewed.environment("staging"))
    assert reviewed.olga.member_id in not_eligible(fresh(row), None) and kept.based_on == 2


def test_key__made_before_that_was_noted__learns_from_the_log_to_whom_it_was_shown(reviewed: Cast) -> None:
    otto = join(reviewed.olga, "Otto", Role.ADMIN)
    first = create_key(reviewed.olga, kind=KeyKind.CI, name="pipeline", responsible=member(reviewed.rosa)).row
    second = rotate_key(otto, first).row
    ApiKey.objects.update(made_by=None)
    migration = import_module("registry.core.migrations.0007_who_made_earlier_keys_is_read_from_the_audit_log")
    with connection.cursor() as cursor:
        cursor.execute(migration.FROM_THE_LOG)
    made_by = dict(ApiKey.objects.values_list("pk", "made_by"))
    assert made_by == {first.pk: reviewed.olga.member_id, second.pk: otto.member_id}
