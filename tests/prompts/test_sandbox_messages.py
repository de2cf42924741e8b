"""What templates of chats mean: texts, parts and placeholders."""

import pytest

from prompts_app.content import Message, Placeholder, TemplateSource
from prompts_app.errors import VariablesInvalid
from prompts_app.sandbox.client import inspect, render


def test_render__chat__fills_texts_parts_and_placeholders():
    image = {"type": "image_url", "image_url": {"url": "{{ not a template"}}
    source = TemplateSource(
        "chat",
        messages=(
            Message("system", "Be {{ tone }}."),
            Placeholder("history"),
            Message("user", ({"type": "text", "text": "{{ question }}", "cache": True}, image)),
        ),
    )
    assert inspect(source) == ("tone", "question")
    history = [{"role": "user", "content": "{{ tone }}"}, {"role": "tool", "tool_call_id": "1", "content": None}]
    values = {"tone": "kind", "question": "Why?", "history": history}
    expected = [
        {"role": "system", "content": "Be kind."},
        *history,
        {"role": "user", "content": [{"type": "text", "text": "Why?", "cache": True}, image]},
    ]
    assert list(render(source, values).messages) == expected
    without = {"tone": "kind", "question": "Why?"}
    assert list(render(source, without).messages) == [expected[0], expected[3]]
    with pytest.raises(VariablesInvalid) as refusal:
        render(source, values | {"history": "hello"})
    assert refusal.value.errors[0].field == "variables.history"


def test_render__chat_in_plain__means_the_same():
    messages = (
        Message("user", "{{a}} {% x %}"),
        Placeholder("h"),
        Message("user", ({"type": "text", "text": "{{b}}"},)),
    )
    source = TemplateSource("chat", "plain", messages=messages)
    assert inspect(source) == ("a", "b")
    assert list(render(source, {"a": "1", "b": "2", "h": [{"role": "x"}]}).messages) == [
        {"role": "user", "content": "1 {% x %}"},
        {"role": "x"},
        {"role": "user", "content": [{"type": "text", "text": "2"}]},
    ]
    with pytest.raises(VariablesInvalid):
        render(source, {"a": "1", "b": "2", "h": [1]})


def test_render__messages__share_nothing():
    source = TemplateSource("chat", messages=(Message("user", "{% set x = 1 %}"), Message("user", "{{ x }}")))
    with pytest.raises(VariablesInvalid) as refusal:
        render(source, {})
    assert refusal.value.message == 1
