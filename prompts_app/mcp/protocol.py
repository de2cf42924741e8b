"""The messages of the Model Context Protocol: read, held to their version, answered. Pure: no request, no database.

Up to 2025-11-25 a client shakes hands (`initialize`) and names the version agreed on in a header. From 2026-07-28 each
request carries its version and the client's capabilities in `_meta`, headers repeat what it asks, `server/discover`
stands for the handshake. No session is kept in either: each request stands for itself.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from registry.core.canonical import JSON

HANDSHAKE = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
STATELESS = ("2026-07-28",)
VERSIONS = (*STATELESS, *HANDSHAKE)
VERSION_HEADER = "Mcp-Protocol-Version"

_VERSION, _CAPABILITIES, SERVER = (
    f"io.modelcontextprotocol/{name}" for name in ("protocolVersion", "clientCapabilities", "serverInfo")
)
_ENCODED, _ENDED = "=?base64?", "?="

type Id = str | int | float | None


class Code(IntEnum):
    """Error codes: JSON-RPC's, the protocol's, and one of ours for who may not ask at all."""

    PARSE = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL = -32603
    HEADER_MISMATCH = -32020
    UNSUPPORTED_VERSION = -32022
    REFUSED = -32010


class Fault(Exception):
    """A request that is answered by an error; `data` is for programs."""

    def __init__(self, code: Code, message: str, data: JSON = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass(frozen=True)
class Message:
    """What a client sent. Without an `id` it is a notification; `is_answer` where it answers what was never asked."""

    method: str
    params: Mapping[str, JSON]
    id: Id = None
    is_notification: bool = False
    is_answer: bool = False


def read_message(body: JSON) -> Message:
    """One message; raises Fault for what is none, a batch included."""
    if isinstance(body, list):
        raise Fault(Code.INVALID_REQUEST, "Send one message at a time: batches are not taken.")
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise Fault(Code.INVALID_REQUEST, 'Send a JSON-RPC message: an object with "jsonrpc": "2.0".')
    if "method" not in body and ("result" in body or "error" in body):
        return Message("", {}, is_notification=True, is_answer=True)
    method, params, id = body.get("method"), body.get("params", {}), body.get("id")
    if not isinstance(method, str):
        raise Fault(Code.INVALID_REQUEST, "A message names its `method`.")
    if "id" in body and (isinstance(id, bool) or not isinstance(id, str | int | float)):
        raise Fault(Code.INVALID_REQUEST, "`id` must be a string or a number.")
    if not isinstance(params, dict):
        raise Fault(Code.INVALID_PARAMS, "`params` must be an object.")
    known = id if isinstance(id, str | int | float) else None
    return Message(method, params, known, is_notification="id" not in body)


def is_stateless(message: Message, headers: Mapping[str, str]) -> bool:
    """Whether a message is of the versions without a handshake; raises Fault where it contradicts itself or them."""
    said = headers.get(VERSION_HEADER, "")
    meta = message.params.get("_meta")
    claims = isinstance(meta, dict) and _VERSION in meta
    if message.method == "initialize" or message.is_answer or not (claims or said in STATELESS):
        if said and said not in VERSIONS and message.method != "initialize":
            raise _unsupported(said)
        return False
    if message.is_notification:
        return True
    if not isinstance(meta, dict) or _VERSION not in meta or _CAPABILITIES not in meta:
        raise Fault(Code.INVALID_PARAMS, f"`params._meta` must hold `{_VERSION}` and `{_CAPABILITIES}`.")
    _hold_headers(message, meta[_VERSION], headers)
    if meta[_VERSION] not in STATELESS:
        raise _unsupported(str(meta[_VERSION]))
    return True


def agreed(asked: JSON) -> str:
    """The version of a handshake: the one asked for, else the newest that has one."""
    return asked if isinstance(asked, str) and asked in HANDSHAKE else HANDSHAKE[0]


def result(message: Message, value: Mapping[str, JSON], *, stateless: bool) -> dict[str, JSON]:
    """The answer to a request."""
    told: dict[str, JSON] = {"resultType": "complete", **value} if stateless else dict(value)
    return {"jsonrpc": "2.0", "id": message.id, "result": told}


def error(id: Id, fault: Fault) -> dict[str, JSON]:
    """The answer to a request that failed."""
    about: dict[str, JSON] = {"code": int(fault.code), "message": fault.message}
    if fault.data is not None:
        about["data"] = fault.data
    return {"jsonrpc": "2.0", "id": id, "error": about}


def status_of(fault: Fault, *, stateless: bool) -> int:
    """The HTTP status that goes with an error."""
    if fault.code is Code.METHOD_NOT_FOUND:
        return 404 if stateless else 200
    if fault.code is Code.INVALID_PARAMS:
        return 400 if stateless else 200
    return 500 if fault.code is Code.INTERNAL else 400


def _unsupported(version: str) -> Fault:
    data: dict[str, JSON] = {"supported": list(VERSIONS), "requested": version}
    return Fault(Code.UNSUPPORTED_VERSION, f"This server speaks {', '.join(VERSIONS)}.", data)


def _hold_headers(message: Message, version: JSON, headers: Mapping[str, str]) -> None:
    name = message.params.get("name") if message.method == "prompts/get" else None
    repeated = ((VERSION_HEADER, version), ("Mcp-Method", message.method), ("Mcp-Name", name))
    for header, value in repeated:
        if value is not None and _decoded(headers.get(header)) != value:
            raise Fault(Code.HEADER_MISMATCH, f"The header {header} does not say what the message says.")


def _decoded(value: str | None) -> str | None:
    """A header's text; `=?base64?…?=` holds what no header can. None for one that is damaged."""
    if value is None or not (value.startswith(_ENCODED) and value.endswith(_ENDED)):
        return value
    try:
        return base64.b64decode(value[len(_ENCODED) : -len(_ENDED)], validate=True).decode()
    except ValueError:  # no Base64, no UTF-8 within, or no ASCII itself
        return None
