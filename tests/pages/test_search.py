"""One question over everything: the page of the search, and the list that the palette shows."""

from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from django.test import override_settings

from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.prompts import change_prompt, create_prompt
from registry.core.searching import Asked
from registry.core.templatetags.ui import manage
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn


@pytest.mark.parametrize(
    ("typed", "words", "number"),
    [
        ("", (), None),
        ("  support   intent ", ("support", "intent"), None),
        ("intent v3", ("intent",), 3),
        ("#12", (), 12),
        ("12", (), 12),
        ("v2 v3", ("v3",), 2),
        ("v2x", ("v2x",), None),
        ("v9999999999", ("v9999999999",), None),
        ("a\0b", ("ab",), None),
        ("x" * 500, ("x" * 200,), None),
    ],
)
def test_asked__typed__is_words_and_a_number(typed: str, words: tuple[str, ...], number: int | None) -> None:
    asked = Asked.read(typed)

    assert (asked.words, asked.number) == (words, number)


def found(client: Any, typed: str, **more: str) -> dict[str, list[str]]:
    """The labels of what was found, by group."""
    groups = client.get("/w/acme/search", {"q": typed, **more}).context["groups"]
    return {group.title: [one.label for one in group.found] for group in groups}


def test_search__of_a_word__finds_it_everywhere_the_best_name_first(cast: Cast, as_: SignedIn) -> None:
    for name in ("support/an-intent-of-old", "support/intent", "intent-router", "support/triage"):
        builders.prompt(cast.ada, name)
    version = builders.version(cast.ada, create_prompt(cast.ada, "billing/words", kind="text"), "My intent is clear")
    open_promotion(cast.ada, version, cast.environment("staging"), title="Ask for intent")
    building.suite(cast.ada)

    groups = found(as_(cast.vera), "INTENT")

    assert groups["Prompts"] == ["intent-router", "support/intent", "support/an-intent-of-old", "billing/words"]
    assert groups["Promotions"][0] == "billing/words v1 to Staging", "open ones come first"
    assert found(as_(cast.vera), "numbers")["Suites"] and found(as_(cast.vera), "prod")["Environments"] == [
        "Production"
    ]


def test_search__with_a_number__finds_the_version_or_the_thing_of_that_number(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/intent")
    second = builders.version(cast.ada, made, "Again {{ name }}")
    asked = open_promotion(cast.ada, second, cast.environment("staging"))
    client = as_(cast.vera)

    assert found(client, "intent v2")["Versions"] == ["support/intent v2"]
    assert "Versions" not in found(client, "intent v3")
    assert found(client, f"#{asked.pk}")["Promotions"] == ["support/intent v2 to Staging"]
    page = client.get("/w/acme/search?q=intent+v2").content.decode()
    assert 'href="/w/acme/prompts/support/intent/versions/2"' in page


def test_search__of_a_command__leads_where_it_is_done_for_those_who_may(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/intent")

    assert found(as_(cast.ada), "promote intent")["Commands"] == ["Promote support/intent v1…"]
    assert found(as_(cast.ada), "edit intent")["Commands"] == ["Edit support/intent"]
    assert "Commands" not in found(as_(cast.vera), "promote intent")
    assert found(as_(cast.olga), "audit")["Go to"] == ["Audit log"]
    assert "Go to" not in found(as_(cast.ada), "audit")
    assert found(as_(cast.olga), "grace")["People"] == ["Grace"]
    assert "People" not in found(as_(cast.ada), "grace")


def test_search__to_go_back__leads_to_each_place_where_something_else_was_live(cast: Cast, as_: SignedIn) -> None:
    for name in ("support/intent", "billing/refund"):
        made = builders.prompt(cast.ada, name)
        builders.version(cast.ada, made, "Again {{ name }}")
    builders.prompt(cast.ada, "new")
    rosa = as_(cast.rosa)

    everywhere = ["Go back: billing/refund in Development…", "Go back: support/intent in Development…"]
    assert found(rosa, "go back")["Commands"] == everywhere
    assert found(rosa, "Roll back intent")["Commands"] == everywhere[1:]
    of_ada = as_(cast.ada).get("/w/acme/search?q=rollback+intent").content.decode()
    assert found(as_(cast.ada), "rollback intent")["Commands"] == [
        "Rosa or Olga can go back: support/intent in Development"
    ]
    assert 'href="/w/acme/prompts/support/intent"' in of_ada and "/rollback/" not in of_ada


def test_search__of_another_workspace_or_the_archive__finds_nothing(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.linus, "secret/intent")
    change_prompt(cast.ada, builders.prompt(cast.ada, "old/intent"), archived=True)

    groups = found(as_(cast.olga), "intent")

    assert list(groups) == ["Promotions"] and set(groups["Promotions"]) == {"old/intent v1 to Development"}


def test_search__like_patterns_and_odd_texts__are_only_texts(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/intent")
    client = as_(cast.vera)

    for typed in ("%", "_", "\\", "'", '"', "a & b | !", "<script>", "🙂", "promote", "promote %"):
        assert client.get("/w/acme/search", {"q": typed}).status_code == 200
        assert "Prompts" not in found(client, typed)


@pytest.mark.parametrize(
    "typed", ["-" * 200, "(-" * 100, "- . " * 100, '"-' * 100, "-" * 40 + "umbrella", "a - - - - b"]
)
def test_search__of_a_line_of_hyphens__is_only_a_text(cast: Cast, as_: SignedIn, typed: str) -> None:
    builders.prompt(cast.ada, "support/triage")
    owner = as_(cast.olga)
    for address in ("/w/acme/", "/w/acme/search"):
        assert owner.get(address, {"q": typed}).status_code == 200, address
    assert Api(cast.ada).get(f"prompts?q={quote(typed)}").status == 200


def test_palette__asked_for__is_only_options_and_says_how_many(cast: Cast, as_: SignedIn) -> None:
    for number in range(9):
        builders.prompt(cast.ada, f"support/intent-{number}", text=None)
    change_environment(cast.olga, cast.environment("staging"), label="Intent stage")

    text = as_(cast.vera).get("/w/acme/search?q=intent&palette=1").content.decode()

    assert "<html" not in text and text.count('role="option"') == 6 + 1
    assert 'data-count="7"' in text and 'role="group"' in text


def test_search__of_many_prompts__asks_as_few_questions_as_for_one(
    cast: Cast, as_: SignedIn, django_assert_max_num_queries: Any
) -> None:
    client = as_(cast.olga)
    for count in (1, 5):
        for number in range(count):
            builders.prompt(cast.ada, f"folder-{count}/intent-{number}")
        with django_assert_max_num_queries(22):
            client.get("/w/acme/search?q=intent")


def test_palette__on_a_prompts_page__begins_suites_and_runs_for_that_prompt(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/intent")
    client = as_(cast.ada)

    page = client.get("/w/acme/prompts/support/intent").content.decode()
    there = client.get("/w/acme/search?q=new+suite&palette=1&prompt=support/intent").content.decode()
    run = client.get("/w/acme/search?q=start+a+run&palette=1&prompt=support/intent").content.decode()
    elsewhere = client.get("/w/acme/search?q=new+suite&palette=1").content.decode()

    assert 'data-prompt="support/intent"' in page and 'data-prompt=""' in client.get("/w/acme/").content.decode()
    assert 'href="/w/acme/new-suite?prompt=support%2Fintent"' in there and "for support/intent" in there
    assert 'href="/w/acme/runs/new?prompt=support%2Fintent"' in run
    assert 'href="/w/acme/new-suite"' in elsewhere


@override_settings(MANAGE_COMMAND="python3 bin/dev.py manage")
def test_new_workspace__looked_for__leads_to_how_one_is_made(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.vera)

    palette = client.get("/w/acme/search?q=new+workspace&palette=1").content.decode()
    profile = client.get("/w/acme/settings/profile").content.decode()

    assert 'href="/w/acme/settings/profile#workspaces"' in palette
    assert profile.count('href="/w/acme/settings/profile#workspaces"') == 1 and 'id="workspaces"' in profile
    command = 'python3 bin/dev.py manage create_workspace --name "NAME" --owner vera@example.com'
    assert command in unescape(profile)
    assert "How to make a workspace…" in profile and "New workspace…" not in profile


@override_settings(MANAGE_COMMAND="python manage.py")
def test_command__with_a_value_that_a_shell_would_read__has_it_in_quotes() -> None:
    assert (
        manage("create_member --email", "a&b@example.com") == "python manage.py create_member --email 'a&b@example.com'"
    )
