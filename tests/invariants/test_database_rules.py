"""Invariants 1 and 19 as rules of the database, for whoever connects with whatever code; and the rules of rows among rows."""

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.db.models import Model
from pgtrigger import registered

from prompts_app.content import content_digest
from prompts_app.models import Deployment, LivePointer, Promotion, PromptVersion
from registry.core.models import append_only_models
from tests.builders import Cast, prompt, version
from tests.scenes import as_superuser, go_live

TABLES = append_only_models()
HISTORY = {
    "core.AuditEvent",
    "prompts_app.PromptVersion",
    "prompts_app.VersionYank",
    "prompts_app.PolicyVersion",
    "prompts_app.Deployment",
    "prompts_app.Approval",
    "prompts_app.VersionCheck",
    "prompts_app.CheckDefinitionChange",
    "evals_app.SuiteVersion",
}


def test_history__every_table_of_it__is_append_only() -> None:
    assert {model._meta.label for model in TABLES} >= HISTORY


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.label)
def test_append_only__as_the_application__has_no_right_to_rewrite(db: None, model: type[Model]) -> None:
    table = model._meta.db_table
    column = model._meta.pk.column
    for sql in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            connection.cursor().execute(sql)


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.label)
def test_append_only__as_the_owner_of_the_table__is_refused_by_triggers(db: None, model: type[Model]) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal", [table]
        )
        found = dict(cursor.fetchall())
    names = {trigger.get_pgid(one) for one, trigger in registered() if one is model}
    assert names == set(found), "what the model declares is in the database"
    assert len(names) == 2
    assert set(found.values()) == {"O"}, "and switched on"
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        connection.cursor().execute(f"SET LOCAL ROLE NONE; TRUNCATE {table} CASCADE")


def test_version__as_the_owner_of_the_table__cannot_be_rewritten(free: Cast) -> None:
    first = prompt(free.ada).versions.get()
    for sql in ("UPDATE {} SET content = '{{}}'", "DELETE FROM {}"):
        with pytest.raises(ProgrammingError, match="Cannot update or delete"), transaction.atomic():
            connection.cursor().execute("SET LOCAL ROLE NONE; " + sql.format("prompts_app_promptversion"))
    assert PromptVersion.objects.get().content == first.content


def test_version__by_the_orm__cannot_be_rewritten(free: Cast) -> None:
    first = prompt(free.ada).versions.select_related("prompt").get()
    before = first.content
    first.content = "{}"
    for attempt in (first.save, lambda: PromptVersion.objects.update(content="{}"), PromptVersion.objects.all().delete):
        with pytest.raises(ProgrammingError), transaction.atomic():
            attempt()
    assert PromptVersion.objects.get().content == before


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "é\u202e\u200b\ufeff",
        "tab\tcr\r\nlf\n",
        "   blanks   ",
        "e\u0301 is not \u00e9",
        "👩\u200d👩\u200d👧",
        "\u2028\x7f",
        "",
    ],
)
def test_content__of_any_characters__comes_back_as_it_was_with_the_same_digest(free: Cast, text: str) -> None:
    made = prompt(free.ada, text=None)
    first = version(free.ada, made, text, template_format="plain")
    version(free.ada, made, "between")
    again = version(free.ada, made, text, template_format="plain")
    loaded = PromptVersion.objects.select_related("prompt").get(pk=again.pk).load()
    assert loaded.source.text == text
    assert content_digest(loaded) == first.digest == again.digest


def test_digest__key_order_apart__is_kept_and_the_author_s_order_served(free: Cast) -> None:
    one, two = prompt(free.ada, "one", text=None), prompt(free.ada, "two", text=None)
    first = version(free.ada, one, "x", config={"b": 1, "a": 2})
    second = version(free.ada, two, "x", config={"a": 2, "b": 1})
    assert first.digest == second.digest
    assert list(first.to_json()["config"]) == ["b", "a"]
    assert list(second.to_json()["config"]) == ["a", "b"]


def test_rows_among_rows__two_pointers_or_revisions_or_numbers__are_refused_by_constraints(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    live = go_live(free, made.versions.get(), "staging")
    pointer = LivePointer.objects.get(prompt=made, environment=live.environment)
    copies: list[Model] = [
        LivePointer(prompt=made, environment=live.environment),
        PromptVersion(prompt=made, number=1, digest="d", content="{}", author_id=free.ada.member_id, author_name="A"),
        Deployment(
            prompt=made,
            environment=live.environment,
            kind="withdrawal",
            revision=1,
            actor_kind="m",
            actor_id=1,
            actor_name="A",
        ),
        Deployment(
            prompt=made,
            environment=live.environment,
            kind="rollback",
            revision=9,
            actor_kind="m",
            actor_id=1,
            actor_name="A",
        ),
        Deployment(
            prompt=made,
            environment=live.environment,
            kind="withdrawal",
            version=made.versions.get(),
            revision=9,
            actor_kind="m",
            actor_id=1,
            actor_name="A",
        ),
    ]
    for copy in copies:
        with pytest.raises(IntegrityError), transaction.atomic():
            copy.save()
    assert LivePointer.objects.get(pk=pointer.pk).deployment == live


def test_pointer__at_a_deployment_that_does_not_exist__is_refused(free: Cast) -> None:
    made = prompt(free.ada, text="a")
    live = go_live(free, made.versions.get(), "staging")
    LivePointer.objects.filter(prompt=made, environment=live.environment).update(deployment=10**9)
    with pytest.raises(IntegrityError), transaction.atomic():
        connection.check_constraints()
    LivePointer.objects.filter(prompt=made, environment=live.environment).update(deployment=live)


def test_superuser__walking_past_triggers__is_found_by_the_digest(free: Cast) -> None:
    first = prompt(free.ada, text="a").versions.select_related("prompt").get()
    with as_superuser() as cursor:
        cursor.execute("UPDATE prompts_app_promptversion SET content = replace(content, '\"a\"', '\"b\"')")
    first.refresh_from_db()
    assert content_digest(first.load()) != first.digest
    assert not Promotion.objects.exists()
