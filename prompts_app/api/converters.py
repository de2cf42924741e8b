"""How a prompt's name stands in an address: with its slashes, up to a word that no name may contain."""

import re

from django.urls.converters import StringConverter

from prompts_app.content import RESERVED_SEGMENTS, check_prompt_name
from registry.core.errors import Invalid


class PromptName(StringConverter):
    """The longest run of segments of which, after the first, none is a reserved word; `%2F` is a slash like any other."""

    regex = rf"[^/]+(?:/(?!(?:{'|'.join(map(re.escape, sorted(RESERVED_SEGMENTS)))})(?:/|\Z))[^/]+)*"

    def to_python(self, value: str) -> str:
        """The name; ValueError (404) for what no prompt can be called."""
        try:
            return check_prompt_name(value)
        except Invalid as refused:
            raise ValueError(refused.detail) from None
