"""Names of workspaces and what stands for them in addresses. Pure."""

import re

from django.utils.text import slugify

MOST_NAME = 120
MOST_SLUG = 63
_SLUG = re.compile(rf"[-a-zA-Z0-9_]{{1,{MOST_SLUG}}}")


def is_slug(text: str) -> bool:
    """Whether addresses can hold it as it stands."""
    return _SLUG.fullmatch(text) is not None


def slug_of(name: str) -> str:
    """What stands for a name in addresses; empty where it has no letter or digit that can."""
    return slugify(name)[:MOST_SLUG].strip("-")


def is_name(text: str) -> bool:
    """Whether pages can show it on one line."""
    return bool(text.strip()) and len(text) <= MOST_NAME and text.isprintable()
