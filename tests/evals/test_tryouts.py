"""What is tried is told as it is answered, within the limits of workers, and stops when nobody listens any more."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from evals_app.actions.tries import Column, start_try
from evals_app.engine import tryouts
from evals_app.engine.machinery import machinery
from evals_app.engine.tryouts import Line, tell_all
from evals_app.models import Tryout
from evals_app.scripted_provider import Rule, ScriptedProvider
from evals_app.suite_content import CaseSpec
from tests import builders
from tests.builders import Cast, make_cast
from tests.evals.building import add_provider, scripted

SAID = "one two three"


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    """The cast, seen by every thread: costs are settled beside the loop."""
    return make_cast()


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted(Rule(answer=SAID)) as running:
        add_provider(cast, running, concurrency=2)
        yield running


@pytest.fixture
def lines(cast: Cast, provider: ScriptedProvider) -> tuple[Line, ...]:
    """One version in two columns, about to be asked."""
    prompt = builders.prompt(cast.ada, "support/triage", text="Hello {{ name }}")
    case = CaseSpec("tried", {"name": "Ada"})
    machinery()
    return start_try(cast.ada, prompt, [Column(1), Column(1)], case).lines


def heard(lines: tuple[Line, ...], *, stop_at: str = "") -> tuple[list[dict[str, Any]], list[str]]:
    """The events until the end, or until one of a kind is told; and that the place was given back."""
    ended: list[str] = []

    async def listen() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        pieces: AsyncGenerator[bytes] = tell_all(lines, at_end=lambda: ended.append("end"))
        async for piece in pieces:
            events.append(json.loads(piece))
            if events[-1]["kind"] == stop_at:
                break
        await pieces.aclose()
        return events

    return asyncio.run(listen()), ended


def test_try__told__comes_in_pieces_with_its_numbers_and_is_settled(lines: tuple[Line, ...]) -> None:
    events, ended = heard(lines)

    for column in (0, 1):
        mine = [event for event in events if event.get("column") == column]
        kinds = [event["kind"] for event in mine]
        assert kinds == ["question", "waiting", "asked", "text", "text", "text", "answer"]
        assert "".join(event["text"] for event in mine if event["kind"] == "text") == SAID == mine[-1]["text"]
        assert (mine[-1]["input_tokens"], mine[-1]["output_tokens"]) == (2, 3)
        assert mine[-1]["first_ms"] <= mine[-1]["latency_ms"]
        assert mine[0]["messages"] == [{"role": "user", "content": "Hello Ada"}]
    assert events[-1] == {"kind": "end"} and ended == ["end"]
    assert set(Tryout.objects.values_list("is_settled", "output_tokens")) == {(True, 3)}


def test_try__stream_that_breaks__is_void_and_asked_anew(lines: tuple[Line, ...], provider: ScriptedProvider) -> None:
    provider.script(Rule(answer=SAID, fault="cut", times=1), Rule(answer="fresh"))

    events, _ = heard(lines[:1])

    kinds = [event["kind"] for event in events]
    assert kinds.index("again") > kinds.index("text")
    assert events[-2]["text"] == "fresh"


def test_try__nobody_listens_any_more__is_stopped_and_what_was_sent_stays_counted(
    lines: tuple[Line, ...], provider: ScriptedProvider
) -> None:
    provider.script(Rule(fault="hang"))

    _, ended = heard(lines, stop_at="asked")

    assert ended == ["end"]
    rows = Tryout.objects.order_by("pk")
    assert not rows[0].is_settled


def test_try__stopped_before_its_turn__costs_nothing(lines: tuple[Line, ...], provider: ScriptedProvider) -> None:
    _, ended = heard(lines, stop_at="question")

    assert ended == ["end"] and provider.calls <= len(lines)
    assert list(Tryout.objects.values_list("error", "cost", "is_settled")) == [("cancelled", 0, True)] * 2


def test_try__of_which_nothing_comes__ends_with_an_error_in_time(
    lines: tuple[Line, ...], provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryouts, "LONGEST_S", 0.3)
    provider.script(Rule(fault="hang"))

    events, _ = heard(lines[:1])

    assert (events[-2]["kind"], events[-2]["error"]) == ("error", "timeout")
