"""What a page that is refused says to a member, and where it leads; and the sheet of shortcuts, by where they apply."""

import re

import pytest
from django.test import Client

from registry.core.actor import Role
from tests import builders
from tests.builders import Cast, join
from tests.pages.conftest import SignedIn

MEMBERS = "/w/acme/settings/members"


def test_refused__to_a_member__names_the_role_and_who_has_it(cast: Cast, as_: SignedIn) -> None:
    for name in ("Adam", "Bea", "Cleo"):
        join(cast.olga, name, Role.ADMIN)
    answer = as_(cast.ada).get(MEMBERS)
    page = answer.content.decode()

    assert answer.status_code == 403 and "This needs the role admin or above" in page
    assert "Who may: Adam, Bea and Cleo." in page, "three at most, the nearest first"


def test_refused__to_a_viewer_who_yanks__names_those_of_the_lowest_role_first(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")

    answer = as_(cast.vera).post("/w/acme/prompts/support/triage/versions/1/yank", {"reason": "wrong"})

    assert answer.status_code == 403 and "Who may: Ada, Grace and Rosa." in answer.content.decode()


@pytest.mark.parametrize("address", [MEMBERS, "/w/acme/"])
def test_refused__to_a_stranger__tells_of_nobody_and_of_no_workspace(cast: Cast, as_: SignedIn, address: str) -> None:
    answer = as_(cast.linus).get(address)
    page = answer.content.decode()

    assert answer.status_code == 404 and 'href="/"' in page
    for told in ("Olga", "Ada", "Grace", "Who may", "Acme", "/w/acme/"):
        assert told not in page, told


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/w/acme/promotions?state=", "/w/acme/promotions?state="),
        ("http://testserver/w/not-acme/", ""),
        ("http://testserver/sign-in", ""),
        ("https://example.com/w/acme/", ""),
        ("", ""),
    ],
)
def test_refused__to_a_member__leads_back_within_the_workspace(
    cast: Cast, as_: SignedIn, came_from: str, back: str
) -> None:
    page = as_(cast.ada).get(MEMBERS, headers={"Referer": came_from} if came_from else {}).content.decode()

    links = re.findall(r'<a class="btn[^"]*" href="([^"]*)"', page)
    assert links == [*([back] if back else []), "/w/acme/"]
    assert "Prompts of Acme" in page


def test_refused__on_a_detour__leads_back_to_the_task(cast: Cast, as_: SignedIn) -> None:
    page = as_(cast.ada).get(f"{MEMBERS}?back=/w/acme/promotions/7").content.decode()

    assert 'href="/w/acme/promotions/7"' in page and "Back to promotion 7" in page


def test_shortcuts__stand_by_where_they_apply_and_viewers_read_of_none_that_is_refused(
    cast: Cast, as_: SignedIn
) -> None:
    def sheet(client: Client) -> dict[str, str]:
        page = (
            client.get("/w/acme/promotions").content.decode().partition('id="shortcuts"')[2].partition("</dialog>")[0]
        )
        return {part.partition("</h3>")[0].rpartition(">")[2]: part for part in page.split("<section")[1:]}

    editor, viewer = sheet(as_(cast.ada)), sheet(as_(cast.vera))

    assert list(editor) == [
        "Everywhere",
        "Board, lists and a run's cases",
        "Promotions and comparisons",
        "Editor",
        "Go to",
    ]
    key = "<dt><kbd>c</kbd></dt><dd>"
    assert f"{key}New prompt" in editor["Everywhere"]
    assert f"{key}On a line of a promotion: comment" in editor["Promotions and comparisons"]
    assert not any(key in part for part in viewer.values())
    assert "data-new" not in as_(cast.vera).get("/w/acme/promotions").content.decode()
