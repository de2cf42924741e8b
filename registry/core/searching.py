"""Search over everything: each app names its sources, and one question is asked of all of them."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from registry.core.actor import Actor

MOST_TEXT = 200
NUMBER = re.compile(r"(?:v|#)(\d{1,9})|(\d{1,9})")


@dataclass(frozen=True)
class Asked:
    """What somebody looks for: the words typed, and the number among them (`intent v3`, `#12`), if there is one."""

    text: str
    words: tuple[str, ...] = ()
    number: int | None = None

    @classmethod
    def read(cls, typed: str) -> "Asked":
        """What a search field holds; what is beyond 200 characters is dropped."""
        text = " ".join(typed.replace("\0", "").split())[:MOST_TEXT].strip()
        words, number = [], None
        for word in text.split():
            match = NUMBER.fullmatch(word)
            if match and number is None:
                number = int(match[1] or match[2])
            else:
                words.append(word)
        return cls(text, tuple(words), number)

    @property
    def phrase(self) -> str:
        """The words without the number."""
        return " ".join(self.words)

    def fits(self, *texts: str) -> bool:
        """Whether each word is part of one of the texts, whatever its case."""
        whole = "\n".join(texts).casefold()
        return all(word.casefold() in whole for word in self.words)


@dataclass(frozen=True)
class Found:
    """One thing found: what it is called, where it is, and a word on its state."""

    label: str
    url: str
    icon: str
    detail: str = ""
    color: str = ""
    keys: str = ""


@dataclass(frozen=True)
class Group:
    """What one source found, under its title."""

    title: str
    found: tuple[Found, ...]


@dataclass(frozen=True)
class Place:
    """Where somebody searches: as whom, in the workspace of that slug, and the name of the prompt whose page they are on."""

    actor: Actor
    slug: str
    prompt: str = ""


type Source = Callable[[Place, Asked, int], Iterable[Found]]
_sources: dict[str, Source] = {}


def offer(title: str, source: Source) -> None:
    """Let searches ask `source(place, asked, most)`; groups are shown in the order of registration."""
    _sources[title] = source


def search(place: Place, asked: Asked, *, most: int) -> list[Group]:
    """What all sources find, each at most `most`; sources that find nothing are left out."""
    groups = (Group(title, tuple(source(place, asked, most))) for title, source in _sources.items())
    return [group for group in groups if group.found]
