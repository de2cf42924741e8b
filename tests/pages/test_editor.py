"""The editor without JavaScript: nothing typed is lost, whatever is refused."""

import json
from typing import Any

import pytest

from prompts_app.actions.environments import change_environment
from prompts_app.actions.labels import set_label
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Draft, Prompt, PromptVersion
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

CHAT = "/w/acme/prompts/banking/intents/drafts"
TEXT = "/w/acme/prompts/support/triage/drafts"


@pytest.fixture
def chat(cast: Cast) -> Prompt:
    made = create_prompt(cast.ada, "banking/intents", kind="chat")
    create_version(cast.ada, made, {"messages": [{"role": "system", "content": "Sort {{ message }}"}]})
    return made


def typed(*cards: tuple[str, str, str], **fields: Any) -> dict[str, Any]:
    roles, shapes, contents = zip(*cards, strict=True)
    return {"role": roles, "shape": shapes, "content": contents, "based_on": "1", **fields}


def newest(prompt: Prompt) -> PromptVersion:
    return PromptVersion.objects.filter(prompt=prompt).select_related("prompt").order_by("-number")[0]


def test_editor__saved__makes_the_next_version_byte_for_byte_with_plain_line_ends(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    cards = [
        ("system", "text", "\r\n  Sort {{ message }}\r\n"),
        ("", "placeholder", "history"),
        ("user", "parts", '[{"type": "text", "text": "x"}]'),
    ]

    answer = as_(cast.ada).post(f"{CHAT}/edit", typed(*cards, message="Tidy", config='{"model": "m"}'))

    assert answer["Location"] == "/w/acme/prompts/banking/intents"
    content = newest(chat).to_json()
    assert content["messages"] == [
        {"role": "system", "content": "\n  Sort {{ message }}\n"},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
    ]
    assert (content["config"], newest(chat).message) == ({"model": "m"}, "Tidy")


def test_editor__refused_template__keeps_all_that_was_typed_and_names_the_line(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    given = typed(("system", "text", "one\ntwo {{ oops"), message="Try", config='{"model": "m"}', sample='{"a": 1}')

    answer = as_(cast.ada).post(f"{CHAT}/edit", given)
    page = answer.content.decode()

    assert answer.status_code == 422 and newest(chat).number == 1
    assert "two {{ oops" in page and "&quot;model&quot;: &quot;m&quot;" in page and 'value="Try"' in page
    assert "Message 1, line 2: " in page and "messages[0]" not in page


def test_editor__field_that_is_no_json__is_named_and_kept(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    answer = as_(cast.ada).post(f"{CHAT}/edit", typed(("system", "text", "Hi"), variables="{not json", tools="[]"))
    page = answer.content.decode()

    assert answer.status_code == 422
    assert "{not json" in page and "Variables: " in page


def test_editor__newer_version_meanwhile__shows_the_conflict_and_saves_once_it_is_seen(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    create_version(cast.grace, chat, {"messages": [{"role": "system", "content": "Grace was here"}]})
    client, given = as_(cast.ada), typed(("system", "text", "Mine"))

    refused = client.post(f"{CHAT}/edit", given)
    saved = client.post(f"{CHAT}/edit", {**given, "over": "1"})

    assert refused.status_code == 409 and "the newest is 2" in refused.content.decode()
    assert "/diff?from=1&amp;to=2" in refused.content.decode() and "Mine" in refused.content.decode()
    assert saved.status_code == 302 and newest(chat).number == 3


def test_editor__cards_moved_without_javascript__come_back_in_the_new_order_unsaved(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, given = as_(cast.ada), typed(("system", "text", "first"), ("user", "text", "second"))

    def contents(step: str) -> list[str]:
        form = client.post(f"{CHAT}/edit", {**given, "step": step}).context["typed"]
        return [card.content for card in form.cards]

    assert contents("down:0") == ["second", "first"] and contents("up:1") == ["second", "first"]
    assert contents("copy:0") == ["first", "first", "second"] and contents("drop:0") == ["second"]
    assert contents("add") == ["first", "second", ""] and contents("placeholder") == ["first", "second", "history"]
    assert contents("up:0") == ["first", "second"] and contents("drop:99") == ["first", "second"]
    assert newest(chat).number == 1


def test_editor__draft__is_kept_per_person_offered_again_and_gone_once_saved(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, given = as_(cast.ada), typed(("user", "text", "{{ half typed"), message="Soon")

    kept = client.post(f"{CHAT}/draft", given)
    mine, hers = client.get(f"{CHAT}/edit").content.decode(), as_(cast.grace).get(f"{CHAT}/edit").content.decode()

    assert "Draft kept" in kept.content.decode()
    assert "{{ half typed" in mine and 'value="Soon"' in mine and "{{ half typed" not in hers
    client.post(f"{CHAT}/edit", typed(("user", "text", "whole")))
    assert not Draft.objects.exists()


def test_editor__draft_discarded__starts_again_from_the_newest_version(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    client = as_(cast.ada)
    client.post(f"{CHAT}/draft", typed(("user", "text", "rubbish")))

    client.post(f"{CHAT}/discard")

    assert "rubbish" not in client.get(f"{CHAT}/edit").content.decode()


def test_preview__with_and_without_samples__shows_what_is_sent_and_what_changed(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, card = as_(cast.ada), ("system", "text", "Sort {{ message }} for {{ bank }}")

    bare = client.post(f"{CHAT}/preview", typed(card)).content.decode()
    given = client.post(f"{CHAT}/preview", typed(card, sample='{"message": "<b>lost</b>"}')).content.decode()

    assert (
        "Sort \u2039message\u203a for \u2039bank\u203a" in bare
        and "Changes since v1" in bare
        and "is new and required" in bare
    )
    assert "Sort &lt;b&gt;lost&lt;/b&gt; for \u2039bank\u203a" in given


def test_preview__plain_template_with_tags__says_that_they_are_sent_as_they_stand(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, card = as_(cast.ada), ("system", "text", "{% if a %}x{% endif %}")

    plain = client.post(f"{CHAT}/preview", typed(card, template_format="plain")).content.decode()
    jinja = client.post(f"{CHAT}/preview", typed(card)).content.decode()

    assert "This template is plain" in plain and "This template is plain" not in jinja


def test_preview__hostile_template__is_refused_with_its_place(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    page = as_(cast.ada).post(f"{CHAT}/preview", typed(("system", "text", "{{ ''.__class__ }}"))).content.decode()

    assert "data-problem" in page and 'data-index="0"' in page and 'data-line="1"' in page


def test_editor__text_prompt_saved_unchanged__says_so(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")

    answer = as_(cast.ada).post(f"{TEXT}/edit", {"text": "Hello {{ name }}", "based_on": "1"}, follow=True)

    assert "version 1 says the same" in answer.content.decode() and newest(made).number == 1


def test_editor__variables_left_to_the_text__stay_left_to_it(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    client = as_(cast.ada)

    form = client.get(f"{TEXT}/edit").context["typed"]
    answer = client.post(f"{TEXT}/edit", {"text": "Hello {{ name }} in {{ city }}", "variables": form.variables})

    assert form.variables == "" and answer.status_code == 302


def test_editor__asked_by_a_viewer__is_forbidden(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    client = as_(cast.vera)

    assert client.get(f"{CHAT}/edit").status_code == 403
    assert client.post(f"{CHAT}/edit", typed(("user", "text", "x"))).status_code == 403
    assert client.post(f"{CHAT}/preview", typed(("user", "text", "x"))).status_code == 403
    assert client.post(f"{CHAT}/draft", typed(("user", "text", "x"))).status_code == 403


def test_new_prompt__name_taken_or_reserved__says_so_and_keeps_what_was_typed(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")
    client = as_(cast.ada)

    taken = client.post("/w/acme/new", {"name": "support/triage", "kind": "text", "tags": "a, b"})
    reserved = client.post("/w/acme/new", {"name": "support/versions", "kind": "text"})
    made = client.post("/w/acme/new", {"name": "support/other", "kind": "chat", "tags": "a, b, a"})

    assert taken.status_code == 422 and 'value="a, b"' in taken.content.decode()
    assert reserved.status_code == 422 and "addresses use that word" in reserved.content.decode()
    assert made["Location"] == "/w/acme/prompts/support/other/drafts/edit"
    assert Prompt.objects.get(name="support/other").tags == ["a", "b"]


def test_version__restored__becomes_the_draft(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage", text="First {{ name }}")
    builders.version(cast.ada, made, "Second {{ name }}")
    client = as_(cast.ada)

    client.post("/w/acme/prompts/support/triage/versions/1/restore")

    assert client.get(f"{TEXT}/edit").context["typed"].text == "First {{ name }}"


def test_version__yanked__says_why_and_is_refused_while_live(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage", text="First {{ name }}")
    builders.version(cast.ada, made, "Second {{ name }}")
    client, address = as_(cast.ada), "/w/acme/prompts/support/triage/versions"

    client.post(f"{address}/1/yank", {"reason": "It leaks"})
    live = client.post(f"{address}/2/yank", {"reason": "No"})

    assert "It leaks" in client.get(f"{address}/1").content.decode()
    assert live.status_code == 422 and "go back or take it out there first" in live.content.decode()


def test_prompt__archived_and_back__leaves_and_joins_the_board(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "support/triage")
    client, address = as_(cast.ada), "/w/acme/prompts/support/triage/drafts/archive"

    client.post(address, {"archived": "1"})
    gone, kept = client.get("/w/acme/"), client.get("/w/acme/?archived=1")
    client.post(address, {"archived": "0"})

    assert "triage" not in gone.content.decode() and "triage" in kept.content.decode()
    assert "triage" in client.get("/w/acme/").content.decode()


def table(*rows: tuple[str, str, str], **fields: Any) -> dict[str, Any]:
    """The table of variables as a form sends it: name, type and whether it is declared."""
    names, kinds, declared = zip(*rows, strict=True)
    blank = [""] * len(rows)
    sent = {"v_name": names, "v_kind": kinds, "v_declared": declared, "v_required": ["required"] * len(rows)}
    sent |= {"v_description": blank, "v_sample": blank, "v_origin": blank}
    return {"variables_view": "table", "variables_base": "", **sent, **fields}


def test_editor__variables_in_a_table__are_saved_as_a_schema(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    card, rows = ("system", "text", "Sort {{ message }}"), (("message", "string", ""), ("extra", "integer", "1"))

    as_(cast.ada).post(f"{CHAT}/edit", typed(card, **table(*rows, v_description=["What it says", ""])))

    assert newest(chat).to_json()["variables"] == {
        "type": "object",
        "properties": {"message": {"type": "string", "description": "What it says"}, "extra": {"type": "integer"}},
        "required": ["message", "extra"],
    }


def test_editor__steps_of_the_panels__turn_them_and_add_and_drop_rows(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    client, card = as_(cast.ada), ("system", "text", "Sort {{ message }} for {{ bank }}")
    given = typed(card, **table(("message", "", "1")), config_view="form", c_temperature="0.5", c_more='{"seed": 7}')

    def after(step: str, **more: Any) -> Any:
        return client.post(f"{CHAT}/edit", {**given, "step": step, **more}).context

    assert [row.name for row in after("declare:bank")["rows"]] == ["message", "bank"]
    assert [row.name for row in after("row")["rows"]] == ["message", ""]
    assert [(row.name, row.is_declared) for row in after("unrow:0")["rows"]] == [("message", False), ("bank", False)]
    assert after("variables:json")["rows"] is None and '"message"' in after("variables:json")["typed"].variables
    assert after("config:json")["model"] is None
    assert json.loads(after("config:json")["typed"].config) == {"temperature": 0.5, "seed": 7}
    assert after("variables:table", variables_view="json", variables="{")["rows"] is None
    assert after("row")["preview"].undeclared == ["bank"]


def test_editor__number_that_is_none__is_named_and_kept(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    card = ("system", "text", "Hi")
    answer = as_(cast.ada).post(f"{CHAT}/edit", typed(card, config_view="form", c_temperature="warm"))

    assert answer.status_code == 422 and newest(chat).number == 1
    assert "temperature must be a number" in answer.content.decode() and 'value="warm"' in answer.content.decode()


def test_editor__what_looks_like_a_secret__is_saved_once_it_is_confirmed_and_asked_about_once(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, key = as_(cast.ada), "sk-proj-" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"
    given = typed(("system", "text", f"Use {key}"), config='{"note": "ghp_' + key[8:] + 'abcdefgh"}')

    refused = client.post(f"{CHAT}/edit", given)
    page = refused.content.decode()
    saved = client.post(f"{CHAT}/edit", given | {"no_secrets": "1"})
    again = client.post(f"{CHAT}/edit", given | {"based_on": "2", "message": "x", "tools": "[]"})

    assert refused.status_code == 422 and "Message 1, line 1: OpenAI key" in page and "Config, line 1: GitHub" in page
    assert saved.status_code == 302 and again.status_code == 302


def test_preview__older_include__is_told_and_moved_to_the_newest(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    tone = builders.prompt(cast.ada, "shared/tone", text="Be brief.")
    builders.version(cast.ada, tone, "Be very brief.")
    tag = "@@@langfusePrompt:name=shared/tone|version={}@@@"
    client, given = as_(cast.ada), typed(("system", "text", tag.format(1)))

    page = client.post(f"{CHAT}/preview", given).content.decode()
    after = client.post(f"{CHAT}/edit", given | {"step": "newer:2:shared/tone"}).context["typed"]

    assert "v2 is the newest" in page and 'value="newer:2:shared/tone"' in page
    assert after.cards[0].content == tag.format(2)
    found = client.get(f"{CHAT}/includes?q=ton").json()["prompts"]
    assert found == [{"name": "shared/tone", "version": 2, "description": ""}]


def test_preview__that_includes_others__lists_each_at_the_number_it_would_be_saved_with(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    first = newest(builders.prompt(cast.ada, "shared/tone", text="Be brief."))
    builders.prompt(cast.ada, "shared/rules", text="Be fair.")
    set_label(cast.rosa, first, "calm")
    tags = "@@@langfusePrompt:name=shared/tone|label=calm@@@ @@@langfusePrompt:name=shared/rules|version=1@@@"

    page = as_(cast.ada).post(f"{CHAT}/preview", typed(("system", "text", tags))).content.decode()

    assert "shared/tone v1</a> is included: where its label <code>calm</code> stands, until this is saved" in page
    assert "shared/rules v1</a> is included, the newest" in page and "data-older" not in page


def test_draft__kept_from_two_windows__tells_the_later_one_which_may_insist(
    cast: Cast, as_: SignedIn, chat: Prompt
) -> None:
    client, card = as_(cast.ada), ("user", "text", "one")

    first = client.post(f"{CHAT}/draft", typed(card, draft_stamp="")).context["draft_stamp"]
    second = client.post(f"{CHAT}/draft", typed(("user", "text", "two"), draft_stamp=""))
    onward = client.post(f"{CHAT}/draft", typed(("user", "text", "three"), draft_stamp=first))
    insisting = client.post(f"{CHAT}/draft", typed(("user", "text", "two"), draft_stamp="", over_draft="1"))
    behind = client.post(f"{CHAT}/draft", typed(card, draft_stamp=onward.context["draft_stamp"]))

    assert second.status_code == 409 and "another window of yours" in second.content.decode()
    assert (onward.status_code, insisting.status_code, behind.status_code) == (200, 200, 409)
    assert "two" in Draft.objects.get().content


def test_editor__others_at_work__are_named_and_a_newer_version_too(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    as_(cast.grace).post(f"{CHAT}/draft", typed(("user", "text", "hers")))
    create_version(cast.grace, chat, {"messages": [{"role": "system", "content": "Grace was here"}]})

    page = as_(cast.ada).post(f"{CHAT}/preview", typed(("user", "text", "mine"))).content.decode()

    assert "has a draft of this prompt too" in page and "v2 was saved meanwhile by" in page


def test_editor__of_a_prompt_with_suites__says_what_a_save_starts(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    suite = building.suite(cast.ada)
    assert "No suite is attached" in as_(cast.ada).get(f"{CHAT}/edit").content.decode()

    building.require(cast.ada, suite, chat)

    page = as_(cast.ada).get(f"{CHAT}/edit").content.decode()
    assert "Numbers</a> (60 cases, required)" in page


def test_draft__half_typed_in_the_forms__comes_back_as_it_was(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    client = as_(cast.ada)
    half = {"config_view": "form", "c_temperature": "0.", "c_more": "{"}
    client.post(f"{CHAT}/draft", typed(("user", "text", "x"), **table(("city", "string", "1"), ("", "", "1")), **half))

    context = client.get(f"{CHAT}/edit").context

    assert [row.name for row in context["rows"]] == ["city", ""]
    assert (context["model"].temperature, context["model"].more) == ("0.", "{")


def test_editor__before_one_saves__says_where_the_version_will_be_live(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    ada = as_(cast.ada)

    page = ada.get(f"{CHAT}/edit").content.decode()
    assert "Saving puts it <strong>live in Development</strong> at once: nobody is asked there." in page
    saved = ada.post(f"{CHAT}/edit", typed(("user", "text", "Sort it."), based_on="1", do="save"), follow=True)
    assert "and live in Development already: services there get it from now on." in saved.content.decode()
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": True, "require_suites": True})
    assert "Saving puts it" not in ada.get(f"{CHAT}/edit").content.decode()
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": False})
    waits = ada.post(f"{CHAT}/edit", typed(("user", "text", "Sort it now."), based_on="2", do="save"), follow=True)
    assert "It is live nowhere yet." in waits.content.decode()
