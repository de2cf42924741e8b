"""`/mcp` as hosts see it: the real client of the protocol's own SDK over a socket, and each refusal by hand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from django.test import Client as Http
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.versions import create_version
from prompts_app.delivery.limits import Budget
from prompts_app.mcp import reading
from prompts_app.mcp.protocol import HANDSHAKE, STATELESS
from tests.builders import Cast, Key, make_cast, prompt
from tests.servers import Web, run_web

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Whom to greet."},
        "count": {"type": "integer", "description": "How often."},
        "tone": {},
    },
    "required": ["name", "count"],
}


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


def release(cast: Cast) -> None:
    """A text prompt and a chat prompt, live in development."""
    text = create_prompt(cast.ada, "größe/gruß", kind="text", description="Greets.")
    create_version(cast.ada, text, {"text": "Grüß {{ name }} {{ count + 1 }}x {{ tone }}", "variables": SCHEMA})
    chat = create_prompt(cast.ada, "chat", kind="chat")
    parts = [
        {"type": "text", "text": "Look at {{ what }}"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    turns = [
        {"role": "system", "content": "Be kind."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "I see"},
    ]
    create_version(cast.ada, chat, {"messages": turns})


def talk(web: Web, key: Key, mode: str, work: Callable[[Client], Awaitable[None]]) -> None:
    """What the SDK's client does in one connection, without a proxy and without waiting for ever."""

    async def run() -> None:
        http = httpx.AsyncClient(headers=key.headers, trust_env=False, timeout=20)
        async with http, Client(streamable_http_client(f"{web.url}/mcp", http_client=http), mode=mode) as client:
            await work(client)

    asyncio.run(asyncio.wait_for(run(), 60))


async def use(client: Client, version: str) -> None:
    """Everything that a host does with prompts."""
    assert client.protocol_version == version
    assert client.server_info is not None and client.server_info.name == "greenroom"
    assert client.server_capabilities.prompts is not None and client.server_capabilities.tools is None
    listed = {one.name: one for one in (await client.list_prompts()).prompts}
    assert list(listed) == ["chat", "größe/gruß"]
    greeting = listed["größe/gruß"]
    assert greeting.description == "Greets."
    told = [(one.name, one.required, one.description) for one in greeting.arguments or []]
    wanted = [("name", True, "Whom to greet."), ("count", True, "How often. JSON: integer."), ("tone", False, None)]
    assert told == wanted
    assert [(one.name, one.required) for one in listed["chat"].arguments or []] == [("what", True), ("history", False)]

    given = {"name": "Ada", "count": "2", "tone": "3", "unknown": "ignored"}
    [message] = (await client.get_prompt("größe/gruß", given)).messages
    assert (message.role, message.content.type) == ("user", "text")
    assert message.content.text == "Grüß Ada 3x 3"
    history = json.dumps([{"role": "user", "content": "Before {{ what }}"}])
    got = await client.get_prompt("chat", {"what": "<this>", "history": history})
    assert [(one.role, one.content.type) for one in got.messages] == [
        ("user", "text"), ("user", "text"), ("user", "text"), ("user", "image"), ("user", "text"), ("assistant", "text"),
    ]  # fmt: skip
    texts = [one.content.text for one in got.messages if one.content.type == "text"]
    assert texts[:3] == ["Be kind.", "Before {{ what }}", "Look at <this>"] and "example.com" in texts[3]
    assert got.messages[0].content.meta == {"greenroom/role": "system"}
    for name, arguments, said in (
        ("größe/gruß", {"count": "1"}, "name is required"),
        ("größe/gruß", {"name": "x", "count": "many"}, "`count` must be JSON"),
        ("größe/gruß", {"name": "x", "count": "1.5"}, "count must be of type integer"),
        ("chat", {"what": "x", "history": "[1]"}, "list of messages"),
        ("nobody", {}, "Nothing of that name is live in development."),
    ):
        with pytest.raises(MCPError) as refused:
            await client.get_prompt(name, arguments)
        assert refused.value.error.code == -32602 and said in refused.value.error.message


def test_sdk_client__of_both_ages_of_the_protocol__lists_and_gets_what_is_live(web: Web) -> None:
    cast = make_cast()
    release(cast)
    key = cast.key("service", environment="development")
    talk(web, key, "auto", lambda client: use(client, STATELESS[0]))
    talk(web, key, "legacy", lambda client: use(client, HANDSHAKE[0]))

    async def ping(client: Client) -> None:
        await client.session.send_ping()

    talk(web, key, "legacy", ping)


def test_sdk_client__with_another_kind_of_key_or_none__is_told_why(web: Web) -> None:
    cast = make_cast()

    async def never(client: Client) -> None:
        raise AssertionError("it was let in")

    for key, said in ((cast.key(), "service keys"), (Key("gr_unknown", 0), "key of this server")):
        with pytest.raises(BaseExceptionGroup) as refused:
            talk(web, key, "legacy", never)
        [error] = leaves(refused.value)
        assert isinstance(error, MCPError) and said in error.error.message


def leaves(group: BaseException) -> list[BaseException]:
    """The errors inside groups of errors."""
    if isinstance(group, BaseExceptionGroup):
        return [leaf for one in group.exceptions for leaf in leaves(one)]
    return [group]


class Host:
    """A client in a few lines, for what the SDK's never sends."""

    def __init__(self, key: Key | None, **headers: str) -> None:
        self.http = Http()
        self.headers = {**(key.headers if key else {}), **headers}

    def post(self, body: Any, *, kind: str = "application/json", **headers: str) -> tuple[int, Any, Any]:
        """Status, body and headers of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        answer = self.http.post("/mcp", raw, content_type=kind, headers=given)
        return answer.status_code, json.loads(answer.content) if answer.content else None, answer.headers

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a request of the ages with a handshake."""
        status, told, _ = self.post({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
        assert status == 200 and told["id"] == 7
        return told.get("result") or told["error"]


@pytest.fixture
def host(cast: Cast) -> Host:
    return Host(cast.key("service", environment="development"))


META = {"io.modelcontextprotocol/protocolVersion": STATELESS[0], "io.modelcontextprotocol/clientCapabilities": {}}
LIST: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "prompts/list"}
MODERN = {**LIST, "params": {"_meta": META}}
SAID = {"Mcp_Protocol_Version": STATELESS[0], "Mcp_Method": "prompts/list"}


def test_handshake__with_any_version__agrees_on_one_that_both_speak(host: Host) -> None:
    for version in HANDSHAKE:
        assert host.ask("initialize", protocolVersion=version)["protocolVersion"] == version
    for other in ("1999-01-01", STATELESS[0], 3, None):
        told = host.ask("initialize", protocolVersion=other)
        assert told["protocolVersion"] == HANDSHAKE[0] and told["capabilities"] == {"prompts": {"listChanged": False}}
    status, told, _ = host.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (status, told) == (202, None)
    assert host.post({"jsonrpc": "2.0", "id": 1, "result": {}})[0] == 202
    assert host.ask("prompts/list") == {"prompts": []}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b'{"a": 1, "a": 2}', {}, 400, -32700),
        ([LIST], {}, 400, -32600),
        ({"id": 1, "method": "ping"}, {}, 400, -32600),
        ({**LIST, "method": 3}, {}, 400, -32600),
        ({**LIST, "id": True}, {}, 400, -32600),
        ({**LIST, "id": None}, {}, 400, -32600),
        ({**LIST, "params": [1]}, {}, 200, -32602),
        ({**LIST, "method": "tools/list"}, {}, 200, -32601),
        ({**LIST, "method": "server/discover"}, {}, 200, -32601),
        ({**LIST, "params": {"cursor": "!"}}, {}, 200, -32602),
        ({**LIST, "params": {"cursor": 3}}, {}, 200, -32602),
        ({**LIST, "method": "prompts/get"}, {}, 200, -32602),
        ({**LIST, "method": "prompts/get", "params": {"name": "a", "arguments": []}}, {}, 200, -32602),
        (LIST, {"Mcp_Protocol_Version": "1999-01-01"}, 400, -32022),
        (LIST, SAID, 400, -32602),
        ({**MODERN, "method": "tools/list"}, {**SAID, "Mcp_Method": "tools/list"}, 404, -32601),
        (MODERN, {}, 400, -32020),
        (MODERN, {**SAID, "Mcp_Method": "prompts/get"}, 400, -32020),
        ({**MODERN, "method": "prompts/get", "params": {"_meta": META, "name": "a"}},
         {**SAID, "Mcp_Method": "prompts/get", "Mcp_Name": "=?base64?!?="}, 400, -32020),
        ({**MODERN, "method": "prompts/get", "params": {"_meta": META, "name": "a"}},
         {**SAID, "Mcp_Method": "prompts/get", "Mcp_Name": "=?base64?\xe9?="}, 400, -32020),
        ({**MODERN, "params": {"_meta": {**META, "io.modelcontextprotocol/protocolVersion": "2030-01-01"}}},
         {**SAID, "Mcp_Protocol_Version": "2030-01-01"}, 400, -32022),
    ],
)  # fmt: skip
def test_message__that_is_none_or_contradicts_itself__is_an_error_that_says_so(
    host: Host, body: Any, headers: dict[str, str], status: int, code: int
) -> None:
    answered, told, _ = host.post(body, **headers)
    assert (answered, told["jsonrpc"], told["error"]["code"]) == (status, "2.0", code)
    assert len(told["error"]["message"]) > 20
    if code == -32022:
        assert told["error"]["data"]["supported"] == [*STATELESS, *HANDSHAKE]


def test_access__by_any_other_caller_or_way__is_refused_as_json_rpc(cast: Cast, host: Host) -> None:
    for stranger, status in (
        (Host(None), 401),
        (Host(None, Authorization="Bearer gr_nonsense"), 401),
        (Host(None, Authorization="Basic eDp5"), 401),
        (Host(cast.key()), 403),
        (Host(cast.key(scopes=["read"], name="reader")), 403),
    ):
        answered, told, headers = stranger.post(LIST)
        assert (answered, told["error"]["code"], told["id"]) == (status, -32010, None)
        assert ("WWW-Authenticate" in headers) == (status == 401)
    for origin, status in (("https://evil.example", 403), ("null", 403), ("http://testserver.evil", 403)):
        assert host.post(LIST, Origin=origin)[0] == status
    for method in ("GET", "DELETE", "PUT"):
        answer = host.http.generic(method, "/mcp", headers=host.headers)
        assert answer.status_code == 405 and answer.headers["Allow"] == "POST"
    assert host.post(LIST, kind="text/plain")[0] == 415


def test_budget__spent__is_429_with_when_to_come_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prompts_app.api.delivery.BUDGET", Budget(1))
    told = [host.post(LIST) for _ in range(4)]  # a minute may turn meanwhile
    status, body, headers = next(one for one in told if one[0] == 429)
    assert (status, body["error"]["code"]) == (429, -32010)
    assert headers["RateLimit"] == f'"minute";r=0;t={headers["Retry-After"]}'


def test_origin__of_this_very_server__may_ask(host: Host, settings: Any) -> None:
    assert host.post(LIST, Origin=settings.CSRF_TRUSTED_ORIGINS[0])[0] == 200


def test_list__longer_than_a_page__is_told_in_pages_without_gaps(
    cast: Cast, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE", 2)
    names = ["a", "b/c", "ü"]
    for name in names:
        prompt(cast.ada, name)
    prompt(cast.ada, "not live", text=None)
    first = host.ask("prompts/list")
    rest = host.ask("prompts/list", cursor=first["nextCursor"])
    assert [one["name"] for one in (*first["prompts"], *rest["prompts"])] == names
    assert "nextCursor" not in rest


def test_prompts__elsewhere_or_withdrawn__are_not_there(cast: Cast, host: Host) -> None:
    made = prompt(cast.ada, "a", text="x")
    assert host.ask("prompts/get", name="a")["messages"]
    assert Host(cast.key("service", environment="staging")).ask("prompts/list") == {"prompts": []}
    withdraw(cast.rosa, made, cast.environment("development"), reason="over")
    assert host.ask("prompts/list") == {"prompts": []}
    assert host.ask("prompts/get", name="a")["data"]["code"] == "not_deployed"
    change_prompt(cast.ada, made, description="")
