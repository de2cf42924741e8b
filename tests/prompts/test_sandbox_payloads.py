"""Every payload gets its expected answer, on save (inspect) and on render, in time and in memory."""

import json
import time
from pathlib import Path

import pytest

from prompts_app.content import Message, TemplateSource
from prompts_app.errors import TemplateLimit, TemplateRefused, VariablesInvalid
from prompts_app.sandbox.client import POOL, inspect, render
from registry.core.errors import Invalid

PAYLOADS = [json.loads(line) for line in Path(__file__).parent.parent.joinpath("data/sandbox_payloads.jsonl").open()]
NEXT = TemplateSource("text", text="Hello {{ name }}")
MEMORY_KB = 512 * 1024

# What the parser already sees is refused when a version is saved; the others need values to do harm.
REFUSED_AT_RENDER = {
    "bound_method_repr",
    "concat_dunder",
    "filter_block",
    "nested_loops_1e10",
    "nested_loops_no_range",
    "range_list_over",
    "str_mul_chain",
    "str_mul_var",
}
EXACT = {
    "ok_keep_newline": "a b\n",
    "ok_no_html_escape": """<b>&'" {"a": "<b>&'"}""",
    "ok_tojson": '{\n  "a": [\n    1,\n    2,\n    {\n      "b": "ü"\n    }\n  ]\n}',
    "ok_set_loopindex": "1/3 2/3 3/3 ",
    "ok_for_if": "U: hi\nA: yo\n",
    "ok_macro": "Q: a\nQ: b",
    "ok_dict_items": "a=1;b=2;",
    "ok_ns_counter": "6",
    "ok_split": "a",
}


def peak_memory_kb():
    peaks = [0]
    for worker in list(POOL.alive):
        status = Path(f"/proc/{worker.pid}/status").read_text()
        peaks += [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return max(peaks)


def test_payloads__all_of_them__are_here():
    assert len(PAYLOADS) == 59
    assert {payload["expected"] for payload in PAYLOADS} == {"refused", "bounded", "ok"}


@pytest.mark.parametrize("payload", PAYLOADS, ids=[payload["name"] for payload in PAYLOADS])
def test_render__payload__gives_its_expected_answer(payload):
    render(NEXT, {"name": "Ada"})
    template = TemplateSource("text", text=payload["template"])
    started = time.monotonic()
    try:
        answer = render(template, payload["variables"]).text
    except (TemplateRefused, TemplateLimit, VariablesInvalid):
        answer = None
    elapsed = time.monotonic() - started
    if payload["expected"] != "bounded":
        assert (answer is None) == (payload["expected"] == "refused")
    assert answer == EXACT.get(payload["name"], answer)
    assert elapsed < 3.5
    assert peak_memory_kb() < MEMORY_KB
    assert render(NEXT, {"name": "Ada"}).text == "Hello Ada"


@pytest.mark.parametrize("payload", PAYLOADS, ids=[payload["name"] for payload in PAYLOADS])
def test_inspect__payload__is_refused_where_the_parser_sees_it(payload):
    template = TemplateSource("text", text=payload["template"])
    if payload["expected"] == "refused" and payload["name"] not in REFUSED_AT_RENDER:
        with pytest.raises(Invalid) as refusal:
            inspect(template)
        assert refusal.value.code == "template.refused"
    elif payload["expected"] == "ok":
        assert set(inspect(template)) <= set(payload["variables"])


@pytest.mark.parametrize("payload", PAYLOADS, ids=[payload["name"] for payload in PAYLOADS])
def test_render__payload_in_a_chat__names_the_message(payload):
    messages = (Message("system", "Hi"), Message("user", ({"type": "text", "text": payload["template"]},)))
    template = TemplateSource("chat", messages=messages)
    if payload["expected"] == "refused":
        with pytest.raises(Invalid) as refusal:
            render(template, payload["variables"])
        assert refusal.value.extra["message"] == 1
    elif payload["expected"] == "ok":
        alone = render(TemplateSource("text", text=payload["template"]), payload["variables"]).text
        rendered = render(template, payload["variables"]).messages
        assert rendered[1] == {"role": "user", "content": [{"type": "text", "text": alone}]}
