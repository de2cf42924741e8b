import asyncio
import contextlib
import itertools
import resource
import time
from collections.abc import Iterator

import aiohttp
import pytest

from evals_app.providers.client import ModelClient
from evals_app.providers.limits import Turn
from evals_app.providers.patience import ask_patiently, back_off_s
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question, excerpt_of
from evals_app.scripted_provider import BODIES, Rule, ScriptedProvider


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as running:
        yield running


def ask(provider: ScriptedProvider, text: str = "hello", *, timeout_s: float = 5, tries: bool = False) -> Answer:
    endpoint = Endpoint(provider.base_url, "sk-canary-1234567890", timeout_s)
    question = Question("scripted", ({"role": "user", "content": text},), {"temperature": 0})

    async def talk() -> Answer:
        client = ModelClient(frozenset({f"127.0.0.1:{provider.port}"}))
        try:
            if not tries:
                return await client.ask(endpoint, question)
            return await ask_patiently(
                lambda left_s: client.ask(endpoint, question, within_s=left_s),
                time_s=timeout_s,
                take_turn=lambda: contextlib.nullcontext(Turn(0)),
                hold_back=lambda _: asyncio.sleep(0),
            )
        finally:
            await client.close()

    return asyncio.run(talk())


def failure(provider: ScriptedProvider, **options: float) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        ask(provider, **options)  # type: ignore[arg-type]
    return raised.value


def test_answer__plain__carries_text_tokens_and_what_was_asked(provider: ScriptedProvider):
    answer = ask(provider, "good morning")
    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("good morning", 2, 2)
    sent = provider.asked[0]
    assert sent.body == {
        "model": "scripted", "temperature": 0, "messages": [{"role": "user", "content": "good morning"}]
    }  # fmt: skip
    assert sent.authorization == "Bearer sk-canary-1234567890"


def test_answer__only_calls_tools__has_no_text_and_keeps_the_calls(provider: ScriptedProvider):
    provider.script(Rule(calls=(("look_up", '{"city": "Rome"}'),)))
    answer = ask(provider)
    assert answer.text == ""
    assert answer.tool_calls == (
        {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Rome"}'}},
    )


def test_answer__text_beside_tool_calls__keeps_both(provider: ScriptedProvider):
    provider.script(Rule(answer="One moment.", calls=(("look_up", "{}"),)))
    answer = ask(provider)
    assert (answer.text, len(answer.tool_calls)) == ("One moment.", 1)


@pytest.mark.parametrize("fault", [*BODIES, "reset"])
def test_answer__garbage__is_a_failure_with_a_storable_excerpt(provider: ScriptedProvider, fault: str):
    provider.script(Rule(fault=fault))
    error = failure(provider)
    assert error.kind in {Failure.GARBAGE, Failure.NO_TEXT, Failure.CONNECTION}
    assert error.excerpt and len(error.excerpt) <= 500 and "\x00" not in error.excerpt
    error.excerpt.encode()


@pytest.mark.parametrize(("fault", "status"), [("huge", 200), ("gzip_bomb", 200), ("huge", 500), ("gzip_bomb", 500)])
def test_answer__huge_or_a_bomb__is_cut_without_growing(provider: ScriptedProvider, fault: str, status: int):
    provider.script(Rule(answer="warm", times=1), Rule(fault=fault, status=status))
    ask(provider)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = failure(provider)
    assert error.kind in {Failure.TOO_LARGE, Failure.GARBAGE}
    # The scripted provider lives in this process and holds the 50 MB body once or twice itself.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_answer__hangs_or_drips__ends_at_the_total_deadline(provider: ScriptedProvider, fault: str):
    provider.script(Rule(fault=fault, answer="slowly"))
    began = time.monotonic()
    error = failure(provider, timeout_s=1.5, tries=True)
    assert error.kind is Failure.TIMEOUT
    assert error.excerpt == "no complete answer within 1.5 s, the provider's time limit"
    assert time.monotonic() - began < 30, "the whole answer would come in minutes, or never"


def test_answer__the_time_of_everything_is_over_first__says_that_it_is_not_the_provider_s(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("evals_app.providers.patience.TOTAL_S", 1.0)
    provider.script(Rule(fault="hang"))
    error = failure(provider, timeout_s=20, tries=True)
    assert error.excerpt == "no complete answer within the 1 s that all tries, waits and providers have together"


def test_answer__no_connection_in_time__is_tried_again(provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch):
    kinds = []

    async def never(*_: object, **__: object) -> None:
        kinds.append("post")
        raise aiohttp.ConnectionTimeoutError

    monkeypatch.setattr("evals_app.providers.transport.GuardedTransport.post", never)
    error = failure(provider, timeout_s=20, tries=True)
    assert (error.kind, len(kinds)) == (Failure.CONNECTION, 3)
    assert error.excerpt == "no connection within 10 s"


def test_answer__server_errors__are_tried_three_times_and_then_given_up(provider: ScriptedProvider):
    provider.script(Rule(status=502))
    assert failure(provider, tries=True).kind is Failure.SERVER
    assert provider.calls == 3


def test_answer__server_errors_twice__third_try_answers(provider: ScriptedProvider):
    provider.script(Rule(status=500, times=1), Rule(fault="truncated", times=1))
    assert ask(provider, "third", tries=True).text == "third"
    assert provider.calls == 3


def test_answer__rejected__is_not_tried_again_and_hides_the_key(provider: ScriptedProvider):
    provider.script(Rule(status=401))
    error = failure(provider, tries=True)
    assert (error.kind, error.status, provider.calls) == (Failure.REJECTED, 401, 1)
    assert "sk-canary" not in excerpt_of("bad key sk-canary-1234567890", secret="sk-canary-1234567890")


def test_answer__rate_limited__waits_as_told_and_is_not_lost(provider: ScriptedProvider):
    provider.script(Rule(status=429, retry_after="1", times=3))
    assert ask(provider, "patience", tries=True, timeout_s=3).text == "patience"
    times = [asked.at for asked in provider.asked]
    assert len(times) == 4
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(times))


def test_back_off__retry_after_beyond_the_cap__is_held_at_sixty_seconds():
    assert 60 <= back_off_s(1, 3600) < 61
    assert back_off_s(1, None) <= 0.04 < back_off_s(5, None)


def test_address__private_and_not_allowed__is_never_connected_to(provider: ScriptedProvider):
    async def talk(url: str) -> None:
        client = ModelClient(frozenset())
        try:
            await client.ask(Endpoint(url, "", 5), Question("m", (), {}))
        finally:
            await client.close()

    # localtest-style names resolve through the hosts file, so the name passes the URL check and fails at connect.
    for url in (provider.base_url, f"http://localhost:{provider.port}/v1"):
        with pytest.raises(ProviderError) as raised:
            asyncio.run(talk(url))
        assert raised.value.kind is Failure.REFUSED
    assert provider.calls == 0


def test_address__name_that_turns_private_at_connect__is_refused(
    provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
):
    from aiohttp.resolver import ThreadedResolver

    async def rebound(self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, object]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 4}]

    monkeypatch.setattr(ThreadedResolver, "resolve", rebound)

    async def talk() -> None:
        client = ModelClient(frozenset())
        try:
            await client.ask(Endpoint("http://rebind.example.com:8080/v1", "", 5), Question("m", (), {}))
        finally:
            await client.close()

    with pytest.raises(ProviderError) as raised:
        asyncio.run(talk())
    assert raised.value.kind is Failure.REFUSED and "private" in raised.value.excerpt


def test_redirect__to_anywhere__is_not_followed(provider: ScriptedProvider):
    provider.script(Rule(status=302))
    assert failure(provider).kind in {Failure.REJECTED, Failure.GARBAGE}
    assert provider.calls == 1
