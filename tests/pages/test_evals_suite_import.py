"""Importing cases: a file or what is pasted, its columns mapped, mistakes by row and column, then into the draft."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from evals_app.actions.suite_drafts import draft_content, find_draft
from evals_app.actions.suites import create_suite, save_suite_version
from evals_app.models import PendingImport, Suite, SuiteVersion
from prompts_app.models import Prompt
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.pages.forms import Form, form_of

IMPORT, EDIT = "/w/acme/suites/intents/import", "/w/acme/suites/intents/edit"
BANKING = Path(__file__).parents[1] / "data" / "banking77_test.csv"


@pytest.fixture
def empty(cast: Cast) -> Suite:
    """A suite without cases."""
    return create_suite(cast.ada, "intents", title="Finds the intent")


def upload(client: Client, data: bytes, name: str = "cases.csv", **more: str) -> str:
    """The page that a file leads to."""
    answer = client.post(IMPORT, {"file": SimpleUploadedFile(name, data), **more}, follow=True)
    return str(answer.content.decode())


def drafted(cast: Cast, suite: Suite) -> list[dict[str, object]]:
    content = draft_content(find_draft(cast.ada, suite))
    return content["cases"]  # type: ignore[return-value]


def test_banking__3080_messages__import_with_their_intents_as_tags_and_save(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)

    page = upload(client, BANKING.read_bytes(), "banking77_test.csv")
    answer = take(client)
    editor = client.get(EDIT).content.decode()
    form_of(client, f"{EDIT}?page=124").press(client, "save")

    assert "3,080 rows, 3,080 sound" in page and "card_arrival 40" in page
    assert answer.status_code == 302 and "3,080 cases" in editor and "4" in editor
    version = SuiteVersion.objects.get(suite=empty)
    assert (version.case_count, version.cluster_count) == (3080, 3080)
    first = version.cases.get(position=0).to_json()
    assert first["variables"] == {"text": "How do I locate my card?"} and first["tags"] == ["card_arrival"]


def test_keys__that_the_file_does_not_name__are_made_of_the_text_and_said_to_stay(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    rows = b"message,expected\nWhere is my card?,card\nWhere is my card?,card\nI forgot my PIN,pin\n"

    asked = client.get(IMPORT).content.decode()
    page = upload(client, rows)
    take(client)
    keys = [case["key"] for case in drafted(cast, empty)]

    assert "without one it is called by how its first text begins" in asked
    assert "The file names no keys: each case is called by how its first text begins" in page
    assert "That stays its key, whatever is written in the case later" in page
    assert keys == ["Where is my card?", "Where is my card? (2)", "I forgot my PIN"]
    upload(client, rows.replace(b",pin", b",PIN"))
    take(client, how="merge")
    assert [(case["key"], case["expected"]) for case in drafted(cast, empty)] == [
        ("Where is my card?", "card"),
        ("Where is my card? (2)", "card"),
        ("I forgot my PIN", "PIN"),
    ]


def test_keys__that_some_rows_lack__are_counted_and_those_of_all_are_not_spoken_of(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)

    some = upload(client, b'{"key": "a", "variables": {"q": "1"}}\n{"variables": {"q": "2"}}\n', "cases.jsonl")
    client.post(IMPORT, {"step": "forget"})
    every = upload(client, b"key,q\na,1\nb,2\n")

    assert "1 row names no key: such a case is called by how its first text begins" in some
    assert "That stays its key" not in every


def take(client: Client, **choices: str) -> object:
    """Press the last button of the page that shows a file."""
    return client.post(IMPORT, {"step": "take", **choices})


def test_columns__mapped_otherwise__make_other_cases(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    upload(client, "Kunde;Antwort;Nr\r\nGrüße, „Ada“;Hallo;7\r\n".encode("utf-16"))
    form = columns_form(client)
    form.set("use", "expected", at=1)
    form.set("name", "customer", at=0)
    form.set("use", "key", at=2)
    form.press(client, "columns")
    take(client)

    assert drafted(cast, empty) == [{"key": "7", "variables": {"customer": "Grüße, „Ada“"}, "expected": "Hallo"}]


def columns_form(client: Client) -> Form:
    """The form of the columns: the second on its page."""
    page = client.get(IMPORT).content.decode()
    return Form("<form" + page.split("<form", page[: page.index("Columns</h2>")].count("<form"))[-1], IMPORT)


def test_rows__with_mistakes__are_told_by_line_and_column_and_may_be_left_out(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    page = upload(client, b'key,text,critical,messages\na,one,true,\nb,two,maybe,\na,three,,\nd,four,,"[{"\n,five\n')
    refused = take(client)
    done = take(client, skip="1")

    assert "5 rows, 2 sound, 3 mistakes" in page
    for told in ("says neither yes nor no", "is the key of line 2 too", "is not JSON"):
        assert told in page
    assert refused.status_code == 409 and "correct the file" in refused.content.decode()  # type: ignore[attr-defined]
    assert done.status_code == 302  # type: ignore[attr-defined]
    assert [case["key"] for case in drafted(cast, empty)] == ["a", "five"]
    assert not PendingImport.objects.exists()


@pytest.mark.parametrize(("how", "keys"), [("append", "abac"), ("merge", "abc"), ("replace", "ac")])
def test_cases__put_into_a_draft__go_where_they_are_asked_to(
    cast: Cast, empty: Suite, as_: SignedIn, how: str, keys: str
) -> None:
    save_suite_version(
        cast.ada, empty, {"cases": [{"key": key, "expected": "old"} for key in "ab"], "scorers": [{"kind": "equals"}]}
    )
    client = as_(cast.ada)
    page = upload(client, b"key,text,expected\na,t,new\nc,t,new\n")

    take(client, how=how)

    cases = drafted(cast, empty)
    assert "1 of the file&#x27;s keys is there already" in page.replace("file's", "file&#x27;s")
    assert "".join(str(case["key"]) for case in cases) == keys
    assert cases[-1]["expected"] == "new" and (how != "merge" or cases[0]["expected"] == "new")


def test_json__of_a_whole_version__brings_its_rules_if_asked(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    text = b'{"cases": [{"key": "a", "expected": "x"}], "scorers": [{"kind": "contains"}], "mode": "all_pass"}'
    assert "Take over the scorers" in upload(client, text, "suite.json")

    take(client, rules="1")

    form_of(client, EDIT).press(client, "save")
    version = SuiteVersion.objects.get(suite=empty)
    assert version.mode == "all_pass" and '"contains"' in version.rules


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"PK\x03\x04" + b"\0" * 30, "cases.xlsx", "save it as"),
        (b"text\n\xff\xfe\xfa", "cases.csv", "not UTF-8"),
        (b"text\nnul\0here\n", "cases.csv", "Line 2"),
        (b"", "cases.csv", "nothing in it"),
        (b"\n\n", "cases.csv", "nothing in it"),
        (b"a,a\n1,2\n", "cases.csv", "Two columns"),
        (b"[1, 2", "cases.json", "not JSON"),
        (b'"text"', "cases.json", "list of cases"),
        (b"text\n" + b"x\n" * 10_001, "cases.csv", "more than 10,000 rows"),
        (b",".join(b"c%d" % n for n in range(300)) + b"\n", "cases.csv", "300 columns"),
    ],
)
def test_file__that_cannot_be_read__is_refused_with_what_to_do(
    cast: Cast, empty: Suite, as_: SignedIn, data: bytes, name: str, said: str
) -> None:
    answer = as_(cast.ada).post(IMPORT, {"file": SimpleUploadedFile(name, data)})

    assert answer.status_code == 422 and said in answer.content.decode()
    assert not PendingImport.objects.exists()


def test_text__refused__is_still_in_its_field(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    answer = as_(cast.ada).post(IMPORT, {"text": "a,a\r\n1,<b>2", "form": "csv"})

    assert answer.status_code == 422 and "1,&lt;b&gt;2" in answer.content.decode()


def test_draft__that_would_have_too_many_cases__is_refused_and_the_file_waits(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    upload(client, b"text\n" + b"".join(b"t%d\n" % n for n in range(6000)))
    take(client)
    upload(client, b"text\n" + b"".join(b"u%d\n" % n for n in range(6000)))

    refused = take(client)

    assert refused.status_code == 422 and "at most 10,000 cases" in refused.content.decode()  # type: ignore[attr-defined]
    assert PendingImport.objects.exists() and len(drafted(cast, empty)) == 6000


def test_import__of_somebody_else_or_elsewhere__is_not_seen(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    upload(as_(cast.ada), b"text\nsecret\n")

    assert "secret" not in as_(cast.grace).get(IMPORT).content.decode()
    assert take(as_(cast.grace)).status_code == 404  # type: ignore[attr-defined]
    assert as_(cast.vera).get(IMPORT).status_code == 403
    assert as_(cast.linus).get(IMPORT).status_code == 404


def test_file__forgotten__asks_for_another(cast: Cast, empty: Suite, as_: SignedIn) -> None:
    client = as_(cast.ada)
    upload(client, b"text\none\n")
    client.post(IMPORT, {"step": "forget"})

    assert "Or paste it" in client.get(IMPORT).content.decode()


PROMPTFOO = b"""\
prompts:
  - label: Ask it
    raw: "Answer {{ q }}"
  - raw: "{{ q.constructor() }}"
tests:
  - vars: {q: one}
    assert:
      - {type: contains, value: "{{ q }}"}
      - {type: equals, value: "{% include 'x' %}"}
      - {type: javascript, value: process.exit()}
"""


def test_promptfoo__imported__brings_cases_scorers_and_prompts_and_says_what_it_leaves(
    cast: Cast, empty: Suite, as_: SignedIn
) -> None:
    client = as_(cast.ada)
    page = upload(client, PROMPTFOO, "promptfooconfig.yaml")
    made = client.post(IMPORT, {"step": "prompt:0", "prompt-0": "ask/it"})
    refused = client.post(IMPORT, {"step": "prompt:1", "prompt-1": "ask/other"})
    missing = client.post(IMPORT, {"step": "prompt:7"})
    take(client, rules="1")

    assert "javascript is imported disabled" in page and "line 10" in page
    assert "cannot be used" in page and "Ask it" in page
    assert made.status_code == 302 and Prompt.objects.get(name="ask/it").last_number == 1
    assert refused.status_code == 422 and not Prompt.objects.filter(name="ask/other").exists()
    assert missing.status_code == 404
    [case] = drafted(cast, empty)
    assert [one["kind"] for one in case["scorers"]] == ["contains", "equals", "disabled"]  # type: ignore[index, attr-defined]
