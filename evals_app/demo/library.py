"""Forty prompts with real histories, read from the data beside this module."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.core.canonical import JSON

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class DatedText:
    """One version: its text, when it was written, and the commit it comes from."""

    text: str
    written_at: datetime
    commit: str


@dataclass(frozen=True)
class LibraryPrompt:
    """A prompt and its history, oldest version first; `in_staging` is the number of the one that is live there, or 0."""

    name: str
    title: str
    tags: tuple[str, ...]
    template_format: str
    in_staging: int
    versions: tuple[DatedText, ...]

    def content(self, version: DatedText) -> dict[str, JSON]:
        """The content fields of a version."""
        return {"text": version.text, "template_format": self.template_format}


def library() -> list[LibraryPrompt]:
    """All of them, by name."""
    lines = (DATA / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    return [_read(line) for line in lines]


def _read(line: str) -> LibraryPrompt:
    given = json.loads(line)
    return LibraryPrompt(
        name=given["name"],
        title=given["title"],
        tags=tuple(given["tags"]),
        template_format=given["template_format"],
        in_staging=given["in_staging"],
        versions=tuple(
            DatedText(version["text"], _time(version["date"], place), version["commit"])
            for place, version in enumerate(given["versions"])
        ),
    )


def _time(date: str, place: int) -> datetime:
    """The history knows days; within a day versions keep their order."""
    return datetime.fromisoformat(date).replace(tzinfo=UTC) + timedelta(hours=12, minutes=place)
