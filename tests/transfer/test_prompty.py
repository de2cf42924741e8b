"""Prompty files, held against the format's own vectors; and versions that go out and come back."""

import json
from pathlib import Path
from typing import Any

import pytest

from prompts_app.content import load_content
from prompts_app.models import Prompt
from prompts_app.rendering import render_content
from prompts_app.transfer.prompty import read_prompty, split_roles
from prompts_app.transfer.prompty_writing import write_prompty
from registry.core.errors import Invalid
from tests import builders
from tests.api.client import Api
from tests.builders import Cast

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "prompty_vectors.json").read_text())["vectors"]
BASIC = """---
name: basic
description: A basic prompt
metadata: {authors: [someone], tags: [demo]}
model:
  id: gpt-4
  connection: {kind: key, apiKey: "${env:OPENAI_API_KEY}", endpoint: "${file:../secret.json}"}
  options: {temperature: 0.7, maxOutputTokens: 1000, additionalProperties: {size: big}}
inputs:
  - {name: question, kind: string, default: What?}
---
system:
Help {{customer}}.

user:
{{question}}
"""


def vectors(stage: str, *without: str) -> list[Any]:
    found = [one for one in VECTORS if one["operation"] == stage and one["name"] not in without]
    return [pytest.param(one, id=one["name"]) for one in found]


def file_of(front: dict[str, Any], body: str) -> str:
    return "\n".join(["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items()), "---", body])


@pytest.mark.parametrize("vector", vectors("load", "missing_file_error"))
def test_load__of_a_vector__takes_over_what_it_says(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    front = given.get("frontmatter") or {
        key: value for key, value in expected.items() if key not in {"kind", "instructions"} and value is not None
    }
    if refusal := {"invalid_frontmatter_error": "frontmatter", "template_string_invalid": "template"}.get(
        vector["name"]
    ):
        text = given.get("frontmatter_raw") or file_of(front, "Hello")
        with pytest.raises(Invalid, match=refusal):
            read_prompty(text, name="x")
        return
    body = expected.get("instructions", "Hello")

    history = read_prompty(file_of(front, body), name=front.get("name") or "unnamed")

    content = history.versions[0].content
    model = {"id": front["model"]} if isinstance(front.get("model"), str) else front.get("model") or {}
    config: Any = content["config"]
    assert config.get("model") == model.get("id")
    assert config.get("temperature") == (model.get("options") or {}).get("temperature")
    assert config.get("size") == (model.get("options") or {}).get("additionalProperties", {}).get("size")
    variables: Any = content.get("variables") or {"properties": {}, "required": []}
    for one in front.get("inputs") or []:
        about = variables["properties"][one["name"]]
        assert (about.get("type"), about.get("default")) == (one["kind"], one.get("default"))
        assert (one["name"] in variables["required"]) is bool(one.get("required"))
    functions = [one["name"] for one in front.get("tools") or [] if one.get("kind") == "function"]
    tools: Any = content.get("tools") or []
    assert [one["function"]["name"] for one in tools] == functions
    shape: Any = content.get("response_format")
    assert list(shape["json_schema"]["schema"]["properties"] if shape else []) == [
        one["name"] for one in front.get("outputs") or []
    ]
    said = json.dumps(content)
    assert not any(secret in said for secret in ("sk-test", "https://", "env:", "file:", "leaked"))


@pytest.mark.parametrize("vector", vectors("parse", "thread_nonce_expansion"))
def test_parse__of_a_vector__gives_its_messages(vector: dict[str, Any]) -> None:
    found = split_roles(vector["input"]["rendered"])

    messages = vector["expected"]["messages"]
    assert [(role, content) for role, _, content in found] == [
        (one["role"], "".join(part["value"] for part in one["content"])) for one in messages
    ]
    assert [bool(attributes) for _, attributes, _ in found] == [bool(one.get("metadata")) for one in messages]


def test_thread__on_a_line_of_its_own__is_a_placeholder() -> None:
    front = {"name": "x", "inputs": [{"name": "conversation", "kind": "thread"}]}

    history = read_prompty(file_of(front, "system:\nYou are helpful.\n\n{{conversation}}\n\nuser:\nHi"))

    assert history.versions[0].content["messages"] == [
        {"role": "system", "content": "You are helpful."},
        {"type": "placeholder", "name": "conversation"},
        {"role": "user", "content": "Hi"},
    ]


SECTIONS = ("mustache_inverted", "mustache_loop", "mustache_section")
OTHERWISE = ("missing_variable_renders_empty", "thread_nonce_injection")


@pytest.mark.parametrize("vector", vectors("render", *OTHERWISE))
def test_render__of_a_vector__gives_what_it_says_or_is_refused_at_import(vector: dict[str, Any]) -> None:
    given = vector["input"]
    front = {
        "name": "x",
        "template": {"format": {"kind": given["engine"]}},
        "metadata": {"greenroom": {"kind": "text"}},
    }
    if vector["name"] in SECTIONS:
        with pytest.raises(Invalid, match="mustache"):
            read_prompty(file_of(front, given["template"]))
        return

    content = read_prompty(file_of(front, given["template"])).versions[0].content

    loaded = load_content("text", {**content, "variables": {"type": "object", "properties": {}}})
    assert render_content(loaded, given["inputs"]).to_json()["text"] == vector["expected"]["rendered"]


@pytest.mark.parametrize("vector", vectors("renderSegments"))
def test_value__that_looks_like_a_role__never_becomes_a_message(vector: dict[str, Any]) -> None:
    content = read_prompty(file_of({"name": "x"}, vector["input"]["template"])).versions[0].content

    loaded = load_content("chat", {**content, "variables": {"type": "object", "properties": {}}})
    rendered: Any = render_content(loaded, vector["input"]["inputs"]).to_json()["messages"]

    assert len(rendered) == len(content["messages"])  # type: ignore[arg-type]
    assert rendered[-1] == {"role": "user", "content": vector["input"]["inputs"]["q"]}


def test_vectors__all_of_them__are_run_but_four_that_do_not_apply_here() -> None:
    """No file is opened; a thread is a placeholder and gets no nonce; a missing variable is refused, not empty."""
    left_out = {"missing_file_error", "thread_nonce_expansion", *OTHERWISE}
    run = [*vectors("load"), *vectors("parse"), *vectors("render"), *vectors("renderSegments")]
    assert {one["name"] for one in VECTORS} == {param.id for param in run}
    assert len(VECTORS) == len(run) == 75 and left_out <= {param.id for param in run}


def test_import__of_a_file__previews_then_saves_then_knows_it(cast: Cast) -> None:
    api = Api(cast.ada)

    told = api.post("import/prompty?preview=true", {"text": BASIC}).json
    assert not Prompt.objects.filter(name="basic").exists()
    done = api.post("import/prompty", {"text": BASIC}).json
    again = api.post("import/prompty", {"text": BASIC}).json

    assert told["prompts"] == done["prompts"] and done["new_versions"] == 1 and again["new_versions"] == 0
    prompt = Prompt.objects.get(name="basic")
    version = prompt.versions.get()
    content: Any = version.to_json()
    assert [turn["role"] for turn in content["messages"]] == ["system", "user"]
    assert content["config"] == {"model": "gpt-4", "temperature": 0.7, "max_tokens": 1000, "size": "big"}
    assert content["variables"]["required"] == ["customer"]
    assert (version.author_name, prompt.description, prompt.tags) == ("someone", "A basic prompt", ["demo"])
    notes = " ".join(done["prompts"][0]["notes"])
    assert "model.connection" in notes and "customer" in notes
    changed = api.post("import/prompty", {"text": BASIC.replace("Help", "Serve")}).json
    assert changed["prompts"][0]["versions"][0]["version"] == 2


def test_file__of_the_older_form__keeps_its_parameters_as_settings() -> None:
    model = {"api": "chat", "configuration": {"type": "azure_openai"}, "parameters": {"max_tokens": 100, "tools": []}}
    found = read_prompty(file_of({"name": "older", "model": model}, "user:\nHi"))

    assert found.versions[0].content["config"] == {"max_tokens": 100}
    assert sorted(found.notes) == [
        "model.configuration is not taken over: connections are an admin's, under Settings → Providers.",
        "model.parameters.tools is not taken over: add it in the editor.",
    ]


@pytest.mark.parametrize(
    "text", ["---\nname: x\n", "---\n- 1\n---\nx", "---\nname: !!python/object x\n---\nx", "no name"]
)
def test_import__of_what_is_no_prompty_file__is_422_with_a_reason(cast: Cast, text: str) -> None:
    answer = Api(cast.ada).post("import/prompty", {"text": text})

    assert answer.status == 422 and answer.json["errors"]


def test_export__of_any_version__reads_back_the_same(cast: Cast) -> None:
    turns = [
        {"role": "system", "content": "Sort it.\nuser:\nis no role here"},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": "{{ message }}"},
    ]
    content: dict[str, Any] = {
        "messages": turns,
        "config": {"model": "m", "temperature": 0.5, "odd": [1]},
        "variables": {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]},
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {}, "required": []}},
            }
        ],
    }
    api = Api(cast.ada)
    api.post("prompts", {"name": "a/b", "kind": "chat"})
    api.post("prompts/a/b/versions", content)

    text = api.get("prompts/a/b/versions/1/prompty").body.decode()

    assert text.startswith('---\nname: "a/b"\n')
    back = read_prompty(text)
    assert back.kind == "chat" and back.name == "a/b"
    got: Any = back.versions[0].content
    assert got["messages"][0]["content"] == 'Sort it.\n{{ "user:" }}\nis no role here'
    assert got["messages"][1:] == turns[1:]
    assert {name: got[name] for name in ("config", "variables", "tools")} == {
        name: content[name] for name in ("config", "variables", "tools")
    }


def test_export__of_what_the_format_cannot_say__names_it(cast: Cast) -> None:
    parts = [{"type": "text", "text": "x\r"}, {"type": "image_url", "image_url": {"url": "https://a.example"}}]
    text = write_prompty(
        "x", "chat", {"messages": [{"role": "user", "content": parts}, {"role": "user", "content": "\ny"}]}
    )

    assert "# Not kept: parts of message 1 that are no text" in text
    assert "# Not kept: empty lines at the beginning or end of message 2" in text
    made = builders.prompt(cast.ada, "plain", text="Hello {{ name }}")
    text = Api(cast.ada).get("prompts/plain/versions/1/prompty").body.decode()
    back = read_prompty(text)
    assert (back.kind, back.versions[0].content["text"]) == ("text", "Hello {{ name }}")
    assert made.kind == "text" and "Not kept" not in text
