"""The page to import from: a file or a server, what would change, and then the import; all of it without a script."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from prompts_app.actions.pulls import run_pull
from prompts_app.models import PendingPrompts, Prompt
from prompts_app.transfer_queries import bundle_pieces
from registry.core import jobs
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.transfer.langfuse_stub import PUBLIC, SECRET, langfuse

PAGE = "/w/acme/import"
PROMPTY = b"---\nname: from a file\n---\nuser:\nHello {{ name }} <b>\n"


def upload(client: Any, raw: bytes, name: str = "x.json", **more: str) -> Any:
    return client.post(PAGE, {"step": "file", "file": SimpleUploadedFile(name, raw), **more})


def test_bundle__uploaded__is_looked_at_and_then_imported(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)
    builders.prompt(cast.ada, "here", text="a")
    bundle = json.loads("".join(bundle_pieces(cast.workspace)))
    bundle["prompts"].append({**bundle["prompts"][0], "name": "new <one>"})

    answer = upload(client, json.dumps(bundle).encode())
    assert (answer.status_code, answer["Location"]) == (302, PAGE)
    page = client.get(PAGE).content.decode()
    assert "1 new prompt, 1 new version, 1 here already" in page
    assert "new &lt;one&gt;" in page and "<one>" not in page
    assert not Prompt.objects.filter(name="new <one>").exists()

    answer = client.post(PAGE, {"step": "take"})
    assert answer["Location"] == "/w/acme/"
    assert "1 new prompt and 1 new version are here" in client.get("/w/acme/").content.decode()
    assert Prompt.objects.get(name="new <one>").versions.count() == 1
    assert not PendingPrompts.objects.exists()
    assert "Export all prompts" in client.get(PAGE).content.decode()


def test_import__that_leaves_something_out__says_what(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)
    builders.prompt(cast.ada, "p", text="a")
    bundle = json.loads("".join(bundle_pieces(cast.workspace)))
    builders.prompt(cast.ada, "q", text="ours")
    bundle["prompts"] = [{**bundle["prompts"][0], "name": "q"}, {"name": "empty", "kind": "text"}]
    upload(client, json.dumps(bundle).encode())

    page = client.post(PAGE, {"step": "take"}).content.decode()

    assert "Version 1 says something else here." in page and "To the prompts" in page


def test_prompty__uploaded_under_another_name__is_that_prompt(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)

    upload(client, PROMPTY, "greeting.prompty", called="greetings/first")
    assert "greetings/first" in client.get(PAGE).content.decode()
    client.post(PAGE, {"step": "take"})

    version = Prompt.objects.get(name="greetings/first").versions.get()
    assert version.to_json()["messages"] == [{"role": "user", "content": "Hello {{ name }} <b>"}]
    answer = client.get("/w/acme/prompts/greetings/first/versions/1/prompty")
    assert b"".join(answer).startswith(b'---\nname: "greetings/first"')
    assert answer["Content-Disposition"] == 'attachment; filename="greetings-first.prompty"'


def test_file__by_its_ending__is_a_table_or_a_text(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)

    refused = upload(client, b"Titel,Inhalt\nGruss,Hallo\n", "prompts.csv")
    assert refused.status_code == 422 and "it names titel, inhalt" in refused.content.decode()

    upload(client, b"Say hello to {{ name }}.", "hello.txt")
    page = client.get(PAGE).content.decode()
    assert '<th scope="row">hello<br>' in page and "Say hello to {{ name }}." in page


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b"{", "This is not JSON"),
        (b'{"format": "other"}', "This is no bundle"),
        (b'{"format": "greenroom.bundle", "schema": 1, "prompts": [{"name": "a", "kind": "odd"}]}', "prompts[0].kind"),
        (b"---\nname: [x\n---\n", "Invalid frontmatter"),
        (b"a\0b", "text file"),
    ],
)
def test_file__that_cannot_be_read__is_refused_with_what_is_wrong(
    cast: Cast, as_: SignedIn, raw: bytes, said: str
) -> None:
    answer = upload(as_(cast.ada), raw)

    assert answer.status_code == 422 and said in answer.content.decode()
    assert not PendingPrompts.objects.exists()


def test_server__read_from_the_page__is_waited_for_looked_at_and_imported(
    cast: Cast, as_: SignedIn, settings: Any, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    client = as_(cast.ada)
    sent: list[tuple[int, str]] = []
    monkeypatch.setitem(jobs._looked_after, PendingPrompts, lambda pk, opener: sent.append((pk, opener)))
    with langfuse() as stub:
        settings.OUTBOUND_ALLOW = frozenset({stub.url.removeprefix("http://")})
        stub.add("old/one", "Hello {{x}}", labels=("production",))
        with django_capture_on_commit_callbacks(execute=True):
            client.post(PAGE, {"step": "pull", "url": stub.url, "public_key": PUBLIC, "secret_key": SECRET})
        assert "Look again" in client.get(PAGE).content.decode()
        run_pull(*sent[0], owner="test")
    page = client.get(PAGE).content.decode()
    assert "old/one" in page and "here production is an environment" in page and "canary" not in page
    client.post(PAGE, {"step": "take"})
    assert Prompt.objects.get(name="old/one").versions.get().to_json()["template_format"] == "plain"


def test_server__with_a_private_address__is_refused_and_its_secret_is_not_repeated(cast: Cast, as_: SignedIn) -> None:
    body = {"step": "pull", "url": "http://10.0.0.1", "public_key": PUBLIC, "secret_key": SECRET}

    answer = as_(cast.ada).post(PAGE, body)

    assert answer.status_code == 422 and "OUTBOUND_ALLOW" in answer.content.decode()
    assert SECRET not in answer.content.decode()


def test_import__by_whom_may_only_read__is_403_and_of_another_person_is_not_seen(cast: Cast, as_: SignedIn) -> None:
    assert as_(cast.vera).get(PAGE).status_code == 403
    upload(as_(cast.ada), PROMPTY, "x.prompty")
    assert "from a file" not in as_(cast.grace).get(PAGE).content.decode()
    assert as_(cast.linus).get(PAGE).status_code == 404
    as_(cast.ada).post(PAGE, {"step": "forget"})
    assert not PendingPrompts.objects.exists()


def test_table__uploaded_and_taken__is_there_and_comes_twice_to_nothing_new(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.ada)
    raw = b"name,text,description\nbilling/refund,Answer {{question}} briefly,For refunds\n"
    for _ in range(2):
        client.post("/w/acme/import", {"step": "file", "file": SimpleUploadedFile("prompts.csv", raw)})
        page = client.get("/w/acme/import").content.decode()
        client.post("/w/acme/import", {"step": "take"})

    made = Prompt.objects.get(name="billing/refund")
    assert "1 here already" in page and made.last_number == 1 and made.description == "For refunds"
    steps = as_(cast.olga).get("/w/acme/").context["steps"]
    assert steps is not None and "live nowhere yet" in steps.steps[2].text


def test_import__of_a_promptfoo_file__says_where_it_belongs(cast: Cast, as_: SignedIn) -> None:
    page = upload(as_(cast.ada), b"prompts:\n  - Hello\ntests: []\n", "promptfooconfig.YAML")

    assert page.status_code == 422 and "are imported at a suite" in page.content.decode()
    assert not PendingPrompts.objects.exists()
