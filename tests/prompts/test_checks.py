import pytest

from prompts_app.actions.checks import define_check, post_external_check, require_check
from prompts_app.actions.promotions import open_promotion
from prompts_app.evaluation import as_of_then
from prompts_app.models import CheckDefinitionChange, CheckState, RequiredCheck, VersionCheck
from registry.core.errors import Forbidden, Invalid
from registry.core.models import AuditEvent, OutboxMessage
from tests.builders import Cast, prompt
from tests.scenes import fresh, post, suite


def test_define__another_recipe_or_safety__is_a_change_of_meaning_and_a_title_is_none(free: Cast) -> None:
    for recipe, is_safety, title in (("a", False, "t"), ("a", False, "new title"), ("b", False, "t"), ("b", True, "t")):
        made = define_check(
            free.grace, "suite/x", title=title, recipe=recipe * 64, is_safety=is_safety, changed_by_person=True
        )
    assert (made.title, made.is_safety) == ("t", True)
    assert [row.recipe[0] for row in CheckDefinitionChange.objects.order_by("pk")] == ["a", "b", "b"]
    assert {row.by_id for row in CheckDefinitionChange.objects.all()} == {free.grace.member_id}


def test_require__twice_and_no_longer__is_one_row_and_none(free: Cast) -> None:
    made = prompt(free.ada)
    suite(free.ada, made)
    require_check(free.grace, made, "suite/intents", required=True)
    assert RequiredCheck.objects.count() == 1
    require_check(free.grace, made, "suite/intents", required=False)
    require_check(free.grace, made, "suite/intents", required=False)
    assert not RequiredCheck.objects.exists()


def test_record__on_a_pending_promotion__is_a_sign_of_life_and_finished_ones_are_told(free: Cast) -> None:
    made = prompt(free.ada)
    row = open_promotion(free.ada, made.versions.get(), free.environment("staging"))
    suite(free.ada, made)
    before = fresh(row)
    topics = OutboxMessage.objects.filter(topic="check.finished")
    post(row.version, row.environment, CheckState.PENDING)
    assert topics.count() == 0
    post(row.version, row.environment, CheckState.PASSED)
    assert topics.count() == 1
    assert (fresh(row).stamp, fresh(row).last_activity_at >= before.last_activity_at) == (before.stamp, True)


def test_external__by_whom__is_a_ci_key_with_the_scope(free: Cast) -> None:
    first = prompt(free.ada).versions.select_related("prompt").get()
    for actor in (
        free.olga,
        free.ada,
        free.key("service", environment="staging").actor,
        free.key(scopes=["write"]).actor,
    ):
        with pytest.raises(Forbidden):
            post_external_check(actor, first, name="external/lint", state="passed")
    events = AuditEvent.objects.count()
    check = post_external_check(
        free.key(scopes=["check"], name="ci").actor,
        first,
        name="external/lint",
        state="passed",
        url="https://ci.example/1",
    )
    assert (check.baseline_digest, check.evidence_key) == (None, "")
    assert AuditEvent.objects.first().event == "check.posted"
    assert AuditEvent.objects.count() == events + 2, "the key, and the check"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "suite/intents"},
        {"name": "lint"},
        {"name": "external/Lint"},
        {"state": "missing"},
        {"state": "stale"},
        {"url": "javascript:alert(1)"},
        {"url": "https://x.example/" + "x" * 500},
        {"summary": "\0"},
    ],
)
def test_external__what_cannot_be__is_invalid_and_keeps_nothing(free: Cast, fields: dict) -> None:
    first = prompt(free.ada).versions.select_related("prompt").get()
    with pytest.raises(Invalid):
        post_external_check(free.key().actor, first, **{"name": "external/lint", "state": "passed"} | fields)
    assert not VersionCheck.objects.exists()


@pytest.mark.parametrize(
    ("said", "number", "told"),
    [
        (
            "Not worse than the live version by more than 5.0 points (95 % sure): v12 90 %, live v1 88 %.",
            None,
            "Not worse than what was live then (v1) by more than 5.0 points (95 % sure): v12 90 %, v1 88 %.",
        ),
        (
            "A critical case that passed on the live version fails now: card. Scores: v2 1, live v1 1.",
            None,
            "A critical case that passed on what was live then (v1) fails: card. Scores: v2 1, v1 1.",
        ),
        ("80 %, 75 % on the live version.", 3, "80 %, 75 % on what was live then (v3)."),
        ("80 %, 75 % on the live version.", None, "80 %, 75 % on what was live then."),
        ("First version: no comparison.", None, "First version: no comparison."),
    ],
)
def test_verdict__of_a_version_that_is_live_no_more__is_told_as_of_then(
    said: str, number: int | None, told: str
) -> None:
    assert as_of_then(said, number) == told
