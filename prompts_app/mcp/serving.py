"""What a service key may ask over the protocol: which prompts are live, and one of them, rendered."""

import json
from collections.abc import Mapping

from django.conf import settings

from prompts_app.content import load_content
from prompts_app.mcp.protocol import HANDSHAKE, SERVER, STATELESS, Code, Fault, Message, agreed
from prompts_app.mcp.reading import list_live
from prompts_app.mcp.terms import messages_of, values_of
from prompts_app.rendering import render_content
from prompts_app.visibility import visible_live
from registry.core.actor import Actor
from registry.core.canonical import JSON, is_storable
from registry.core.errors import Invalid, NotFound, RegistryError

FRESH_MS = 10_000
CAPABILITIES: dict[str, JSON] = {"prompts": {"listChanged": False}}


def answer(actor: Actor, message: Message, *, stateless: bool) -> dict[str, JSON]:
    """The result of a request; raises Fault."""
    match message.method:
        case "initialize":
            version = agreed(message.params.get("protocolVersion"))
            return {"protocolVersion": version, **_about(actor), "serverInfo": _server()}
        case "server/discover" if stateless:
            about: dict[str, JSON] = {"supportedVersions": [*STATELESS, *HANDSHAKE], **_about(actor), **_freshness()}
            return {**about, "_meta": {SERVER: _server()}}
        case "ping":
            return {}
        case "prompts/list":
            prompts, following = list_live(actor.workspace_id, actor.environment, message.params.get("cursor"))
            told: dict[str, JSON] = {"prompts": prompts, **(_freshness() if stateless else {})}
            return {**told, "nextCursor": following} if following else told
        case "prompts/get":
            return _prompt(actor, message.params)
    detail = "This server only lists and gets prompts: `prompts/list` and `prompts/get`."
    raise Fault(Code.METHOD_NOT_FOUND, f"{detail} There is no method `{message.method[:100]}`.")


def _prompt(actor: Actor, params: Mapping[str, JSON]) -> dict[str, JSON]:
    name = params.get("name")
    if not isinstance(name, str) or not is_storable(name):
        raise Fault(Code.INVALID_PARAMS, "`name` must be the name of a prompt.")
    try:
        live = visible_live(actor, actor.environment, name)
        content = load_content(live.kind, json.loads(live.content))
        rendered = render_content(content, values_of(content, params.get("arguments")))
    except (NotFound, Invalid) as refused:
        raise Fault(Code.INVALID_PARAMS, refused.detail, data_of(refused)) from None
    about: dict[str, JSON] = {"version": live.version, "digest": live.digest, "revision": live.revision}
    meta: dict[str, JSON] = {f"greenroom/{key}": value for key, value in about.items()}
    description = f"{name}, version {live.version}, live in {live.environment}"
    return {"description": description, "messages": messages_of(rendered), "_meta": meta}


def data_of(refused: RegistryError) -> dict[str, JSON]:
    """A refusal for programs: its code, and the fields concerned."""
    fields: list[JSON] = [{"field": one.field, "code": one.code, "message": one.message} for one in refused.errors]
    return {"code": refused.code, "errors": fields} if fields else {"code": refused.code}


def _server() -> dict[str, JSON]:
    return {"name": "greenroom", "title": "Greenroom", "version": str(settings.SPECTACULAR_SETTINGS["VERSION"])}


def _about(actor: Actor) -> dict[str, JSON]:
    return {
        "capabilities": CAPABILITIES,
        "instructions": f"Prompts that are live in {actor.environment}, rendered with the arguments given.",
    }


def _freshness() -> dict[str, JSON]:
    return {"ttlMs": FRESH_MS, "cacheScope": "private"}
