"""Names that are taken for good and are asked for in addresses: how one reads there, and a plainer one for it."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from prompts_app.content import is_prompt_name
from prompts_app.models import Prompt

# What an address shows as it is, whoever types it.
_PLAIN = re.compile(r"[a-z0-9._~/-]+")
_OTHER = re.compile(r"[^a-z0-9._~]+")


@dataclass(frozen=True)
class NameHint:
    """A valid name that services will have to escape, or to write with its capitals: `address` is how it reads where they
    ask for it, `plainer` one that needs neither and is free; empty where there is none."""

    name: str
    address: str
    plainer: str

    @property
    def is_escaped(self) -> bool:
        """Whether it reads otherwise in an address."""
        return self.name != self.address


def name_hint(workspace_id: int, name: str) -> NameHint | None:
    """What to know of a name before it is taken; None for a plain one, and for one that cannot be taken. One query at most."""
    if _PLAIN.fullmatch(name) or not is_prompt_name(name):
        return None
    plainer = plain_name(name)
    taken = {*Prompt.objects.filter(workspace=workspace_id, name__in=[name, plainer]).values_list("name", flat=True)}
    return None if name in taken else NameHint(name, quote(name), "" if plainer in taken else plainer)


def plain_name(name: str) -> str:
    """The nearest name of small ASCII letters, digits and hyphens, folder by folder; empty where none is near."""
    folders = [_plain(folder) for folder in name.split("/")]
    plain = "/".join(folders)
    return plain if all(folders) and is_prompt_name(plain) else ""


def _plain(folder: str) -> str:
    letters = unicodedata.normalize("NFKD", folder.casefold())
    unmarked = "".join(letter for letter in letters if not unicodedata.combining(letter))
    foreign = sum(letter.isalpha() and not letter.isascii() for letter in unmarked)
    return "" if foreign else _OTHER.sub("-", unmarked).strip("-")
