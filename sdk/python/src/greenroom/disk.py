"""The last known good on disk: one file a prompt, whole or not at all, checked when it is read. Trouble here never raises."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from greenroom.content import Content, read_content
from greenroom.entries import Key
from greenroom.errors import GreenroomError
from greenroom.settings import Settings

FORMAT = 1
EPOCH = "epoch"
KEY_ID = slice(0, 15)  # `gr_` and the public part: never the secret

log = logging.getLogger("greenroom")


@dataclass(frozen=True)
class Saved:
    """A copy; `age_s` counts from when the server last confirmed it, by the clock of the wall."""

    content: Content
    etag: str
    age_s: float


def folder_for(root: Path, settings: Settings, environment: str) -> Path:
    """Where copies for one server, key and environment live: no key ever reads another one's."""
    told = json.dumps([settings.url, settings.key[KEY_ID], environment])
    return root / hashlib.sha256(told.encode()).hexdigest()[:32]


class Disk:
    """Copies in a folder that belongs to one server, key and environment; shared by processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_broken = False

    def load(self, key: Key) -> Saved | None:
        """The copy of a key; None where there is none, or none that is what it should be."""
        path = self._path(key)
        try:
            head, _, raw = path.read_bytes().partition(b"\n")
            age_s = max(0.0, time.time() - path.stat().st_mtime)
        except OSError:
            return None
        try:
            about = json.loads(head)
            is_ours = about["format"] == FORMAT and about["key"] == list(key)
            if not is_ours or about["sha256"] != hashlib.sha256(raw).hexdigest():
                raise ValueError
            return Saved(read_content(raw, f"the copy of {key.name}"), str(about["etag"]), age_s)
        except (ValueError, KeyError, TypeError, GreenroomError):
            log.warning("greenroom: the copy of %s on disk is damaged and is left out", key.name)
            self.drop(key)
            return None

    def save(self, key: Key, content: Content, raw: bytes, etag: str) -> None:
        """Keep a copy: written beside its place, synced, moved there; another process's newer one stays."""
        there = self._revision(key)
        if there is not None and content.revision is not None and there > content.revision:
            return
        about = {
            "format": FORMAT,
            "key": list(key),
            "etag": etag,
            "revision": content.revision,
            "sha256": hashlib.sha256(raw).hexdigest(),
        }
        self._write(self._path(key), json.dumps(about).encode() + b"\n" + raw)

    def confirm(self, key: Key) -> None:
        """The copy is still so."""
        with contextlib.suppress(OSError):
            os.utime(self._path(key))

    def drop(self, key: Key) -> None:
        """There is nothing like that any more."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def epoch(self) -> int | None:
        """The epoch of everything here; None where no process has met one."""
        try:
            return int((self._folder / EPOCH).read_text())
        except (OSError, ValueError):
            return None

    def begin_epoch(self, epoch: int) -> None:
        """Everything of another epoch goes: its numbers may stand for other content now."""
        if self.epoch() == epoch:
            return
        for path in self._folder.glob("*.json"):
            with contextlib.suppress(OSError):
                path.unlink()
        self._write(self._folder / EPOCH, str(epoch).encode())

    def _revision(self, key: Key) -> int | None:
        """Of the copy that is there; a folder holds one epoch, so revisions compare."""
        try:
            with self._path(key).open("rb") as file:
                found = json.loads(file.readline())["revision"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if isinstance(found, int) else None

    def _path(self, key: Key) -> Path:
        return self._folder / f"{hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()}.json"

    def _write(self, path: Path, data: bytes) -> None:
        name = ""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder, prefix="new-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)  # noqa: PTH105 - a name, as mkstemp gives it
            self._is_broken = False
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            if not self._is_broken:
                log.warning("greenroom: no copies on disk, %s: %s", self._folder, error.strerror)
            self._is_broken = True
