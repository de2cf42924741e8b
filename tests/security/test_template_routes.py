"""Every payload through every way in that takes a template: none fails, none answers what must be refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from evals_app.engine.questions import ArmSource, questions_of, scorer_values
from evals_app.model_settings import ModelSettings
from evals_app.suite_content import CaseSpec
from prompts_app.actions.imports import import_histories
from prompts_app.content import load_content
from prompts_app.transfer.langfuse import read_pulled
from registry.core.errors import Invalid
from registry.core.models import Member
from tests import builders
from tests.api.client import Api
from tests.api.test_mcp import Host
from tests.builders import Cast
from tests.compat.client import Langfuse
from tests.security.templates import REFUSED

PAYLOADS = [json.loads(line) for line in Path(__file__).parent.parent.joinpath("data/sandbox_payloads.jsonl").open()]
ROWS = [(one["name"], one["template"], one["variables"], one["expected"]) for one in PAYLOADS]
ROWS += [(name, text, values, "refused") for name, text, values in REFUSED if len(text) + len(str(values)) < 10_000]

type Way = Callable[["Hand", str, dict[str, Any]], bool | None]
WAYS: dict[str, Way] = {}


class Hand:
    """Who sends templates in: one prompt for each way, nothing of which was known before."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.api = Api(cast.ada)
        self.pages = Client()
        self.pages.force_login(Member.objects.get(pk=cast.ada.member_id).user)
        self.langfuse = Langfuse(cast.key())
        self.service = cast.key("service", environment="development")
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"attack/{self.count}"

    def prompt(self) -> str:
        name = self.name()
        assert self.api.post("prompts", {"name": name, "kind": "text"}).status == 201
        return name


def way(name: str) -> Callable[[Way], Way]:
    """Gives whether there was an answer; None for a way that only takes in."""

    def add(one: Way) -> Way:
        WAYS[name] = one
        return one

    return add


def taken(status: int, *good: int) -> bool:
    assert status in {*good, 422}
    return status != 422


@way("preview over the API")
def preview(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    return taken(hand.api.post("preview", {"kind": "text", "text": text, "variables": values}).status, 200)


@way("preview of a message over the API")
def preview_message(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    parts = [{"role": "user", "content": [{"type": "text", "text": text}]}]
    return taken(hand.api.post("preview", {"kind": "chat", "messages": parts, "variables": values}).status, 200)


@way("save, then render what is live")
def save_and_render(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    name = hand.prompt()
    if not taken(hand.api.post(f"prompts/{name}/versions", {"text": text}).status, 201):
        return False
    rendered = hand.api.post(f"environments/development/prompts/{name}/render", {"variables": values})
    return taken(rendered.status, 200)


@way("save through the Langfuse API, then render through MCP")
def langfuse_and_mcp(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    name = hand.name()
    created = hand.langfuse.create(name, text, labels=[])
    assert created.status in {201, 400, 422}
    if created.status != 201 or hand.api.get(f"prompts/{name}/versions/1").json["template_format"] == "plain":
        return False
    arguments = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    told = Host(hand.service).ask("prompts/get", name=name, arguments=arguments)
    return "code" not in told


@way("draft and preview on the page")
def page(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    name = hand.prompt()
    assert hand.api.put(f"prompts/{name}/drafts/mine", {"content": {"text": text}}).status == 200
    form = {"text": text, "sample": json.dumps(values)}
    shown = hand.pages.post(f"/w/acme/prompts/{name}/drafts/preview", form)
    assert shown.status_code == 200
    saved = hand.pages.post(f"/w/acme/prompts/{name}/drafts/edit", {"text": text})
    assert saved.status_code in {302, 422}
    return "data-problem" not in shown.content.decode()


@way("evaluation")
def evaluation(hand: Hand, text: str, values: dict[str, Any]) -> bool:
    content = load_content("text", {"text": text, "variables": {"type": "object", "properties": {}}})
    case = CaseSpec(key="one", variables=values, expected="x")
    [asked] = questions_of(ArmSource(content, ModelSettings(provider="p", model="m")), [case])
    [scored] = scorer_values([case], [{"value": text}])
    assert isinstance(asked, Invalid) == isinstance(scored, Invalid)
    return not isinstance(asked, Invalid)


@way("import of a Prompty file")
def prompty(hand: Hand, text: str, values: dict[str, Any]) -> None:
    name = hand.name()
    file = f"---\nname: {name}\n---\nuser:\n{text}\n"
    taken(hand.api.post("import/prompty", {"text": file, "name": name}).status, 200, 201)


@way("import of a bundle")
def bundle(hand: Hand, text: str, values: dict[str, Any]) -> None:
    name = hand.name()
    builders.prompt(hand.cast.ada, name, text="x")
    whole = json.loads(hand.api.get("export/bundle").body)
    [entry] = [one for one in whole["prompts"] if one["name"] == name]
    [version] = entry["versions"]
    version["content"] = {**version["content"], "text": text}
    del version["digest"]
    taken(hand.api.post("import/bundle", {**whole, "prompts": [{**entry, "name": f"{name}/again"}]}).status, 200)


@way("pull from Langfuse")
def pulled(hand: Hand, text: str, values: dict[str, Any]) -> None:
    version = {
        "name": hand.name(), "version": 1, "type": "text", "prompt": text, "config": {}, "tags": [], "commitMessage": "",
        "createdAt": "2024-01-01T10:00:00.000Z", "createdBy": "x", "labels": [],
    }  # fmt: skip
    import_histories(hand.cast.ada, read_pulled(json.dumps([version])))


@way("import of a promptfoo suite")
def promptfoo(hand: Hand, text: str, values: dict[str, Any]) -> None:
    path = "suites/attacked"
    if hand.api.get(path).status == 404:
        assert hand.api.post("suites", {"slug": "attacked", "title": "Attacked"}).status == 201
    rows = {
        "tests": [
            {"vars": values, "assert": [{"type": "llm-rubric", "value": text}, {"type": "equals", "value": text}]}
        ]
    }
    file = json.dumps({"prompts": [text], **rows})
    taken(hand.api.post(f"{path}/import", {"form": "promptfoo", "text": file}).status, 200)


@pytest.mark.parametrize("name", WAYS)
def test_payload__through_a_way_in__gives_what_it_must(cast: Cast, name: str) -> None:
    hand = Hand(cast)
    wrong = []
    for payload, text, values, expected in ROWS:
        answered = WAYS[name](hand, text, values)
        if answered is not None and expected == "refused" and answered:
            wrong.append(payload)
        if answered is not None and expected == "ok" and not answered and not name.startswith("save through"):
            wrong.append(payload)
    assert wrong == []
    assert hand.api.post("preview", {"kind": "text", "text": "{{ a }}", "variables": {"a": 1}}).json["text"] == "1"
