"""Each page is known to the measures, and asks the database as often for thirty rows as for three."""

import re

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.screens import BY_NOBODY, PARTS, REFUSED, SCREENS, STATES, add_rows, furnished, page_routes

# Statements for one look at each page, signed in as the owner: session, person, memberships, unread and navigation are six.
QUERIES = """
api_docs                     3
board                        20
search                       16
prompt_new                   5
prompt_import                6
prompt                       25
prompt_edit                  15
prompt_try                   13
prompt_versions              16
version                      19
compare                      11
prompt_usage                 11
prompt_checks_panel          22
promotion_new                12
promotions                   9
promotion                    23
reviews                      17
environment                  18
rollback                     13
notifications                8
settings_profile             7
settings_security            8
settings_members             7
member_deactivate            12
leave                        11
settings_audit               10
settings_environments        6
settings_keys                7
settings_providers           6
provider                     7
settings_webhooks            7
settings_retention           7
settings_webhook             10
suites                       13
suite_new                    6
suite                        22
suite_edit                   14
suite_import                 7
suite_history                11
suite_diff                   10
runs                         11
run_new                      14
run                          17
run_case                     14
run_case_add                 9
run_tags                     10
run_figures                  11
run_answer                   7
run_compare_choose           8
run_compare                  14
batches                      7
batch_new                    10
batch                        8
usage                        14
board, nothing found         8
editor of a text             15
prompt with suites           25
compare, unified             11
promotion, waiting for a run 27
promotion, applied           23
run under way                17
run, errors picked           17
run, nothing picked          17
case without an answer       12
suite with a judge           31
case with a judge and a label 14
case not asked yet           11
run, found by text           19
figures of a run under way   10
figures without a baseline   8
run without a baseline       17
runs, none                   7
nothing there                6
denied                       6
promotion, blocked in every way 30
board, archived              15
reviews, one kind            17
keys, on a detour            7
board of an empty workspace  15
suites of an empty workspace 6
runs of an empty workspace   7
reviews of an empty workspace 7
providers of an empty workspace 6
environment of an empty workspace 17
"""
FEW, MANY = 3, 30


def read_table() -> dict[str, int]:
    """Statements by screen."""
    rows = (line.rpartition(" ") for line in QUERIES.splitlines() if line)
    return {name.strip(): int(count) for name, _, count in rows}


def test_screens__and_the_url_map__name_the_same_routes() -> None:
    assert not SCREENS.keys() & PARTS
    assert page_routes() == SCREENS.keys() | PARTS


def test_screens__opened_by_the_owner__are_pages_with_a_title_and_one_heading(cast: Cast, as_: SignedIn) -> None:
    owner = as_(cast.olga)
    with furnished(cast) as house:
        wrong = {}
        for name, pattern in (SCREENS | STATES).items():
            answer = (Client() if name in BY_NOBODY else owner).get(house.address(pattern))
            page = answer.content.decode()
            expected = REFUSED.get(name, 200)
            if answer.status_code != expected or page.count("<title>") != 1 or page.count("<h1") != 1:
                wrong[name] = (answer.status_code, page.count("<title>"), page.count("<h1"))
    assert wrong == {}


def test_14__screens__read__change_nothing(cast: Cast, as_: SignedIn) -> None:
    """A link that somebody is led to press does nothing in their name. The profile forgets sessions that are over."""
    owner = as_(cast.olga)
    with furnished(cast) as house:
        wrote = set()
        for name, pattern in (SCREENS | STATES).items():
            client, address = (Client() if name in BY_NOBODY else owner), house.address(pattern)
            with CaptureQueriesContext(connection) as asked:
                client.get(address)
            if any(re.match(r"\s*(?:INSERT|UPDATE|DELETE)\b", query["sql"]) for query in asked.captured_queries):
                wrote.add(name)
    assert wrote == {"settings_profile"}


def test_screens__with_thirty_rows__ask_as_often_as_with_three(cast: Cast, as_: SignedIn) -> None:
    owner = as_(cast.olga)
    with furnished(cast) as house:
        add_rows(house, range(FEW))
        few = {name: _count(owner, house.address(pattern)) for name, pattern in _signed_in().items()}
        add_rows(house, range(FEW, MANY))
        many = {name: _count(owner, house.address(pattern)) for name, pattern in _signed_in().items()}

    assert {name: (few[name], many[name]) for name in few if few[name] != many[name]} == {}
    table = "\n".join(f"{name:28} {count}" for name, count in few.items())
    assert few == read_table(), f"\n{table}"


def _signed_in() -> dict[str, str]:
    return {name: pattern for name, pattern in (SCREENS | STATES).items() if name not in BY_NOBODY}


def _count(client: Client, address: str) -> int:
    client.get(address)  # what is only asked the first time is not of the page
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    return len(captured)
