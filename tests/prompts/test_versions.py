import json
from datetime import UTC, datetime, timedelta

import pytest

from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.actions.versions import create_version, discard_draft, find_version, save_draft, yank_version
from prompts_app.facts import current_policy, live_deployment
from prompts_app.models import Draft, Promotion, PromotionState, Prompt, VersionYank
from prompts_app.promotion_queries import kept_back
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent, OutboxMessage
from tests.builders import Cast, prompt, version
from tests.scenes import go_live, policy


def test_versions__saved_one_after_the_other__are_numbered_without_gaps(free: Cast) -> None:
    made = prompt(free.ada)
    numbers = [version(free.ada, made, f"text {n}").number for n in range(3)]
    assert numbers == [2, 3, 4]
    assert [row.based_on for row in made.versions.order_by("number")] == [None, 1, 2, 3]


def test_version__equal_to_the_newest__is_that_version_and_leaves_no_trace(free: Cast) -> None:
    made = prompt(free.ada, text="same")
    events, messages = AuditEvent.objects.count(), OutboxMessage.objects.count()
    saved = create_version(free.grace, made, {"text": "same"})
    assert (saved.is_new, saved.version.number, saved.version.author_id) == (False, 1, free.ada.member_id)
    assert (AuditEvent.objects.count(), OutboxMessage.objects.count()) == (events, messages)


def test_version__equal_to_an_older_one__is_new_with_the_same_digest(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    version(free.ada, made, "b")
    third = version(free.ada, made, "a")
    assert (third.number, third.digest) == (3, made.versions.get(number=1).digest)


def test_version__a_refused_save__uses_no_number(free: Cast) -> None:
    made = prompt(free.ada)
    for content in (
        {"text": "{% include 'x' %}"},
        {"text": "\0"},
        {"messages": []},
        {"text": "{{ a }}", "variables": {}},
    ):
        with pytest.raises(Invalid):
            create_version(free.ada, made, content)
    assert version(free.ada, made, "fine").number == 2


@pytest.mark.parametrize("based_on", [1, 3])
def test_version__based_on_another_than_the_newest__conflicts_naming_the_newest(free: Cast, based_on: int) -> None:
    made = prompt(free.ada)
    version(free.ada, made, "second")
    with pytest.raises(Conflict) as refused:
        create_version(free.ada, made, {"text": "third"}, based_on=based_on)
    assert (refused.value.code, refused.value.extra["newest"]) == ("version.conflict", 2)
    assert create_version(free.ada, made, {"text": "third"}, based_on=2).version.based_on == 2


def test_version__first_one_based_on_something__conflicts(free: Cast) -> None:
    made = prompt(free.ada, text=None)
    with pytest.raises(Conflict, match=r"version\.conflict"):
        create_version(free.ada, made, {"text": "first"}, based_on=1)


def test_version__by_a_key__names_its_responsible_member_as_author(free: Cast) -> None:
    made = prompt(free.ada)
    saved = version(free.key(name="pipeline").actor, made, "from CI")
    assert (saved.author_id, saved.author_name, saved.key_name) == (free.olga.member_id, "Olga", "pipeline")


def test_version__by_a_viewer_or_service_key__is_forbidden(free: Cast) -> None:
    made = prompt(free.ada)
    for actor in (free.vera, free.key("service", environment="staging").actor):
        with pytest.raises(Forbidden):
            create_version(actor, made, {"text": "x"})


def test_version__of_an_archived_prompt__is_refused_until_it_is_unarchived(free: Cast) -> None:
    made = prompt(free.ada)
    change_prompt(free.ada, made, archived=True)
    with pytest.raises(Conflict, match=r"prompt\.archived"):
        create_version(free.ada, made, {"text": "x"})
    change_prompt(free.ada, made, archived=False)
    assert version(free.ada, made, "x").number == 2


def test_yank__a_version_that_is_live__is_refused_until_it_is_rolled_back(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    first, second = made.versions.get(number=1), version(free.ada, made, "b")
    go_live(free, first, "staging")
    go_live(free, second, "staging")
    with pytest.raises(Conflict) as refused:
        yank_version(free.ada, second, reason="leaks")
    assert (refused.value.code, refused.value.extra["environments"]) == ("version.live", ["staging"])
    roll_back(free.rosa, made, free.environment("staging"), reason="leaks")
    assert yank_version(free.ada, second, reason="leaks").reason == "leaks"
    with pytest.raises(Conflict, match=r"version\.yanked"):
        yank_version(free.ada, second, reason="again")


def test_yank__live_elsewhere_under_another_number__is_about_that_version_only(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    version(free.ada, made, "b")
    go_live(free, version(free.ada, made, "a"), "staging")
    assert yank_version(free.ada, made.versions.get(number=1), reason="superseded").version.number == 1


def test_yank__without_reason_or_right__changes_nothing(free: Cast) -> None:
    first = prompt(free.ada).versions.get()
    with pytest.raises(Invalid):
        yank_version(free.ada, first, reason="  ")
    with pytest.raises(Forbidden):
        yank_version(free.vera, first, reason="no")
    assert not VersionYank.objects.exists()


def test_find_version__unknown_number__is_not_found(free: Cast) -> None:
    with pytest.raises(NotFound):
        find_version(prompt(free.ada), 2)


def test_auto_apply__no_blockers__is_live_in_the_transaction_that_creates(cast: Cast) -> None:
    made = create_prompt(cast.ada, "greeting", kind="text")
    saved = create_version(cast.ada, made, {"text": "Hello {{ name }}"})
    [moved] = saved.moved
    development = cast.environment("development")
    assert (moved.revision, moved.deployment.version) == (1, saved.version)
    assert live_deployment(made, development) == moved.deployment
    promotion = Promotion.objects.get()
    assert (promotion.state, promotion.deployment, promotion.author_id) == (
        PromotionState.APPLIED,
        moved.deployment,
        cast.ada.member_id,
    )
    assert promotion.ended_at is not None
    evidence = json.loads(moved.deployment.evidence)
    assert evidence["subject"]["digest"] == saved.version.digest
    assert (evidence["checks"], evidence["approvals"], evidence["policy"]["auto_apply"]) == ([], [], True)


def test_auto_apply__by_a_key_without_the_scope_promote__is_permitted_by_the_policy(cast: Cast) -> None:
    made = prompt(cast.ada)
    [moved] = create_version(cast.key().actor, made, {"text": "CI"}).moved
    assert (moved.deployment.actor_kind, moved.deployment.environment.name) == ("key", "development")


def test_auto_apply__breaking_contract__is_advisory(cast: Cast) -> None:
    made = prompt(cast.ada, text="Hello")
    saved = create_version(cast.ada, made, {"text": "Hello {{ name }}, {{ surname }}"})
    assert len(saved.moved) == 1


@pytest.mark.parametrize("asks", [{"approvals": 1}, {"external_checks": ["lint"]}, {"min_suites": 1}])
def test_auto_apply__with_a_blocker__opens_and_moves_nothing(cast: Cast, asks: dict) -> None:
    policy(cast, "development", **asks)
    made = prompt(cast.ada)
    assert live_deployment(made, cast.environment("development")) is None
    assert not Promotion.objects.exists()
    environments = (cast.environment(name) for name in ("development", "staging"))
    [kept] = kept_back(find_version(made, 1), {one: current_policy(one) for one in environments})
    assert kept.environment.name == "development"
    [blocker] = kept.blockers
    assert blocker.extra.get("eligible", 3) == 3, "Grace, Rosa and Olga could approve"


def test_auto_apply__with_protected__is_refused_as_a_policy(cast: Cast) -> None:
    with pytest.raises(Invalid):
        policy(cast, "development", protected=True)


def test_auto_apply__in_two_ranks__the_lower_one_counts_as_predecessor(cast: Cast) -> None:
    policy(cast, "staging", auto_apply=True, require_suites=False)
    made = create_prompt(cast.ada, "both", kind="text")
    saved = create_version(cast.ada, made, {"text": "x"})
    assert [moved.deployment.environment.name for moved in saved.moved] == ["development", "staging"]


def test_auto_apply__a_quarantined_digest__stays_out(cast: Cast) -> None:
    made = prompt(cast.ada, text="good")
    version(cast.ada, made, "bad")
    development = cast.environment("development")
    roll_back(cast.rosa, made, development, reason="bad")
    version(cast.ada, made, "other")
    saved = create_version(cast.ada, made, {"text": "bad"})
    assert saved.moved == ()
    live = live_deployment(made, development)
    assert live is not None and live.version is not None and live.version.load().source.text == "other"


def test_auto_apply__after_a_withdrawal__a_new_version_comes_back(cast: Cast) -> None:
    made = prompt(cast.ada)
    withdraw(cast.rosa, made, cast.environment("development"), reason="not yet")
    assert len(create_version(cast.ada, made, {"text": "again"}).moved) == 1


def test_draft__of_two_people__are_two_and_may_hold_anything(free: Cast) -> None:
    made = prompt(free.ada)
    events = AuditEvent.objects.count()
    save_draft(free.ada, made, {"text": "{{ broken"}, based_on=1)
    save_draft(free.ada, made, {"text": "better"}, message="m")
    save_draft(free.grace, made, {"text": "hers"})
    assert Draft.objects.count() == 2
    assert Draft.objects.get(member=free.ada.member_id).content == '{"text": "better"}'
    discard_draft(free.ada, made)
    assert [draft.member_id for draft in Draft.objects.all()] == [free.grace.member_id]
    assert AuditEvent.objects.count() == events, "drafts are not audited"


def test_version__written_elsewhere__keeps_its_date_in_order(cast: Cast) -> None:
    old, older = datetime(2023, 2, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)
    made = create_prompt(cast.ada, "old", kind="text", written_at=older)
    assert create_version(cast.ada, made, {"text": "one"}, written_at=old).version.created_at == old
    for refused in (older, datetime.now(UTC) + timedelta(hours=1)):
        with pytest.raises(Invalid, match="past"):
            create_version(cast.ada, made, {"text": "two"}, written_at=refused)
    assert create_version(cast.ada, made, {"text": "two"}).version.created_at > old
    assert Prompt.objects.get(pk=made.pk).created_at == older
