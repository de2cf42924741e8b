"""Content that is very large, written in odd characters, or no JSON: F25, F26 and F27. Kept byte for byte, or refused by name."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from prompts_app.models import PromptVersion
from registry.core.models import Member
from tests.api.client import Api
from tests.builders import Cast, prompt, signed_in
from tests.compat.client import Langfuse
from tests.faults import table
from tests.faults.ledger import Account
from tests.pages.forms import Form
from tests.prompts.test_content import KEPT

HUNG_S = 30.0
MEGABYTE = 1_000_000
LARGE: dict[str, dict[str, Any]] = {
    "1 MB of lines": {"text": "".join(f"Line {n} of {n * 7919 % 1000} é\r\n" for n in range(50_000))[:MEGABYTE]},
    "1 MB in one line": {"text": "some words, again and again; " * (MEGABYTE // 29)},
    "100 messages": {"messages": [{"role": "user", "content": f"{n}: " + "é " * 3_000} for n in range(100)]},
    "5,000 places, 10,000 variables": {
        "text": "".join(f"{{{{ v{n} }}}}\n" for n in range(5_000)),
        "variables": {"type": "object", "properties": {f"v{n}": {} for n in range(10_000)}},
    },
}

LONG = {"1 MB of lines", "100 messages", "5,000 places, 10,000 variables"}


class Watch:
    """How long each step took; one that hangs fails."""

    def __init__(self) -> None:
        self.slowest: dict[str, float] = {}

    def time[T](self, step: str, call: Callable[[], T]) -> T:
        began = time.monotonic()
        result = call()
        took = time.monotonic() - began
        assert took < HUNG_S, f"{step} took {took:.0f} s"
        self.slowest[step] = max(took, self.slowest.get(step, 0))
        return result

    def words(self) -> str:
        return ", ".join(f"{step} {took:.1f} s" for step, took in self.slowest.items())


def browser(cast: Cast) -> Client:
    """Ada's."""
    return signed_in(Client(), Member.objects.select_related("user").get(pk=cast.ada.member_id).user)


def changed(content: dict[str, Any]) -> dict[str, Any]:
    """The same with every fourth word another one, on all its lines."""
    again: dict[str, Any] = json.loads(
        re.sub(r"\b(Line|again|é|v)(?=[ ;\d])", r"\1x", json.dumps(content, ensure_ascii=False))
    )
    return again


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(content, marks=[pytest.mark.faults] if name in LONG else [], id=name)
        for name, content in LARGE.items()
    ],
)
def test_content__very_large__is_served_as_it_was_given_and_compared_in_time(
    cast: Cast, content: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    ada, service, pages, watch = (
        Api(cast.ada),
        Api(cast.key("service", environment="development")),
        browser(cast),
        Watch(),
    )
    kind, (field, given) = "chat" if "messages" in content else "text", next(iter(content.items()))
    assert ada.post("prompts", {"name": "large", "kind": kind}).status == 201
    first = watch.time("save", lambda: ada.post("prompts/large/versions", content))
    assert first.status == 201, first.body[:300]
    second = watch.time("save", lambda: ada.post("prompts/large/versions", changed(content)))
    assert second.status == 201 and second.json["digest"] != first.json["digest"], second.body[:300]
    stored = ada.get("prompts/large/versions/1").json
    live = watch.time("fetch", lambda: service.get("environments/development/prompts/large")).json
    [entry] = json.loads(ada.get("export/bundle").body)["prompts"]
    account = Account()
    account.wrong += [] if stored[field] == given else ["stored otherwise"]
    account.wrong += [] if live[field] == changed(content)[field] else ["served otherwise"]
    account.wrong += [] if entry["versions"][0]["content"][field] == given else ["exported otherwise"]
    account.wrong += [] if live["digest"] == second.json["digest"] else ["another digest"]
    difference = watch.time("diff over the API", lambda: ada.get("prompts/large/diff?from=1&to=2"))
    assert difference.status == 200
    for page in ("", "/versions/1", "/diff?from=1&to=2", "/drafts/edit"):
        shown = watch.time("pages", lambda page=page: pages.get(f"/w/acme/prompts/large{page}"))
        assert shown.status_code == 200, page
    table.note(f"F25 {request.node.callspec.id}", account, recovery=watch.words())


def test_content__with_more_places_than_a_template_may_have__is_refused_by_its_limit(cast: Cast) -> None:
    prompt(cast.ada, "wide")
    refused = Api(cast.ada).post("prompts/wide/versions", {"text": "".join(f"{{{{ v{n} }}}}" for n in range(10_000))})
    assert (refused.status, refused.code) == (422, "template.limit")


def as_sent(text: str) -> str:
    """A text as a browser sends it from a text area: every line ends with CR LF."""
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def as_kept(text: str) -> str:
    """The same as it is kept: pages put line ends right once, to LF."""
    return re.sub(r"\r\n|\r|\n", "\n", text)


@pytest.mark.injects("F26 odd characters over API, page, export and import", schedules=len(KEPT))
def test_text__of_any_characters__is_the_same_over_the_api_a_page_and_an_export(cast: Cast) -> None:
    ada, pages = Api(cast.ada), browser(cast)
    service = Api(cast.key("service", environment="development"))
    for number, (about, text) in enumerate(KEPT.items()):
        name, typed = f"odd/p{number}", f"odd/t{number}"
        for one in (name, typed):
            assert ada.post("prompts", {"name": one, "kind": "text"}).status == 201
        saved = ada.post(f"prompts/{name}/versions", {"text": text})
        assert saved.status == 201, about
        assert service.get(f"environments/development/prompts/{name}").json["text"] == text, about
        assert ada.get(f"prompts/{name}/versions/1").json["text"] == text, about
        form = Form(
            pages.get(f"/w/acme/prompts/{name}/drafts/edit").content.decode(), f"/w/acme/prompts/{name}/drafts/edit"
        )
        assert as_kept(form.all("text")[0]) == as_kept(text), about
        answer = pages.post(f"/w/acme/prompts/{typed}/drafts/edit", {"text": as_sent(text)})
        assert answer.status_code == 302, (about, answer.content.decode()[:500])
        assert PromptVersion.objects.get(prompt__name=typed).to_json()["text"] == as_kept(text), about
        again = ada.post(f"prompts/{name}/versions", {"text": as_kept(text)})
        assert again.json["digest"] == PromptVersion.objects.get(prompt__name=typed).digest, about
    exported = ada.get("export/bundle")
    told = {one["name"]: one["versions"] for one in json.loads(exported.body)["prompts"]}
    kept = {f"odd/p{number}": text for number, text in enumerate(KEPT.values())}
    assert {name: told[name][0]["content"]["text"] for name in kept} == kept


@pytest.mark.injects("F26 NUL and lone surrogates", schedules=4)
@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800", "a\\udc00b", "\\udfff\\ud800"])
def test_text__that_no_database_keeps__is_refused_with_its_position(cast: Cast, text: str) -> None:
    prompt(cast.ada, "odd")
    refused = Api(cast.ada).call("POST", "prompts/odd/versions", raw=b'{"text": "%s"}' % text.encode())
    assert refused.status == 422 and refused.json["errors"][0]["field"] == "text"
    assert refused.json["position"] == text.index("\\")


ODD_JSON = {
    "not a number": b'{"text": "x", "config": {"a": NaN}}',
    "infinite": b'{"text": "x", "config": {"a": -Infinity}}',
    "1e999": b'{"text": "x", "config": {"a": 1e999}}',
    "5,000 digits": b'{"text": "x", "config": {"a": %s}}' % (b"9" * 5_000),
    "a key twice": b'{"text": "x", "config": {"a": 1, "a": 2}}',
    "cut": b'{"text": "x", "config": {"a": ',
    "a byte order mark": b'\xef\xbb\xbf{"text": "x"}',
    "UTF-16": '{"text": "x"}'.encode("utf-16"),
    **{
        f"{depth:,} levels": b'{"text": "x", "config": {"a": %s1%s}}' % (b"[" * depth, b"]" * depth)
        for depth in (100, 1_000, 100_000)
    },
}


@pytest.mark.injects("F27 JSON that is none, or too deep, through five doors", schedules=5 * len(ODD_JSON))
def test_json__odd__is_refused_at_every_door_and_changes_nothing(cast: Cast) -> None:
    made = prompt(cast.ada, "odd")
    ada, langfuse, mcp = Api(cast.ada), Langfuse(cast.key()), Client()
    headers = cast.key("service", environment="development").headers
    doors: dict[str, Callable[[bytes], int]] = {
        "versions": lambda raw: ada.call("POST", "prompts/odd/versions", raw=raw).status,
        "preview": lambda raw: ada.call("POST", "preview", raw=raw).status,
        "import": lambda raw: ada.call("POST", "import/bundle", raw=raw).status,
        "Langfuse": lambda raw: langfuse.call("POST", "v2/prompts", raw=raw).status,
        "MCP": lambda raw: mcp.post("/mcp", raw, content_type="application/json", headers=headers).status_code,
    }
    answered = {(door, about): send(raw) for about, raw in ODD_JSON.items() for door, send in doors.items()}
    assert {key: status for key, status in answered.items() if status not in {400, 422}} == {}
    assert made.versions.count() == 1


def test_json__whose_keys_have_an_order__is_served_in_it(cast: Cast) -> None:
    prompt(cast.ada, "odd")
    raw = b'{"text": "x", "config": {"z": 1, "a": {"y": 1.50, "b": [1e2, -0.0]}, "m": 12345678901234567}}'
    assert Api(cast.ada).call("POST", "prompts/odd/versions", raw=raw).status == 201
    service = Api(cast.key("service", environment="development"))
    body = service.get("environments/development/prompts/odd").body
    assert b'"config":{"z":1,"a":{"y":1.5,"b":[100.0,-0.0]},"m":12345678901234567}' in body
