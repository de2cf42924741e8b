"""Answers in pieces: whole whatever they were cut into, and never taken for whole too early."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.actions.runs import start_run
from evals_app.models import Provider
from evals_app.providers.client import ModelClient
from evals_app.providers.streams import Assembly, StreamCutError
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question
from evals_app.scripted_provider import Rule, ScriptedProvider, pieces
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work

SAID = "né à Zürich 🌱 gestern"


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as running:
        yield running


def _ask(provider: ScriptedProvider, text: str = SAID) -> Answer:
    async def talk() -> Answer:
        client = ModelClient(frozenset({f"127.0.0.1:{provider.port}"}))
        try:
            question = Question("scripted", ({"role": "user", "content": text},), {})
            return await client.ask(Endpoint(provider.base_url, "", 5, streams=True), question)
        finally:
            await client.close()

    return asyncio.run(talk())


@pytest.mark.parametrize("fault", ["", "one_packet", "byte_by_byte"])
def test_stream__whatever_its_packets__is_the_whole_answer_with_its_tokens(provider: ScriptedProvider, fault: str):
    provider.script(Rule(fault=fault))
    answer = _ask(provider)
    assert (answer.text, answer.input_tokens, answer.output_tokens) == (SAID, 5, 5)
    assert provider.asked[0].body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("fault", "kind", "seen"),
    [
        ("cut", Failure.GARBAGE, "né à"),
        ("cut_in_a_character", Failure.GARBAGE, "before its end"),
        ("no_done", Failure.GARBAGE, SAID),
        ("no_finish", Failure.GARBAGE, "without an end"),
        ("error_inside", Failure.SERVER, "overloaded"),
        ("nonsense_inside", Failure.GARBAGE, "<html>"),
        ("html", Failure.GARBAGE, "It works"),
        ("huge", Failure.TOO_LARGE, "bytes"),
    ],
)
def test_stream__not_at_its_end__is_a_failure_with_what_there_was(
    provider: ScriptedProvider, fault: str, kind: Failure, seen: str
):
    provider.script(Rule(fault=fault))
    with pytest.raises(ProviderError) as raised:
        _ask(provider)
    assert raised.value.kind is kind and seen in raised.value.excerpt


def test_stream__provider_answers_at_once_all_the_same__is_read_as_usual(provider: ScriptedProvider):
    provider.script(Rule(fault="null_content"))
    with pytest.raises(ProviderError) as raised:
        _ask(provider)
    assert raised.value.kind is Failure.NO_TEXT


@given(cuts=st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_assembly__any_cuts__give_the_same_completion(cuts: list[int]):
    data = b"".join(pieces(SAID)) + b"data: [DONE]\n\n"
    assembly = Assembly()
    while data:
        size = cuts.pop() if cuts else len(data)
        if assembly.feed(data[:size]):
            break
        with pytest.raises(StreamCutError):
            assembly.completion()
        data = data[size:]
    assert json.loads(assembly.completion())["choices"][0]["message"]["content"] == SAID


def test_assembly__a_tool_call_in_pieces__is_one_call():
    assembly = Assembly()
    deltas = [
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look_up", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"q": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]},
    ]
    for delta in deltas:
        assembly.feed(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n")
    assembly.feed(b'data: {"choices": [{"index": 0, "finish_reason": "tool_calls"}]}\n\ndata: [DONE]\n')
    message = json.loads(assembly.completion())["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": '{"q": 1}'}}
    ]


def test_run__provider_streams_and_some_streams_are_cut__cases_are_errors_with_what_there_was(cast: Cast):
    with scripted(Rule(contains="7", fault="cut")) as provider:
        add_provider(cast, provider, streams=True)
        version = builders.prompt(cast.ada, text="say {{ q }}").versions.get()
        run = work(
            start_run(cast.ada, version, suite(cast.ada, of=cases(10), scorers=[{"kind": "contains"}]), baseline=None)
        )
    assert Provider.objects.get().streams
    (failed,) = run.results.exclude(error="")
    assert (failed.error, failed.is_passed) == ("garbage", False) and "say" in failed.output
    assert all(asked.body["stream"] for asked in provider.asked)
