"""Prompts as files: what is written reads back to the byte, and what is no prompt says which line."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenroom.files import BadFile, PromptFile, path_of, read_file, write_file

ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
AWKWARD = st.sampled_from(
    ["---", "--- user", "\\--- user", "\\\\--- x", "a\r\nb", "\r", "\n", "  x  \n\n", "\u2028", "\ufeff", ""]
)
TEXT = st.lists(ANYTHING | AWKWARD, max_size=4).map("\n".join)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3),
    max_leaves=10,
)
ROLES = st.sampled_from(["user", "system", "placeholder", "a-b_1"])
PARTS = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}, optional={"x": VALUES}), max_size=3)
TURNS = st.fixed_dictionaries({"role": ROLES, "content": TEXT | PARTS}) | st.fixed_dictionaries(
    {"type": st.just("placeholder"), "name": st.sampled_from(["history", "parts", "é1"])}
)
SETTINGS: dict[Any, Any] = {
    "template_format": st.sampled_from(["jinja", "plain"]),
    "config": st.dictionaries(ANYTHING, VALUES, max_size=3),
    "variables": st.dictionaries(ANYTHING, VALUES, max_size=2),
    "tools": st.none() | st.lists(VALUES, max_size=2),
    "response_format": st.none() | st.dictionaries(ANYTHING, VALUES, max_size=2),
}
TEXTS = st.fixed_dictionaries({"text": TEXT}, optional=SETTINGS)
CHATS = st.fixed_dictionaries({"messages": st.lists(TURNS, min_size=1, max_size=4)}, optional=SETTINGS)
NUMBERS = st.none() | st.integers(1, 2**31 - 1)


@settings(max_examples=150, deadline=None)
@given(
    prompt=st.builds(PromptFile, ANYTHING, st.just("text"), TEXTS, NUMBERS)
    | st.builds(PromptFile, ANYTHING, st.just("chat"), CHATS, NUMBERS)
)
def test_file__of_any_prompt__reads_back_the_same(prompt: PromptFile) -> None:
    raw = write_file(prompt).encode()

    assert read_file(raw) == prompt
    assert write_file(read_file(raw)).encode() == raw


@settings(max_examples=200, deadline=None)
@given(name=st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255))
def test_path__of_any_name__stays_below_the_folder_and_fits(name: str) -> None:
    for path in (path_of(name), path_of(f"{name}/x")):
        segments = path.split("/")
        assert not any(one in {"", ".", ".."} or one.startswith(".") or "\\" in one for one in segments)
        assert all(len(one.encode()) < 200 for one in segments)
        assert not any(one.endswith(".prompt") for one in segments[:-1])


def test_file__as_people_see_it__is_readable() -> None:
    content = {
        "config": {"model": "m"},
        "messages": [
            {"role": "system", "content": "Sort.\n"},
            {"type": "placeholder", "name": "history"},
            {"role": "user", "content": "{{ message }}"},
        ],
    }

    text = write_file(PromptFile("support/triage", "chat", content, 3))

    assert text == (
        '---\nname: "support/triage"\nkind: "chat"\nversion: 3\nconfig: {"model": "m"}\n---\n'
        "--- system\nSort.\n\n--- [placeholder] history\n--- user\n{{ message }}\n"
    )
    assert path_of("support/triage") == "support/triage.prompt"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello", "line 1"),
        ("---\r\nname: 1\r\n---\r\n", "CR LF"),
        ('---\nname: a\nkind: "text"\n---\n', "line 2: name is no JSON"),
        ('---\nname: "a"\nkind: "text"\nmood: 1\n---\n', "line 4"),
        ('---\nname: "a"\nname: "b"\n---\n', "line 3: name is there twice"),
        ('---\nname: "a"\n---\n', "kind"),
        ('---\nname: "a"\nkind: "chat"\n---\nHello\n', "line 5"),
        ('---\nname: "a"\nkind: "chat"\n---\n--- User\n', "line 5"),
        ('---\nname: "a"\nkind: "text"\nversion: true\n---\n', "version"),
    ],
)
def test_file__that_is_no_prompt__says_which_line(text: str, said: str) -> None:
    with pytest.raises(BadFile, match=said):
        read_file(text.encode())
