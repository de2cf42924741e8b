import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.content import (
    RESERVED_SEGMENTS,
    IncludePin,
    Message,
    Placeholder,
    check_prompt_name,
    content_digest,
    load_content,
    parse_content,
    parse_source,
    texts,
)
from registry.core.canonical import parse_json
from registry.core.errors import Invalid

KEPT = {
    "nfc": "é",
    "nfd": "e\u0301",
    "bidi override": "a\u202eb\u2066c",
    "emoji with joiners": "👩‍👩‍👧‍👦",
    "byte order mark": "\ufeffstart",
    "crlf": "a\r\nb\rc\n",
    "trailing blanks": "  a  \n\n  ",
    "line separators": "a\u2028b\u2029c\x85d",
    "control characters": "\x01\x02\x1b[0m\x7f",
    "nothing": "",
    "not a character": "\uffff\U0010ffff",
    "tag characters": "\U000e0041\U000e0042",
}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def mistakes(kind, data):
    with pytest.raises(Invalid) as refusal:
        parse_content(kind, data)
    return {(error.field, error.code) for error in refusal.value.errors}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT.keys())
def test_parse_content__any_text__comes_back_byte_for_byte(text):
    content = parse_content("text", {"text": text, "config": {"stop": [text]}})
    again = load_content("text", parse_json(json.dumps(content.to_json())))
    assert again == content
    assert again.source.text == text
    assert again.config == {"stop": [text]}
    assert content_digest(again) == content_digest(content)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff"])
def test_parse_content__nul_or_lone_surrogate__is_refused_where_it_stands(text):
    assert mistakes("text", {"text": text}) == {("text", "character")}
    messages = [{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "text", "text": text}]}]
    assert mistakes("chat", {"messages": messages}) == {("messages[1].content[0].text", "character")}
    assert mistakes("text", {"text": "x", "config": {"a": [text]}}) == {("config.a[0]", "character")}


@given(st.lists(st.tuples(st.sampled_from(["user", "system", "tool"]), TEXT), min_size=1, max_size=5))
def test_parse_content__messages__come_back_as_given(turns):
    given_json = {"messages": [{"role": role, "content": text} for role, text in turns]}
    content = parse_content("chat", given_json)
    assert content.to_json()["messages"] == given_json["messages"]
    assert texts(content.source) == [text for _, text in turns]


def test_parse_content__chat__keeps_parts_and_placeholders():
    image = {"type": "image_url", "image_url": {"url": "https://example.com/{{ not }}", "detail": "low"}}
    messages = [
        {"role": "developer", "content": "Be {{ tone }}."},
        {"type": "placeholder", "name": "history"},
        {"role": "user", "content": [{"type": "text", "text": "{{ question }}", "cache": True}, image]},
    ]
    content = parse_content("chat", {"messages": messages})
    assert content.source.messages == (
        Message("developer", "Be {{ tone }}."),
        Placeholder("history"),
        Message("user", ({"type": "text", "text": "{{ question }}", "cache": True}, image)),
    )
    assert content.to_json()["messages"] == messages
    assert texts(content.source) == ["Be {{ tone }}.", "{{ question }}"]


@pytest.mark.parametrize(
    ("kind", "data", "field", "code"),
    [
        ("text", {}, "text", "required"),
        ("text", {"text": 3}, "text", "type"),
        ("text", {"text": "x", "messages": []}, "messages", "unknown"),
        ("text", {"text": "x", "temperature": 1}, "temperature", "unknown"),
        ("text", {"text": "x", "template_format": "f-string"}, "template_format", "choice"),
        ("text", {"text": "x", "config": []}, "config", "type"),
        ("text", {"text": "x", "tools": {}}, "tools", "type"),
        ("text", {"text": "x", "tools": ["a"]}, "tools", "type"),
        ("text", {"text": "x", "response_format": "json"}, "response_format", "type"),
        ("text", {"text": "x", "variables": ["name"]}, "variables", "type"),
        ("text", {"text": "é" * 1_000_001}, "text", "length"),
        ("chat", {"text": "x"}, "messages", "required"),
        ("chat", {"messages": []}, "messages", "required"),
        ("chat", {"messages": {}}, "messages", "type"),
        ("chat", {"messages": ["hi"]}, "messages[0]", "type"),
        ("chat", {"messages": [{"role": "User", "content": ""}]}, "messages[0].role", "format"),
        ("chat", {"messages": [{"role": "", "content": ""}]}, "messages[0].role", "format"),
        ("chat", {"messages": [{"content": ""}]}, "messages[0].role", "required"),
        ("chat", {"messages": [{"role": "user"}]}, "messages[0].content", "required"),
        ("chat", {"messages": [{"role": "user", "content": None}]}, "messages[0].content", "type"),
        ("chat", {"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]", "type"),
        (
            "chat",
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "type",
        ),
        ("chat", {"messages": [{"role": "user", "content": "", "name": "x"}]}, "messages[0].name", "unknown"),
        ("chat", {"messages": [{"type": "placeholder"}]}, "messages[0].name", "required"),
        ("chat", {"messages": [{"type": "placeholder", "name": "a b"}]}, "messages[0].name", "format"),
        ("chat", {"messages": [{"type": "other", "name": "a"}]}, "messages[0].type", "choice"),
        ("poem", {"text": "x"}, "kind", "choice"),
        ("text", [], "", "type"),
    ],
)
def test_parse_content__a_mistake__is_named_by_its_path(kind, data, field, code):
    assert (field, code) in mistakes(kind, data)


def test_parse_content__several_mistakes__are_told_together():
    found = mistakes("chat", {"messages": [{"role": "A", "content": 1}], "config": 1, "x": 1})
    assert {field for field, _ in found} == {"messages[0].role", "messages[0].content", "config", "x"}


def test_parse_source__only_the_template__takes_nothing_else():
    assert parse_source("text", {"text": "x", "template_format": "plain"}).template_format == "plain"
    with pytest.raises(Invalid):
        parse_source("text", {"text": "x", "config": {}})


def test_content_digest__every_field__counts_and_key_order_does_not():
    base = {"text": "x", "template_format": "jinja", "config": {"a": 1, "b": 2}}
    same = {"config": {"b": 2, "a": 1}, "text": "x"}
    assert content_digest(parse_content("text", base)) == content_digest(parse_content("text", same))
    changes = [
        {"text": "x "},
        {"template_format": "plain"},
        {"config": {}},
        {"tools": []},
        {"response_format": {}},
        {"variables": {}},
    ]
    digests = {content_digest(parse_content("text", base | change)) for change in changes}
    assert len(digests | {content_digest(parse_content("text", base))}) == 7


def test_content_digest__includes__count_by_digest_alone():
    stored = parse_content("text", {"text": "x"}).to_json()
    one = load_content("text", stored | {"includes": [IncludePin("a", 1, "d1").to_json()]})
    renumbered = load_content("text", stored | {"includes": [IncludePin("b", 7, "d1").to_json()]})
    changed = load_content("text", stored | {"includes": [IncludePin("a", 1, "d2").to_json()]})
    assert content_digest(one) == content_digest(renumbered) != content_digest(changed)


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "support/triage",
        "billing/usage",
        "versions",
        "Ünï/côdé 🙂",
        "a b/c d",
        "a/versionsx",
        "a/Versions",
        "x" * 255,
        "a@b:c",
        "-",
    ],
)
def test_check_prompt_name__good_names__are_kept(name):
    assert check_prompt_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 256,
        "/a",
        "a/",
        "a//b",
        ".",
        "a/..",
        "./a",
        " a",
        "a ",
        "a/ b",
        "a/b /c",
        "\u00a0a",
        "a|b",
        "a\nb",
        "a\x7fb",
    ]
    + ["a\0", "a\ud800", "a\u0085b", "a\u2028b"]
    + [f"a/{word}" for word in sorted(RESERVED_SEGMENTS)]
    + ["a/withdraw/b", "a/live/c"],
)
def test_check_prompt_name__bad_names__are_refused(name):
    with pytest.raises(Invalid) as refusal:
        check_prompt_name(name)
    assert refusal.value.errors[0].field == "name"
