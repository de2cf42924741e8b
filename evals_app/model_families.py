"""Which models are of one family, as far as their names tell. Pure."""

import re

# The first word of a model's name, without its maker's; words of one family stand together.
_FAMILIES = {
    "gpt": ("gpt", "chatgpt", "o1", "o3", "o4", "davinci", "babbage", "codex"),
    "claude": ("claude",),
    "gemini": ("gemini", "gemma", "palm"),
    "llama": ("llama", "codellama", "meta"),
    "mistral": ("mistral", "mixtral", "ministral", "codestral", "magistral", "devstral", "pixtral", "open"),
    "qwen": ("qwen", "qwq", "qvq"),
    "command": ("command", "aya"),
}
_BY_WORD = {word: family for family, words in _FAMILIES.items() for word in words}


def family_of(model: str) -> str:
    """The family that a model's name speaks of: `gpt` for openai/gpt-4o-mini; its first word where none is known."""
    name = model.lower().rsplit("/", 1)[-1]
    whole = re.match(r"[a-z]+\d?", name)
    word = re.match(r"[a-z]+", name)
    for found in (whole, word):
        if found and found[0] in _BY_WORD:
            return _BY_WORD[found[0]]
    return word[0] if word else name


def is_same_family(one: str, other: str) -> bool:
    """Whether a model judges its own kind, which models tend to favour."""
    return family_of(one) == family_of(other)
