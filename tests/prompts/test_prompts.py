import pytest

from prompts_app.actions.prompts import change_prompt, create_prompt, find_prompt
from prompts_app.actions.rollback import withdraw
from prompts_app.models import Prompt
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from tests.builders import Cast, prompt, version
from tests.scenes import go_live, policy


def test_create__a_name_that_is_taken__conflicts_naming_it(free: Cast) -> None:
    create_prompt(free.ada, "support/triage", kind="text")
    with pytest.raises(Conflict) as refused:
        create_prompt(free.grace, "support/triage", kind="chat")
    assert (refused.value.code, refused.value.extra["name"]) == ("prompt.exists", "support/triage")
    assert create_prompt(free.ada, "Support/triage", kind="chat").kind == "chat", "case matters"
    assert create_prompt(free.linus, "support/triage", kind="text").workspace_id == free.linus.workspace_id


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a/versions"},
        {"name": ""},
        {"kind": "picture"},
        {"description": "a\0b"},
        {"tags": [""]},
        {"tags": ["x" * 65]},
        {"tags": [str(n) for n in range(51)]},
        {"tags": ["a\nb"]},
    ],
)
def test_create__what_cannot_be__is_invalid_and_makes_nothing(free: Cast, fields: dict) -> None:
    with pytest.raises(Invalid):
        create_prompt(free.ada, **{"name": "fine", "kind": "text"} | fields)
    assert not Prompt.objects.exists()


def test_create_and_change__by_whom__follows_the_roles(free: Cast) -> None:
    made = create_prompt(free.key().actor, "by-key", kind="text")
    for actor in (free.vera, free.key("service", environment="staging").actor, free.key(scopes=["read"]).actor):
        with pytest.raises(Forbidden):
            create_prompt(actor, "no", kind="text")
        with pytest.raises(Forbidden):
            change_prompt(actor, made, description="no")
        with pytest.raises(Forbidden):
            change_prompt(actor, made, archived=True)
    assert change_prompt(free.key().actor, made, archived=True).is_archived


def test_change__what_is_left_out__stays_and_nothing_is_recorded_for_nothing(free: Cast) -> None:
    made = create_prompt(free.ada, "p", kind="text", description="d", tags=["b", "a", "b"])
    assert made.tags == ["b", "a"]
    events = AuditEvent.objects.count()
    change_prompt(free.ada, made, description="d", archived=False)
    assert AuditEvent.objects.count() == events
    changed = change_prompt(free.ada, made, tags=[])
    assert (changed.description, changed.tags) == ("d", [])
    assert AuditEvent.objects.first().event == "prompt.changed"


def test_archive__live_in_a_protected_environment__is_refused_until_withdrawn(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    go_live(free, made.versions.get(), "production")
    go_live(free, made.versions.get(), "staging")
    policy(free, "production", protected=True)
    with pytest.raises(Conflict) as refused:
        change_prompt(free.ada, made, archived=True)
    assert (refused.value.code, refused.value.extra["environments"]) == ("prompt.live", ["production"])
    assert not find_prompt(free.workspace.pk, made.name).is_archived
    withdraw(free.rosa, made, free.environment("production"), reason="off")
    assert change_prompt(free.ada, made, archived=True).is_archived, "unprotected environments go on serving it"
    assert not change_prompt(free.ada, made, archived=False).is_archived


def test_search__by_newest_text_name_tag_and_author__finds(free: Cast) -> None:
    made = prompt(free.ada, "billing/refund", text="about elephants")
    version(free.grace, made, "about giraffes")
    change_prompt(free.ada, made, tags=["money"])
    rows = Prompt.objects.in_workspace(free.workspace.pk)
    for text in ("giraffes", "refund", "money", "Grace", "billing"):
        assert list(rows.matching(text)) == [made], text
    assert not rows.matching("elephants"), "only the newest text is searched"
    assert not Prompt.objects.in_workspace(free.linus.workspace_id).matching("giraffes")


def test_find__in_another_workspace__is_not_found(free: Cast) -> None:
    made = prompt(free.ada)
    with pytest.raises(NotFound):
        find_prompt(free.linus.workspace_id, made.name)
