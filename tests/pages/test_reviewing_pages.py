"""What a reviewer sees, without a script: differences, remarks on lines, versions over time, code to copy, who fetches."""

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import find_promotion, open_promotion, rebase
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.reviews import Spot, comment, resolve_comment
from prompts_app.actions.versions import create_version
from prompts_app.environment_queries import LIVE_SHOWN
from prompts_app.models import Comment, Environment, Promotion, Prompt
from registry.core.actor import Actor
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.scenes import go_live, policy

LOOSE = {"approvals": 0, "require_predecessor": False, "require_suites": False, "min_suites": 0}
NAME = "support/rules"
LINES = [f"Rule {number}: be exact about item {number}." for number in range(1, 31)]


@pytest.fixture
def production(cast: Cast) -> Environment:
    return change_environment(cast.olga, cast.environment("production"), policy=LOOSE)


@pytest.fixture
def prompt(cast: Cast, production: Environment) -> Prompt:
    """A first version that is live, a second one that changes line 10."""
    made = builders.prompt(cast.ada, NAME, text="\n".join(LINES))
    go_live(cast, made.versions.select_related("prompt").get(), "production")
    builders.version(cast.ada, made, "\n".join([*LINES[:9], "Rule 10: be brief about item 10.", *LINES[10:]]))
    return made


@pytest.fixture
def waiting(cast: Cast, prompt: Prompt, production: Environment) -> Promotion:
    change_environment(cast.olga, production, policy={"approvals": 1})
    return open_promotion(cast.ada, prompt.versions.select_related("prompt").get(number=2), production)


def page_of(as_: SignedIn, actor: Actor, address: str) -> str:
    answer = as_(actor).get(address, follow=True)
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def test_compare__two_versions__has_numbered_lines_with_their_words_and_folds(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    page = page_of(as_, cast.vera, f"/w/acme/prompts/{NAME}/diff?from=1&to=2")

    assert 'id="text-new-10" data-op="changed" data-change' in page
    assert "<del>exact</del><ins>brief</ins>" in page
    assert "6 unchanged lines: show" in page and "17 unchanged lines: show" in page
    assert 'id="text-new-1"' in page and 'class="say"' not in page
    split = page_of(as_, cast.vera, f"/w/acme/prompts/{NAME}/diff?from=1&to=2&view=split")
    assert 'data-side="old"' in split and "data-two" in split


def test_compare__side_by_side__draws_what_came_or_went_as_a_whole_in_one_column(cast: Cast, as_: SignedIn) -> None:
    made = create_prompt(cast.ada, "chat", kind="chat")
    system = {"role": "system", "content": "Be brief."}
    create_version(cast.ada, made, {"messages": [system]})
    kind = {"role": "system", "content": "Be kind."}
    create_version(cast.ada, made, {"messages": [kind, {"role": "user", "content": "Hi"}]})

    page = page_of(as_, cast.vera, "/w/acme/prompts/chat/diff?from=1&to=2&view=split")

    changed, _, added = page.partition('data-op="added"')
    assert "data-two" in changed and "data-two" not in added
    assert 'id="messages-1-new-1" data-op="insert"' in added and 'data-side="none"' not in page
    assert page.index('id="verdicts"') < page.index('class="diff"') < page.index('aria-label="Evidence"')


def test_compare__unless_told__begins_with_what_is_live_where_changes_are_protected(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    builders.version(cast.ada, prompt, "Be brief.")
    address = f"/w/acme/prompts/{NAME}/diff"

    def sides(query: str = "") -> list[str]:
        return re.findall(r'<option value="(\d+)" selected>', page_of(as_, cast.vera, address + query))

    assert sides() == ["1", "3"] and sides("?to=3") == ["2", "3"] and sides("?from=3&to=1") == ["3", "1"]
    page = page_of(as_, cast.vera, address)
    assert '<option value="1" selected>v1 · live in Production' in page
    assert 'href="?from=2&amp;to=3"' in page
    change_environment(cast.olga, production, policy={"protected": False})
    assert sides() == ["2", "3"]


def test_compare__unless_told__has_an_address_that_names_both_for_good(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    address = f"/w/acme/prompts/{NAME}/diff"

    assert as_(cast.vera).get(f"{address}?view=split")["Location"] == f"{address}?view=split&from=1&to=2"
    assert as_(cast.vera).get(f"{address}?from=1&to=2").status_code == 200


def test_versions__two_are_chosen__as_compare_does(
    cast: Cast, as_: SignedIn, prompt: Prompt, production: Environment
) -> None:
    builders.version(cast.ada, prompt, "Be brief.")
    address = f"/w/acme/prompts/{NAME}/versions"

    def chosen() -> list[str]:
        return re.findall(r'name="(?:from|to)" value="(\d+)"[^>]* checked', page_of(as_, cast.vera, address))

    assert chosen() == ["3", "1"]
    change_environment(cast.olga, production, policy={"protected": False})
    assert chosen() == ["3", "2"]


def test_compare__blanks_and_hidden_characters__are_named_and_warned_of(cast: Cast, as_: SignedIn) -> None:
    made = create_prompt(cast.ada, "p", kind="chat")
    messages = [{"role": "system", "content": "Be kind.\n\tShort."}]
    create_version(cast.ada, made, {"messages": messages, "config": {"model": "small"}})
    hidden = "Be kind.\u202e\u200b\U000e0068\U000e0069 \n    Short."
    create_version(
        cast.ada, made, {"messages": [{"role": "system", "content": hidden}], "config": {"model": "large", "top_p": 1}}
    )

    page = page_of(as_, cast.vera, "/w/acme/prompts/p/diff")

    assert "It adds characters that nobody sees and a model reads:" in page
    for name in ("right-to-left override", "zero width space", "hidden tag text “hi”"):
        assert f">{name}</span>" in page
    assert 'data-blank="tab"' in page and 'data-blank="space"' in page
    assert "Model settings" in page and "<code>config.top_p</code>" in page
    counts = page.partition("diff-sum")[2].partition("</p>")[0]
    assert "1 message changed" in counts and "2 settings changed" in counts
    assert not re.search(r"\d+ changes?\b", counts), "one way of counting"
    assert page.count("<tr data-change") == 2, "what is counted can be gone to"


def test_compare__the_contract__says_what_callers_meet(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "p", text="Hello {{ name }}")
    builders.version(cast.ada, made, "Hello {{ name }} of {{ city }}")

    page = page_of(as_, cast.vera, "/w/acme/prompts/p/diff")

    assert "Breaks what services rely on" in page
    assert "is new and required: callers that do not send it are refused" in page


def test_remark__on_a_line_without_a_script__stands_under_the_line_and_its_answer_with_it(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    grace, address = as_(cast.grace), f"/w/acme/promotions/{waiting.pk}"
    page = grace.get(address).content.decode()
    link = re.search(r'href="(\?view=one[^"]*line=10)#say"', page)
    assert link
    form = grace.get(address + link[1].replace("&amp;", "&")).content.decode()
    assert 'aria-label="Comment on line 10"' in form
    hash_seen = re.search(r'name="subject_hash" value="([0-9a-f]{64})"', form)
    assert hash_seen
    given = {"path": "text", "side": "new", "line": "10", "subject_hash": hash_seen[1], "comment": "Brief how?"}

    said = grace.post(f"{address}/comments", given)
    first = Comment.objects.get()
    as_(cast.ada).post(f"{address}/comments", {"reply_to": str(first.pk), "comment": "In one line."})

    assert said.status_code == 302 and first.quote == "Rule 10: be brief about item 10."
    page = grace.get(address).content.decode()
    lines = page[page.index('class="diff-lines"') : page.index('id="conversation"')]
    assert lines.index("be ") < lines.index("Brief how?") < lines.index("In one line.")
    assert "2 unresolved" not in page and "1 unresolved comment." in page
    stale = grace.post(f"{address}/comments", {**given, "subject_hash": "0" * 64})
    assert stale.status_code == 409 and Comment.objects.count() == 2


def test_remark__after_a_rebase__is_outdated_and_keeps_its_line_in_the_conversation(
    cast: Cast, as_: SignedIn, waiting: Promotion, prompt: Prompt, production: Environment
) -> None:
    comment(cast.grace, waiting, body="Brief how?", spot=Spot("text", 10, "new"))
    change_environment(cast.olga, production, policy={"approvals": 0})
    go_live(cast, builders.version(cast.ada, prompt, "\n".join(LINES[:20])), "production")
    rebase(cast.ada, find_promotion(cast.workspace.pk, waiting.pk), stamp=None)

    page = page_of(as_, cast.grace, f"/w/acme/promotions/{waiting.pk}")

    lines, talk = page[: page.index('id="conversation"')], page[page.index('id="conversation"') :]
    assert "Brief how?" not in lines
    assert "outdated: said before the rebase" in talk and "Rule 10: be brief about item 10." in talk


def test_promotion__seen_by_a_viewer__has_nothing_to_press_but_reading(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    comment(cast.grace, waiting, body="Brief how?", spot=Spot("text", 10, "new"))
    page = page_of(as_, cast.vera, f"/w/acme/promotions/{waiting.pk}")

    assert "Brief how?" in page and "It waits for Grace, Olga or Rosa." in page
    main = page[page.index("<main") :]
    assert 'class="say"' not in main and ">Resolve<" not in main and "reply_to" not in main


def test_record__of_an_applied_promotion__is_one_file_without_addresses_to_load(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    applied = Promotion.objects.get(prompt=prompt, state="applied", environment__name="production")

    answer = as_(cast.vera).get(f"/w/acme/promotions/{applied.pk}/record")

    page = answer.content.decode()
    assert answer["Content-Disposition"] == f'attachment; filename="promotion-{applied.pk}.html"'
    assert applied.version.digest in page and "version.promoted" in page
    assert "<td>yes</td>" in page and "<td>none</td>" in page and "<td>true</td>" not in page
    assert not re.search(r"<(?:script|link|img)\b|\bsrc=", page)
    assert as_(cast.linus).get(f"/w/acme/promotions/{applied.pk}/record").status_code == 404


def test_versions__of_a_prompt__say_when_they_were_live_and_compare_or_come_back(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    go_live(cast, prompt.versions.select_related("prompt").get(number=2), "production")
    page = page_of(as_, cast.ada, f"/w/acme/prompts/{NAME}/versions")

    assert page.count('form="compare-two" name="from"') == 2 and page.count("to now") >= 1
    assert f'action="/w/acme/prompts/{NAME}/versions/1/restore"' in page
    assert f'action="/w/acme/prompts/{NAME}/versions/2/restore"' not in page
    assert "restore" not in page_of(as_, cast.vera, f"/w/acme/prompts/{NAME}/versions")


def test_version__has_code_to_copy__pinned_to_its_number(cast: Cast, as_: SignedIn, prompt: Prompt) -> None:
    page = page_of(as_, cast.vera, f"/w/acme/prompts/{NAME}/versions/2")

    for code in ("GREENROOM_KEY=gr_…", f"/prompts/{NAME}/versions/2", "version=2", "LANGFUSE_PUBLIC_KEY=pk-gr-…"):
        assert code in page
    assert f"/environments/production/prompts/{NAME}" in page_of(as_, cast.vera, f"/w/acme/prompts/{NAME}")


def test_version__that_an_environment_did_not_take_by_itself__says_where_and_why(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    policy(cast, "development", external_checks=["lint"])
    kept = builders.version(cast.ada, prompt, "Sort it: {{ name }}")
    address = f"/w/acme/prompts/{prompt.name}/versions/"

    page = as_(cast.ada).get(f"{address}{kept.number}").content.decode()
    assert "<strong>Not live in Development</strong>" in page and "external/lint has not run" in page
    assert f"version={kept.number}&amp;environment=development" in page
    assert "Not live in" not in as_(cast.ada).get(f"{address}{kept.number - 1}").content.decode()


def test_prompt__that_others_include__lists_them_and_saves_them_anew(cast: Cast, as_: SignedIn) -> None:
    tone = builders.prompt(cast.ada, "shared/tone", text="Be kind.")
    made = builders.prompt(cast.ada, "a/user", text="@@@langfusePrompt:name=shared/tone|version=1@@@")
    builders.version(cast.ada, tone, "Be short.")
    address = "/w/acme/prompts/shared/tone"

    page = page_of(as_, cast.ada, address)
    assert "Included by" in page and "a/user" in page and "Save them with the newest" in page
    assert "Save them with the newest" not in page_of(as_, cast.vera, address)
    assert "v2 is the newest" in page_of(as_, cast.ada, "/w/acme/prompts/a/user")
    answer = as_(cast.ada).post(f"{address}/drafts/bump", follow=True)

    assert "Saved with the newest shared/tone: a/user." in answer.content.decode()
    newest = made.versions.select_related("prompt").order_by("-number")[0]
    assert newest.editable()["text"] == "@@@langfusePrompt:name=shared/tone|version=2@@@"
    again = page_of(as_, cast.ada, address)
    assert "Included by" in again and "Save them with the newest" not in again


def test_environment__says_what_is_live_and_since_when_and_offers_the_way_back(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    page = page_of(as_, cast.rosa, "/w/acme/environments/production")
    live = page.partition('id="live-title"')[2].partition('id="deployments-title"')[0]

    assert f'href="/w/acme/prompts/{NAME}/versions/1"' in live and "v2 is newer" in live
    assert "Rosa" in live and f"/environments/production/rollback/{NAME}" in live
    assert "Go back to it" not in page
    none = page_of(as_, cast.rosa, "/w/acme/environments/production?prompt=nothing")
    assert "No prompt of that name is live here." in none


def test_environment__with_more_live_than_it_lists__has_those_that_changed_last(
    cast: Cast, as_: SignedIn, production: Environment
) -> None:
    for number in range(LIVE_SHOWN + 2):
        made = builders.prompt(cast.ada, f"p{number:02}")
        go_live(cast, made.versions.select_related("prompt").get(), "production")

    page = page_of(as_, cast.vera, "/w/acme/environments/production")
    live = page.partition('id="live-title"')[2].partition('id="deployments-title"')[0]

    assert re.findall(r"data-row>(p\d\d)<", live) == [f"p{number:02}" for number in range(LIVE_SHOWN + 1, 1, -1)]
    assert "The 12 that changed last, newest first." in live and 'href="/w/acme/"' in live


def test_environment__with_a_service_key__says_who_fetches_and_when_last(
    cast: Cast, as_: SignedIn, prompt: Prompt
) -> None:
    assert "No service key of this environment." in page_of(as_, cast.vera, "/w/acme/environments/production")
    cast.key("service", environment="production", name="checkout")
    cast.key("service", environment="staging", name="elsewhere")

    page = page_of(as_, cast.vera, "/w/acme/environments/production")

    assert "checkout" in page and "last asked" in page and "elsewhere" not in page


def test_promotion__with_two_hundred_comments__folds_those_in_the_middle_and_says_how_many_wait(
    cast: Cast, as_: SignedIn, waiting: Promotion
) -> None:
    said = [comment(cast.grace, waiting, body=f"remark {number:03}") for number in range(200)]
    resolve_comment(cast.ada, said[50], resolved=True)

    page = page_of(as_, cast.grace, f"/w/acme/promotions/{waiting.pk}")

    assert "186 more in between, 185 of them unresolved" in page
    before, _, after = page.partition("more in between")
    assert "remark 001" in before and "remark 002" not in before
    assert "remark 002" in after and "remark 199" in after.partition("</ol>")[2]


def test_promotion_and_versions__with_much_more_on_them__take_as_many_queries(
    cast: Cast, as_: SignedIn, waiting: Promotion, prompt: Prompt
) -> None:
    grace = as_(cast.grace)
    addresses = (f"/w/acme/promotions/{waiting.pk}", f"/w/acme/prompts/{NAME}/versions", "/w/acme/reviews")

    def queries() -> list[int]:
        counts = []
        for address in addresses:
            with CaptureQueriesContext(connection) as counted:
                assert grace.get(address).status_code == 200
            counts.append(len(counted))
        return counts

    comment(cast.grace, waiting, body="one", spot=Spot("text", 10, "new"))
    queries()
    few = queries()
    for number in range(12):
        said = comment(cast.grace, waiting, body=f"more {number}", spot=Spot("text", number + 1, "new"))
        comment(cast.ada, waiting, body="answer", reply_to=said)
        builders.version(cast.ada, prompt, f"Another text {number}")

    assert queries() == few


def test_reviews__many_of_a_kind__are_shown_in_part_and_paged_by_kind(
    cast: Cast, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prompts_app.views.reviews.SHOWN", 2)
    monkeypatch.setattr("prompts_app.pending_queries.INBOX_SIZE", 5)
    policy(cast, "production", approvals=1, require_predecessor=False, require_suites=False, min_suites=0)
    for number in range(6):
        version = builders.prompt(cast.ada, f"p{number}").versions.select_related("prompt").get()
        open_promotion(cast.ada, version, cast.environment("production"), title=f"Title {number}")
    client = as_(cast.grace)

    def shown(query: str = "") -> tuple[list[str], str]:
        page = client.get(f"/w/acme/reviews{query}").content.decode()
        return re.findall(r"· (Title \d)<", page), page

    titles, first = shown()
    assert titles == ["Title 5", "Title 4"] and 'href="?kind=waiting">All 5<' in first
    assert "newest open promotions are looked at here" in first and 'id="asked"' in first
    assert shown("?kind=waiting&page=3")[0] == ["Title 1"]
    assert 'id="asked"' not in shown("?kind=waiting")[1] and "of 5" in shown("?kind=waiting")[1]
    assert shown("?kind=nonsense&page=2")[0] == titles
    assert re.search(r'data-go="r".*?<span class="count" data-tone="accent">5<', first, re.DOTALL)
    assert "waiting for you" not in as_(cast.ada).get("/w/acme/").content.decode()


def test_frame__of_a_page_that_stays_open__asks_cheaply_for_what_waits_and_hears_only_of_changes(
    cast: Cast, as_: SignedIn
) -> None:
    policy(cast, "production", approvals=1, require_predecessor=False, require_suites=False, min_suites=0)
    client = as_(cast.grace)
    drawn = client.get("/w/acme/").content.decode()
    asks = html.unescape(re.findall(r'hx-get="(/w/acme/waiting[^"]*)" hx-trigger="every 60s, visib', drawn)[0])

    client.get(asks, headers={"HX-Request": "true"})
    with CaptureQueriesContext(connection) as asked:
        same = client.get(asks, headers={"HX-Request": "true"})
    statements = len(asked)
    version = builders.prompt(cast.ada, "p").versions.select_related("prompt").get()
    open_promotion(cast.ada, version, cast.environment("production"))
    builders.deliver()
    other = client.get(asks, headers={"HX-Request": "true"})
    news = other.content.decode()

    assert asks == "/w/acme/waiting?watch=1&unread=0&votes=0" and drawn.count("/w/acme/waiting") == 1
    assert (same.status_code, statements) == (204, 5)
    assert 'id="bell"' in news and 'aria-label="Notifications, 1 unread"' in news and "unread=1&amp;votes=1" in news
    assert 'id="for-you" hx-swap-oob="outerMorph"' in news and ">1<" in news and "<html" not in news
    assert Client().get(asks, headers={"HX-Request": "true"}).status_code == 204
