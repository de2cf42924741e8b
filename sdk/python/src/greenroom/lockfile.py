"""`prompts.lock.json`: everything that was live at one moment, packaged with a service for the worst of days."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from greenroom.content import Content, content_of
from greenroom.entries import Key
from greenroom.errors import Corrupt, GreenroomError, Misconfigured
from greenroom.fields import Fields
from greenroom.templates.values import JSON, InvalidJson, parse_json

FORMAT = 1


@dataclass(frozen=True)
class LockFile:
    """What a lock file holds; every digest was verified when it was read."""

    environment: str
    epoch: int
    revision: int
    contents: Mapping[str, Content]

    def find(self, key: Key) -> Content | None:
        """What was live of a name; for a pin only if it is that very version."""
        found = self.contents.get(key.name)
        if found is None or key.version not in (None, found.version) or key.digest not in (None, found.digest):
            return None
        return found


def read_lock_file(path: Path) -> LockFile:
    """The lock file; raises Misconfigured where there is none, Corrupt where it is not as it was written."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"The lock file {path} cannot be read: {error.strerror}.") from None
    where = f"the lock file {path}"
    try:
        return _read(Fields.of(parse_json(raw, max_depth=200), where), where)
    except (InvalidJson, GreenroomError) as error:
        text = error.message if isinstance(error, InvalidJson) else str(error)
        raise Corrupt(f"{where} is not as `greenroom pull` wrote it: {text}") from None


def write_lock(snapshot: Fields) -> str:
    """The text of a lock file made of a snapshot: sorted and indented, so that differences read well in git.

    Raises Corrupt rather than writing what could not be read again.
    """
    names = ("environment", "revision", "epoch", "prompts")
    document: dict[str, JSON] = {"format": FORMAT, **{name: snapshot.values.get(name) for name in names}}
    _read(Fields.of(document, "the snapshot"), "the snapshot")
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _read(fields: Fields, where: str) -> LockFile:
    if fields.integer("format") != FORMAT:
        raise Corrupt("it was written by another version of this package")
    prompts, contents = fields.object("prompts"), {}
    for name, body in prompts.values.items():
        content = content_of(body, f"{name} in {where}")
        if content.name != name:
            raise Corrupt(f"{name} holds {content.name}")
        contents[name] = content
    return LockFile(fields.text("environment"), fields.integer("epoch"), fields.integer("revision"), contents)
