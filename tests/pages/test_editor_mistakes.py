"""Mistakes in the editor: each is told once, where it is."""

import re

import pytest

from prompts_app.models import Prompt
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.pages.test_editor import CHAT, TEXT, chat, typed

__all__ = ["chat"]


def read(page: str) -> str:
    """What a page says to whoever reads it: without what scripts keep for later."""
    return re.sub(r"<template.*?</template>|<[^>]*>", "", page, flags=re.DOTALL)


@pytest.mark.parametrize("kind", ["chat", "text"])
def test_editor__template_with_a_mistake_saved__says_so_once_at_its_place(
    cast: Cast, as_: SignedIn, chat: Prompt, kind: str
) -> None:
    builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    broken = "Hello\n{{ name | nosuchfilter }}"
    sent = typed(("system", "text", "Fine"), ("user", "text", broken)) if kind == "chat" else {"text": broken}

    answer = as_(cast.ada).post(f"{CHAT if kind == 'chat' else TEXT}/edit", {**sent, "based_on": "1"})

    page = answer.content.decode()
    said = read(page)
    assert answer.status_code == 422 and said.count("nosuchfilter") == 2, "as it was typed, and what is wrong with it"
    assert "Not saved. What is wrong is marked below, at its place." in " ".join(said.split())
    assert ("Message 2, line 2: mend this" if kind == "chat" else "Line 2: mend this") in said
    place = page.index("{{ name | nosuchfilter }}")
    assert (
        place < page.index("data-problems", place) < page.index("Line 2: ", place) < page.index("data-preview", place)
    )


def test_editor__settings_with_a_mistake_saved__says_so_once_above(cast: Cast, as_: SignedIn, chat: Prompt) -> None:
    answer = as_(cast.ada).post(f"{CHAT}/edit", {**typed(("user", "text", "Fine")), "tools": "{", "based_on": "1"})

    said = read(answer.content.decode())
    assert answer.status_code == 422 and said.count("Tools: ") == 1
    assert "marked below" not in said
