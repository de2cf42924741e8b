"""What a version says, read from the bytes that the server sent and held against its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import cast

from greenroom.errors import Corrupt, StrangeAnswer
from greenroom.fields import Fields
from greenroom.templates.rendering import CompiledSource, compile_source
from greenroom.templates.values import JSON, InvalidJson, canonical_json, parse_json

# What the digest of a version covers.
COVERED = ("template_format", "text", "messages", "variables", "config", "tools", "response_format", "includes")
DEEPEST = 200


class Content:
    """One version, never changed after it was read. `environment`, `revision` and `epoch` are None for a pinned one."""

    __slots__ = (
        "_compiled",
        "config",
        "digest",
        "environment",
        "epoch",
        "includes",
        "kind",
        "messages",
        "name",
        "response_format",
        "revision",
        "template_format",
        "text",
        "tools",
        "variables",
        "version",
    )

    def __init__(
        self,
        name: str,
        *,
        text: str | None = None,
        messages: Sequence[JSON] | None = None,
        template_format: str = "jinja",
        version: int = 0,
        digest: str = "",
        environment: str | None = None,
        revision: int | None = None,
        epoch: int | None = None,
        variables: Mapping[str, JSON] | None = None,
        config: Mapping[str, JSON] | None = None,
        tools: Sequence[JSON] | None = None,
        response_format: Mapping[str, JSON] | None = None,
        includes: Sequence[Mapping[str, JSON]] = (),
    ) -> None:
        self.name = name
        self.kind = "text" if messages is None else "chat"
        self.text = text
        self.messages = messages
        self.template_format = template_format
        self.version = version
        self.digest = digest
        self.environment = environment
        self.revision = revision
        self.epoch = epoch
        self.variables = variables or {}
        self.config = config or {}
        self.tools = tools
        self.response_format = response_format
        self.includes = includes
        self._compiled: CompiledSource | None = None

    def compiled(self) -> CompiledSource:
        """The templates ready to run; made at the first call. Raises what `compile_source` raises."""
        if self._compiled is None:
            source: dict[str, JSON] = (
                {"text": self.text} if self.messages is None else {"messages": list(self.messages)}
            )
            self._compiled = compile_source(source)
        return self._compiled


def read_content(raw: bytes | str, where: str) -> Content:
    """The version in a body; raises Corrupt where it is not what its digest says, StrangeAnswer where it is no version."""
    try:
        value = parse_json(raw, max_depth=DEEPEST)
    except InvalidJson as error:
        raise StrangeAnswer(f"{where} cannot be read: {error.message}") from None
    return content_of(value, where)


def content_of(value: JSON, where: str) -> Content:
    """The same for a body that has been parsed."""
    fields = Fields.of(value, where)
    digest = fields.text("digest")
    if digest_of(fields.values) != digest:
        raise Corrupt(f"{where} is not what its digest says.")
    is_chat = fields.text("kind") == "chat"
    return Content(
        fields.text("name"),
        text=None if is_chat else fields.text("text"),
        messages=[dict(one.values) for one in fields.objects("messages")] if is_chat else None,
        template_format=fields.text("template_format"),
        version=fields.integer("version"),
        digest=digest,
        environment=fields.text_or_none("environment"),
        revision=fields.integer_or_none("revision"),
        epoch=fields.integer_or_none("epoch"),
        variables=_object(fields, "variables"),
        config=_object(fields, "config"),
        tools=cast("list[JSON] | None", fields.values.get("tools")),
        response_format=_object(fields, "response_format"),
        includes=[one.values for one in fields.objects("includes")],
    )


def digest_of(body: Mapping[str, JSON]) -> str:
    """SHA-256 over the canonical JSON of what a version says, each include by its digest alone."""
    covered = {name: body[name] for name in COVERED if name in body}
    includes = covered.get("includes")
    if isinstance(includes, list):
        covered["includes"] = [one.get("digest") if isinstance(one, dict) else None for one in includes]
    return hashlib.sha256(canonical_json(covered).encode()).hexdigest()


def _object(fields: Fields, name: str) -> Mapping[str, JSON] | None:
    found = fields.object_or_none(name)
    return None if found is None else found.values
