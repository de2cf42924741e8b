"""The registry's own bundle: one JSON document that holds prompts without loss, read with every mistake by its path."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from prompts_app.content import KINDS, IncludePin, check_prompt_name, content_digest, load_content
from prompts_app.transfer.histories import LARGEST_NUMBER, PromptHistory, Withdrawal, WrittenVersion
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError, Invalid
from registry.core.fields import Fields, refuse_mistakes
from registry.core.times import is_tellable

FORMAT, SCHEMA = "greenroom.bundle", 1
MOST_BYTES = 10 * 1024 * 1024
MOST_PROMPTS, MOST_VERSIONS = 100_000, 100_000
DEEPEST = 80
DIGEST = re.compile(r"[0-9a-f]{64}")


def read_bundle(text: str | bytes) -> list[PromptHistory]:
    """The prompts of a bundle, each digest verified.

    Raises Invalid `json.invalid` with the position, `bundle.schema` for what another release wrote, `bundle.invalid` with
    every mistake by path, such as `prompts[3].versions[0].digest`.
    """
    try:
        value = parse_json(text, max_depth=DEEPEST)
    except InvalidJson as problem:
        errors = [FieldError(problem.path, "json", problem.message)]
        raise Invalid("json.invalid", f"This is not JSON: {problem.message}", errors=errors) from None
    return parse_bundle(value)


def parse_bundle(value: JSON) -> list[PromptHistory]:
    """The same of a document that has been parsed."""
    errors: list[FieldError] = []
    fields = Fields(value, errors)
    if fields.raw("format") != FORMAT:
        raise Invalid("bundle.format", f'This is no bundle: it must be an object with "format": "{FORMAT}".')
    if fields.raw("schema") != SCHEMA:
        detail = f"This bundle has schema {json.dumps(fields.raw('schema'))[:40]}; schema {SCHEMA} is read here."
        raise Invalid("bundle.schema", detail, errors=[FieldError("schema", "choice", f"must be {SCHEMA}")])
    for told in ("workspace", "exported_at"):
        fields.raw(told)
    entries = fields.items("prompts", most=MOST_PROMPTS) if fields.require("prompts") else []
    fields.close()
    found = [_prompt(Fields(one, errors, path=f"prompts[{index}]")) for index, one in enumerate(entries)]
    seen: set[str] = set()
    for one in found:
        if one.name in seen:
            errors.append(FieldError(f"{one.where}.name", "unique", f"{one.name} is there twice"))
        seen.add(one.name)
    refuse_mistakes("bundle.invalid", "The bundle is not acceptable; nothing of it was imported.", errors)
    return found


def _prompt(fields: Fields) -> PromptHistory:
    fields.require("name")
    name = fields.text("name", "", most=255)
    try:
        check_prompt_name(name)
    except Invalid as refused:
        fields.refuse("name", "format", refused.errors[0].message)
    kind = fields.choice("kind", KINDS[0], KINDS)
    description = fields.text("description", "", most=1_000_000)
    tags = [tag for tag in fields.items("tags", most=50) if isinstance(tag, str)]
    if len(tags) != len(cast("list[JSON]", fields.raw("tags", []) or [])):
        fields.refuse("tags", "type", "must be strings")
    created_at, archived_at = _moment(fields, "created_at"), _moment(fields, "archived_at")
    fields.raw("live")
    labels = _labels(fields)
    entries = fields.items("versions", most=MOST_VERSIONS)
    versions: list[WrittenVersion] = []
    for index, entry in enumerate(entries):
        versions.append(_version(kind, Fields(entry, fields.errors, path=f"{fields.path}.versions[{index}]")))
    for before, after in itertools.pairwise(versions):
        if after.number <= before.number:
            message = "must be higher than the one before it: versions are listed oldest first"
            fields.errors.append(FieldError(f"{after.where}.version", "order", message))
    fields.close()
    return PromptHistory(
        name=name,
        kind=kind,
        versions=tuple(versions),
        description=description,
        tags=tuple(tags),
        created_at=created_at,
        archived_at=archived_at,
        labels=labels,
        where=fields.path,
    )


def _labels(fields: Fields) -> dict[str, int]:
    value = fields.raw("labels", {})
    if not isinstance(value, dict):
        fields.refuse("labels", "type", "must be an object: the number of a version by label")
        return {}
    inner = Fields(value, fields.errors, path=fields.name("labels"))
    return {label: inner.integer(label, 1, least=1, most=LARGEST_NUMBER) for label in value}


def _version(kind: str, fields: Fields) -> WrittenVersion:
    for needed in ("version", "digest", "content"):
        fields.require(needed)
    number = fields.integer("version", 1, least=1, most=LARGEST_NUMBER)
    digest = fields.text("digest", "", most=64, pattern=DIGEST, shape="64 lower-case hex digits")
    message = fields.text("message", "", most=1_000_000)
    author = fields.text("author", "", most=254)
    based_on = fields.integer("based_on", None, least=1, most=LARGEST_NUMBER)
    if based_on is not None and based_on >= number:
        fields.refuse("based_on", "order", "must be the number of an earlier version")
    created_at = _moment(fields, "created_at")
    content, pins = _content(kind, fields, digest)
    withdrawn = _withdrawal(fields)
    fields.close()
    return WrittenVersion(
        number=number,
        content=content,
        digest=digest,
        pins=pins,
        message=message,
        author=author,
        based_on=based_on,
        created_at=created_at,
        yank=withdrawn,
        where=fields.path,
    )


def _content(kind: str, fields: Fields, digest: str) -> tuple[dict[str, JSON], tuple[IncludePin, ...]]:
    """What an editor starts from, and the pins; the content as served is held against the digest."""
    served, source = fields.raw("content"), fields.raw("source")
    path = fields.name("content")
    if not isinstance(served, dict):
        fields.refuse("content", "type", "must be an object")
        return {}, ()
    pins = _pins(served.get("includes"), fields)
    kept = {name: value for name, value in served.items() if name != "includes"}
    try:
        loaded = load_content(kind, {**kept, "includes": [pin.to_json() for pin in pins]})
    except Invalid as refused:
        fields.errors += [FieldError(f"{path}.{one.field}", one.code, one.message) for one in refused.errors]
        return {}, ()
    if content_digest(loaded) != digest:
        fields.refuse("digest", "digest", "is not what the content comes to: the bundle was changed or damaged")
    if source is None:
        return kept, pins
    if not isinstance(source, dict) or set(source) - {"text", "messages"}:
        fields.refuse("source", "type", "must be an object with text or messages")
        return kept, pins
    return {**kept, **source}, pins


def _pins(value: JSON, fields: Fields) -> tuple[IncludePin, ...]:
    found = []
    for index, entry in enumerate(value if isinstance(value, list) else []):
        one = Fields(entry, fields.errors, path=f"{fields.name('content')}.includes[{index}]")
        name = one.text("name", "", most=255, least=1)
        number = one.integer("version", 1, least=1, most=LARGEST_NUMBER)
        found.append(IncludePin(name, number, one.text("digest", "", most=64)))
        one.close()
    if value is not None and not isinstance(value, list):
        fields.refuse("content.includes", "type", "must be a list")
    return tuple(found)


def _withdrawal(fields: Fields) -> Withdrawal | None:
    value = fields.raw("yanked")
    if value is None:
        return None
    inner = Fields(value, fields.errors, path=fields.name("yanked"))
    inner.require("reason")
    reason = inner.text("reason", "", most=100_000, least=1)
    withdrawn = Withdrawal(reason, _moment(inner, "at"), inner.text("by", "", most=254))
    inner.close()
    return withdrawn


def _moment(fields: Fields, key: str) -> datetime | None:
    text = fields.text(key, None, most=64)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not is_tellable(moment):
        fields.refuse(key, "format", "must be a moment with its zone, such as 2030-01-31T09:00:00Z")
        return None
    return moment


def opening(workspace: str, exported_at: str | None) -> str:
    """The head of a bundle, up to its list of prompts; each prompt follows as `entry`, and `CLOSING` ends it."""
    head = {"format": FORMAT, "schema": SCHEMA, "workspace": workspace, "exported_at": exported_at}
    return json.dumps(head, ensure_ascii=False)[:-1] + ', "prompts": ['


CLOSING = "\n]}\n"


def entry(prompt: Mapping[str, JSON], *, is_first: bool) -> str:
    """One prompt of a bundle: a line of its own, so that differences between two bundles can be read."""
    return ("\n" if is_first else ",\n") + json.dumps(prompt, ensure_ascii=False)
