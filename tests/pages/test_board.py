"""The board: what is live where, found quickly."""

from typing import Any

from prompts_app.actions.environments import change_environment
from prompts_app.actions.prompts import create_prompt
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn


def test_board__prompts_in_folders__shows_versions_by_environment(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    builders.version(cast.ada, made, "Hello again {{ name }}")

    page = as_(cast.vera).get("/w/acme/").content.decode()

    assert 'href="/w/acme/prompts/support/triage"' in page
    assert "Development" in page and "Staging" in page and "Production" in page
    assert page.count('<span class="version">v2</span>') == 2  # the newest, and live in development


def test_board__searched_by_name_text_tag_or_author__finds_and_narrows(cast: Cast, as_: SignedIn) -> None:
    create_prompt(cast.ada, "banking/intents", kind="text", tags=["classifier"])
    builders.prompt(cast.grace, "support/triage", text="Find the umbrella of {{ name }}")
    client = as_(cast.vera)

    def found(**asked: str) -> list[str]:
        board = client.get("/w/acme/", asked).context["board"]
        return [row.prompt.name for folder in board.folders for row in folder.rows]

    assert found() == ["banking/intents", "support/triage"]
    assert found(q="triage") == found(q="umbrella") == found(q="Grace") == found(folder="support") == ["support/triage"]
    assert found(tag="classifier") == found(q="classifier") == ["banking/intents"]
    assert found(q="nothing of the kind") == []


def test_board__asked_by_htmx__is_only_the_table(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")

    fragment = as_(cast.vera).get("/w/acme/?q=tri", headers={"HX-Request": "true"}).content.decode()

    assert fragment.strip().startswith('<div id="board-list">') and "<html" not in fragment


def test_board__version_behind_in_an_environment__says_by_how_many(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": False})
    builders.version(cast.ada, made, "Hello again {{ name }}")

    assert "1 behind" in as_(cast.vera).get("/w/acme/").content.decode()


def test_board__many_prompts__asks_as_few_questions_as_for_one(
    cast: Cast, as_: SignedIn, django_assert_num_queries: Any
) -> None:
    client = as_(cast.vera)
    for count in (1, 4):
        for number in range(count):
            builders.prompt(cast.ada, f"folder-{count}/prompt-{number}")
        # session, user, memberships, unread, navigation; then the board's own
        with django_assert_num_queries(12):
            client.get("/w/acme/")
