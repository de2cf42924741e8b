"""The client library renders as the server does: the same code, the same bytes, the same refusals."""

import json
import subprocess
import sys
from enum import StrEnum
from typing import Any

import pytest

from greenroom.content import Content, content_of, digest_of
from greenroom.errors import Corrupt, RenderError
from greenroom.prompt import Prompt
from greenroom.rendering import render
from prompts_app.content import content_digest, load_content, parse_content
from prompts_app.errors import TemplateLimit, TemplateRefused, VariablesInvalid
from prompts_app.rendering import render_content
from tests.sdk.registry_stub import body, content
from tests.servers import ROOT

PAYLOADS = [json.loads(line) for line in (ROOT / "tests/data/sandbox_payloads.jsonl").read_text().splitlines()]
# What only a process of its own can bound is for the server: it lets no such version be saved or go live.
SAFE = [one for one in PAYLOADS if one["expected"] in {"ok", "refused"}]
KINDS = {TemplateLimit: "limit", TemplateRefused: "refused", VariablesInvalid: "variables"}
CHAT = [
    {"role": "system", "content": "You know {{ name }}.\n"},
    {"type": "placeholder", "name": "history"},
    {"role": "user", "content": [{"type": "text", "text": "{{ q|tojson }}"}, {"type": "image_url", "image_url": {"url": "{{ q }}"}}]},
]  # fmt: skip
HISTORY = [{"role": "user", "content": "{{ not a template }}", "more": [1]}]
VECTORS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"text": "a\r\nb\n\n"}, {}),
    ({"text": "{{ d.items }} {{ d.items() }}"}, {"d": {"items": "field"}}),
    ({"text": "{{ v|tojson }} {{ v }}"}, {"v": {"z": "<é&'\u2028>", "a": [1.0, 1e100, None, True, 2**64 - 1]}}),
    ({"text": "{% for x in l %}\n{{ loop.index }}{{ x }}\n{% endfor %}\n"}, {"l": ["a", 1, None, 1.5]}),
    ({"text": "{{ missing }}"}, {}),
    ({"text": "{{ a }} {{ b.c }}"}, {"a": 1, "b": {}}),
    ({"text": "Hi {{ name }}{{name}} {% x %} {{ q }}", "template_format": "plain"}, {"name": "A", "q": {"é": [1]}}),
    ({"text": "Hi {{ name }}", "template_format": "plain"}, {}),
    ({"messages": CHAT}, {"name": "Ada", "q": "é\"<", "history": HISTORY}),
    ({"messages": CHAT}, {"name": "Ada", "q": 1, "history": None}),
    ({"messages": CHAT}, {"name": "Ada", "q": 1, "history": "none"}),
    ({"messages": CHAT, "template_format": "plain"}, {"name": "{{ q }}", "q": "x", "history": HISTORY}),
    ({"text": "{{ n }}", "variables": {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}}, {"n": "1"}),
    ({"text": "{{ n }}", "variables": {"type": "object", "properties": {"n": {"type": "integer"}}}}, {"n": 1.0}),
    ({"text": "{{ n }}", "variables": {"type": "object", "properties": {"n": {"enum": [1, "a"]}}}}, {"n": True}),
    ({"text": "{{ n }}", "variables": {"type": "object", "properties": {"n": {"enum": [1, "a"]}}}}, {"n": "a", "x": 1}),
    ({"text": "{{ 'x' * n }}"}, {"n": 5_000_000}),
]  # fmt: skip


def by_server(said: dict[str, Any], variables: dict[str, Any]) -> object:
    """The bytes, or the kind of refusal."""
    kind = "chat" if "messages" in said else "text"
    try:
        rendered = render_content(parse_content(kind, said), variables).to_json()
    except (TemplateLimit, TemplateRefused, VariablesInvalid) as error:
        return KINDS[type(error)]
    return json.dumps(rendered.get("messages", rendered.get("text")))


def by_client(said: dict[str, Any], variables: dict[str, Any]) -> object:
    try:
        return json.dumps(render(Content("x", **said), variables))
    except RenderError as error:
        return error.kind


@pytest.mark.parametrize("payload", SAFE, ids=[one["name"] for one in SAFE])
def test_render__of_every_payload__is_what_the_server_makes_of_it(payload: dict[str, Any]) -> None:
    said, variables = {"text": payload["template"]}, payload["variables"]
    assert by_client(said, variables) == by_server(said, variables)


@pytest.mark.parametrize(("said", "variables"), VECTORS)
def test_render__of_shared_vectors__has_the_servers_bytes(said: dict[str, Any], variables: dict[str, Any]) -> None:
    assert by_client(said, variables) == by_server(said, variables)


def test_copies__of_the_servers_modules__are_up_to_date() -> None:
    answer = subprocess.run(
        [sys.executable, "bin/sdk_templates.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout


def test_digest__of_a_body__is_the_servers_and_holds_it() -> None:
    said = content("é {{ name }}", config={"t": 0.1, "n": 2**63, "b": 1e22}, tools=[{"name": "x"}])
    pins = [{"name": "tone", "version": 2, "digest": "ab" * 32}]
    stored = load_content("text", {**said, "includes": pins})
    assert digest_of({**said, "includes": pins, "name": "x", "revision": 1}) == content_digest(stored)
    assert content_of(body(), "it").version == 1
    for change in ({"text": "other"}, {"config": {"t": 1}}, {"variables": {}}, {"includes": pins}):
        with pytest.raises(Corrupt):
            content_of({**body(), **change}, "it")


class Mood(StrEnum):
    GLAD = "glad"


def test_values__that_are_nearly_json__render_as_they_would_arrive() -> None:
    found = render(Content("x", text="{{ a }} {{ b }} {{ c }}"), {"a": (1, 2), "b": Mood.GLAD, "c": {1: None}})
    assert found == "[1, 2] glad {'1': None}"
    for value in (object(), float("nan"), b"bytes"):
        with pytest.raises(RenderError) as refused:
            render(Content("x", text="{{ a }}"), {"a": value})
        assert (refused.value.kind, refused.value.variables) == ("variables", ("a",))


def test_to_openai__of_a_version__has_what_the_openai_client_takes_and_no_more() -> None:
    said = content(
        config={"provider": "own", "model": "big", "temperature": 0, "top_k": 5, "tool_choice": "auto", "team": "x"},
        response_format={"type": "json_object"},
    )
    prompt = Prompt(content_of({**body(), **said, "digest": digest_of(said)}, "it"), "network", 0.0)
    assert prompt.to_openai(name="Ada") == {
        "model": "big",
        "temperature": 0,
        "extra_body": {"top_k": 5},
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": "Hello Ada"}],
    }
    assert prompt.to_text(name="Ada") == "Hello Ada"
    with pytest.raises(RenderError, match="name is required") as refused:
        prompt.render()
    assert refused.value.variables == ("name",)


def test_threads__rendering_at_once__have_budgets_of_their_own() -> None:
    from concurrent.futures import ThreadPoolExecutor

    heavy = Content("x", text="{% for x in range(90000) %}{% endfor %}done")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: render(heavy, {}), range(12))) == ["done"] * 12
