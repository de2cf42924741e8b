"""The board: what is live where, found quickly."""

from typing import Any

import pytest

from prompts_app import board_queries
from prompts_app.actions.checks import post_external_check
from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.models import CheckState
from tests import builders, scenes
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


def test_board__prompt_in_a_folder__goes_by_its_full_name_and_is_found_by_any_part_of_it(
    cast: Cast, as_: SignedIn
) -> None:
    for name in ("support/triage", "banking/support", "triage"):
        builders.prompt(cast.ada, name, text=None)
    client = as_(cast.vera)

    def found(text: str) -> list[str]:
        board = client.get("/w/acme/", {"q": text}).context["board"]
        return [row.prompt.name for folder in board.folders for row in folder.rows]

    whole, searched = (client.get(address).content.decode() for address in ("/w/acme/", "/w/acme/?q=support/triage"))

    row = 'data-row><span class="path quiet-text">support/</span>triage</a>'
    assert row in whole and row in searched and ">triage</a>" in whole
    assert 'class="folder"' in whole and 'class="folder"' not in searched, (
        "nothing found lies in a folder that is folded"
    )
    for text in ("support/triage", "Support/Tri", "port/tri", "/triage", " support / triage "):
        assert found(text) == ["support/triage"], text


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
        with django_assert_num_queries(14):
            client.get("/w/acme/")


def test_board__drift_and_mine__show_only_those(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    change_environment(
        cast.olga, cast.environment("staging"), policy={"auto_apply": True, "require_predecessor": False}
    )
    builders.version(cast.ada, made, "Hello again {{ name }}")
    change_environment(cast.olga, cast.environment("staging"), policy={"auto_apply": False})
    builders.version(cast.ada, made, "Hello for ever {{ name }}")
    builders.prompt(cast.grace, "support/summary")

    def found(client: Any, **asked: str) -> list[str]:
        board = client.get("/w/acme/", asked).context["board"]
        return [row.prompt.name for folder in board.folders for row in folder.rows]

    assert found(as_(cast.vera), drift="1") == ["support/triage"]
    assert found(as_(cast.ada), mine="1") == ["support/triage"]
    assert found(as_(cast.grace), mine="1") == ["support/summary"]
    assert found(as_(cast.vera), mine="1") == []


def test_board__promotion_on_its_way__is_shown_where_it_goes_with_its_state(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    asked = open_promotion(cast.ada, made.versions.get(), cast.environment("staging"))

    page = as_(cast.vera).get("/w/acme/").content.decode()

    assert f'class="coming" href="/w/acme/promotions/{asked.pk}"' in page and ">promotion open<" in page


def test_board__verdicts__say_what_they_are_of(cast: Cast, as_: SignedIn) -> None:
    """Wherever a version stands without the names of its checks; what is worst counts."""
    made = builders.prompt(cast.ada, "support/triage")
    builders.version(cast.ada, made, "Hello again {{ name }}")
    first, second = (made.versions.select_related("prompt").get(number=number) for number in (1, 2))
    scenes.suite(cast.olga, made)
    scenes.post(first, cast.environment("staging"), CheckState.PASSED)
    post_external_check(cast.key(scopes=["check"]).actor, first, name="external/lint", state="failed")
    scenes.post(second, cast.environment("staging"), CheckState.PENDING)
    asked = open_promotion(cast.ada, first, cast.environment("staging"))
    client = as_(cast.ada)

    pages = {
        name: client.get(f"/w/acme/{address}").content.decode()
        for name, address in {
            "board": "",
            "prompt": "prompts/support/triage",
            "versions": "prompts/support/triage/versions",
            "reviews": "reviews",
        }.items()
    }

    for name in ("board", "prompt", "versions"):
        assert ">suite running<" in pages[name] and ">check failed<" in pages[name], name
    assert ">Pending<" not in pages["board"] and ">Failed<" not in pages["board"]
    assert asked.is_pending and ">suite passed<" in pages["reviews"]


def test_board__more_prompts_than_fit_on_a_page__opens_folder_by_folder(
    cast: Cast, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_queries, "PAGE_SIZE", 3)
    for name in ("top", "a/one", "a/two", "a/deep/three", "b/four"):
        builders.prompt(cast.ada, name, text=None)
    client = as_(cast.vera)

    board = client.get("/w/acme/").context["board"]
    inside = client.get("/w/acme/", {"folder": "a"})

    assert [(one.path, one.count) for one in board.subfolders] == [("a", 3), ("b", 1)]
    assert [row.prompt.name for folder in board.folders for row in folder.rows] == ["top"] and board.total == 5
    names = [row.prompt.name for folder in inside.context["board"].folders for row in folder.rows]
    assert sorted(names) == ["a/deep/three", "a/one", "a/two"]
    assert 'aria-current="page">a</span>' in inside.content.decode()
    found = client.get("/w/acme/", {"q": "o"}).context["board"]
    assert found.subfolders == () and found.total == 4, "a search looks through all folders"


def test_board__capital_letters__stand_beside_small_ones(
    cast: Cast, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bad", "Loan rates", "faq", "Support/a", "support/B", "support/a", "sales/z", "Zoo/x"):
        builders.prompt(cast.ada, name, text=None)
    client = as_(cast.vera)

    def listed(address: str = "/w/acme/") -> list[str]:
        board = client.get(address).context["board"]
        rows = [row.prompt.name for folder in board.folders for row in folder.rows]
        return [*(one.path for one in board.subfolders), *rows]

    whole = listed()
    monkeypatch.setattr(board_queries, "PAGE_SIZE", 3)

    assert whole == ["bad", "faq", "Loan rates", "sales/z", "Support/a", "support/a", "support/B", "Zoo/x"]
    assert listed() == ["sales", "Support", "support", "Zoo", "bad", "faq", "Loan rates"]


def test_board__drift_of_many__counts_all_and_pages_through_them(
    cast: Cast, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_queries, "PAGE_SIZE", 2)
    change_environment(
        cast.olga, cast.environment("staging"), policy={"auto_apply": True, "require_predecessor": False}
    )
    made = [builders.prompt(cast.ada, f"p-{number}") for number in range(3)]
    change_environment(cast.olga, cast.environment("staging"), policy={"auto_apply": False})
    for one in made:
        builders.version(cast.ada, one, "Hello again {{ name }}")
    client = as_(cast.vera)

    boards = [client.get("/w/acme/", {"drift": "1", "page": page}).context["board"] for page in ("1", "2", "9", "x")]

    assert [board.total for board in boards] == [3, 3, 3, 3]
    shown = [[row.leaf for folder in board.folders for row in folder.rows] for board in boards]
    assert shown == [["p-0", "p-1"], ["p-2"], ["p-2"], ["p-0", "p-1"]]


def test_board__only_archived_prompts__offers_them_beside_the_first_steps(cast: Cast, as_: SignedIn) -> None:
    change_prompt(cast.ada, builders.prompt(cast.ada, "support/triage"), archived=True)

    page = as_(cast.olga).get("/w/acme/").content.decode()

    assert 'name="archived"' in page and 'id="steps-title"' in page
    assert "Every prompt here is archived" in page and 'href="?archived=1"' in page
    assert "triage" in as_(cast.olga).get("/w/acme/?archived=1").content.decode()


def test_board__nothing_written_at_all__does_not_speak_of_archives(cast: Cast, as_: SignedIn) -> None:
    assert "archived" not in as_(cast.olga).get("/w/acme/").content.decode()
