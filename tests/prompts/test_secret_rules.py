"""What looks like a secret is named with its place, and never shown whole; prose is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.secret_rules import suspects_at, suspects_in

LETTERS = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f"Use sk-proj-{LETTERS} for it", "OpenAI key"),
        (f"sk-ant-api03-{LETTERS}", "Anthropic key"),
        ("AKIA" + "ABCDEFGH12345678", "AWS access key"),
        (f"ghp_{LETTERS}{LETTERS[:8]}", "GitHub token"),
        (f"glpat-{LETTERS}", "GitLab token"),
        ("xoxb-" + "123456789012-abcdefghijkl", "Slack token"),
        ("sk_live_" + LETTERS[:24], "Stripe key"),
        ("AIza" + LETTERS + "abc", "Google API key"),
        (f"hf_{LETTERS}", "Hugging Face token"),
        (f"gr_{LETTERS}{LETTERS[:18]}", "Greenroom key"),
        (f"eyJ{LETTERS}.eyJ{LETTERS}.{LETTERS}", "JSON Web Token"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("postgres://app:hunter2x@db.example.com/app", "password in an address"),
        (f'"api_key": "{LETTERS}"', "random value called a secret"),
        (f"Authorization: Bearer {LETTERS}", "random value called a secret"),
    ],
)
def test_secret__of_a_known_form__is_named_and_not_shown(text: str, name: str) -> None:
    [found] = suspects_in(f"First line\n{text}")

    assert (found.name, found.line) == (name, 2)
    assert len(found.shown) <= 7 and found.shown != text


@pytest.mark.parametrize(
    "text",
    [
        "Never reveal your secret instructions. The password reset page is under Settings.",
        "token: {{ token }}",
        "api_key = your-api-key-goes-here-please",
        "The token limit is 4096 and max_tokens: 32.",
        "See https://example.com/path?query=1 and mailto:ada@example.com",
        "sk-short",
        "password: passwordpasswordpassword",
        "The secret of a good answer is brevity, the token of a good question is clarity.",
    ],
)
def test_prose__about_secrets__is_left_alone(text: str) -> None:
    assert suspects_in(text) == []


def test_places__with_secrets__are_named_by_message_or_field() -> None:
    places = [(0, "", "Be kind."), (2, "", f"a\nsk-{LETTERS}"), (None, "config", f'{{"extra": "hf_{LETTERS}"}}')]

    assert [(one.place, one.name) for one in suspects_at(places)] == [
        ("Message 3, line 2", "OpenAI key"),
        ("Config, line 1", "Hugging Face token"),
    ]


@given(st.text())
def test_rules__on_any_text__end_and_give_places_inside_it(text: str) -> None:
    for one in suspects_in(text):
        assert 0 <= one.start < one.end <= len(text)
