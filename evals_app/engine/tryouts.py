"""Questions that a person waits for: asked within the limits that workers keep too, told piece by piece as they are answered."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.db import connections

from evals_app.costs import cost_of
from evals_app.engine.asking import Desk, estimate
from evals_app.engine.budget import FREE
from evals_app.engine.machinery import Machinery, machinery
from evals_app.models import Tryout
from evals_app.providers.patience import Deadline, ask_patiently
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question
from registry.core.canonical import JSON
from registry.core.errors import TooManyRequests

# From pressing the button to the last word; whoever waits longer wants a run.
LONGEST_S = 180.0
# At once in one process, whoever asks; of these at most so many of one person, and so many that hold a thread.
MOST_AT_ONCE, MOST_OF_ONE, MOST_IN_THREADS = 24, 3, 2
HEARTBEAT_S = 10.0
BAD_REQUEST = 400

type Event = Mapping[str, JSON]
type Tell = Callable[[int, Event], None]


@dataclass(frozen=True)
class Line:
    """One column: the row that counts what it costs, whom to ask, what, and the most that it may cost."""

    tryout: int
    desk: Desk
    question: Question
    most: Decimal


@dataclass(frozen=True)
class Said:
    """What came of a line: an answer or an error, never both. `first_ms`: until the first piece, None without pieces."""

    answer: Answer | None = None
    error: ProviderError | None = None
    first_ms: int | None = None
    cost: Decimal | None = None


class Places:
    """Who tries something now in this process. A place is given back, or free again after its time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[object, tuple[int, bool, float]] = {}

    def take(self, member_id: int, *, in_thread: bool) -> object:
        """A place, to be given back; raises TooManyRequests `try.busy` where there is none."""
        now = time.monotonic()
        with self._lock:
            self._taken = {key: held for key, held in self._taken.items() if held[2] > now}
            held = self._taken.values()
            mine = sum(member == member_id for member, _, _ in held)
            threads = sum(thread for _, thread, _ in held)
            if mine >= MOST_OF_ONE:
                detail = "You try several things already: let one of them end, or stop it."
                raise TooManyRequests("try.busy", detail, retry_after=2)
            if len(held) >= MOST_AT_ONCE or (in_thread and threads >= MOST_IN_THREADS):
                detail = "Too many people try something just now: try again in a moment."
                raise TooManyRequests("try.busy", detail, retry_after=5)
            place = object()
            self._taken[place] = (member_id, in_thread, now + LONGEST_S + HEARTBEAT_S)
            return place

    def give_back(self, place: object) -> None:
        """Free a place; twice is the same as once."""
        with self._lock:
            self._taken.pop(place, None)

    @contextmanager
    def held(self, member_id: int, *, in_thread: bool) -> Iterator[None]:
        """A place for the length of a block."""
        place = self.take(member_id, in_thread=in_thread)
        try:
            yield
        finally:
            self.give_back(place)


PLACES = Places()


def ask_all(lines: Sequence[Line]) -> list[Said]:
    """Ask every line and wait for all of them, in the calling thread; what they cost is settled."""
    made = machinery()

    async def work() -> list[Said]:
        return await asyncio.gather(*(_ask(made, number, line, _nobody) for number, line in enumerate(lines)))

    found = made.run(work())
    for line, said in zip(lines, found, strict=True):
        settle(line, said)
    return found


async def tell_all(lines: Sequence[Line], *, at_end: Callable[[], object]) -> AsyncGenerator[bytes]:
    """Ask every line at once and tell what happens, a JSON object a line of text; closed early, the asking stops.

    Events have a `kind` and their `column`: `question` (all that is sent), `waiting` for a turn, `asked`, `text` (a piece),
    `again` (what was told is void: it is asked anew), `held` (the provider wants a pause of `seconds`), `answer` or `error`;
    `beat` and `end` have no column.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Queue[tuple[int, Event | Said]]()
    made = machinery()

    def tell(column: int, event: Event | Said) -> None:
        loop.call_soon_threadsafe(news.put_nowait, (column, event))

    async def work(column: int, line: Line) -> None:
        tell(column, await _ask(made, column, line, tell))

    tasks = [asyncio.run_coroutine_threadsafe(work(*pair), made.loop) for pair in enumerate(lines)]
    left, sent = dict(enumerate(lines)), set[int]()
    try:
        for column, line in enumerate(lines):
            yield _encoded({"column": column, "kind": "question", **_question(line)})
        while left:
            try:
                column, event = await asyncio.wait_for(news.get(), HEARTBEAT_S)
            except TimeoutError:
                yield _encoded({"kind": "beat"})
                continue
            if isinstance(event, Said):
                await asyncio.to_thread(settle, left.pop(column), event)
                event = event_of(event)
            elif event["kind"] == "asked":
                sent.add(column)
            yield _encoded({"column": column, **event})
        yield _encoded({"kind": "end"})
    finally:
        for task in tasks:
            task.cancel()
        at_end()
        unsent = [line for column, line in left.items() if column not in sent]
        if unsent:
            await asyncio.shield(asyncio.to_thread(forget, unsent))


def event_of(said: Said) -> Event:
    """The last event of a column: everything that is known of its answer, or why there is none."""
    if said.error is not None:
        return {"kind": "error", "error": str(said.error.kind), "text": said.error.excerpt}
    assert said.answer is not None
    answer = said.answer
    return {
        "kind": "answer",
        "text": answer.text,
        "tool_calls": list(answer.tool_calls),
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "latency_ms": answer.latency_ms,
        "first_ms": said.first_ms,
        "cost": None if said.cost is None else f"{said.cost:f}",
    }


def settle(line: Line, said: Said) -> None:
    """Put what a line did cost in the place of what it might; without an answer, nothing where nobody can have charged."""
    answer, error = said.answer, said.error
    cost = said.cost if answer else Decimal(0) if error and error.kind in FREE else line.most
    _update(
        [line],
        cost=cost,
        is_settled=True,
        error=str(error.kind) if error else "",
        input_tokens=answer.input_tokens if answer else None,
        output_tokens=answer.output_tokens if answer else None,
        latency_ms=answer.latency_ms if answer else None,
    )


def forget(lines: Sequence[Line]) -> None:
    """Nothing was sent for these lines: they cost nothing."""
    _update(lines, cost=Decimal(0), is_settled=True, error="cancelled")


def _update(lines: Sequence[Line], **values: object) -> None:
    try:
        Tryout.objects.filter(pk__in=[line.tryout for line in lines], is_settled=False).update(**values)
    finally:
        if not connections["default"].in_atomic_block:
            connections["default"].close()


def _nobody(_column: int, _event: Event) -> None:
    """Whoever waits for whole answers hears nothing before."""


@dataclass
class _Telling:
    """One line while it is asked: when it was sent last, and when the first piece came."""

    column: int
    tell: Tell
    began: float = field(default_factory=time.monotonic)
    first_ms: int | None = None
    tries: int = 0

    def asked(self) -> None:
        self.tell(self.column, {"kind": "again" if self.tries else "asked"})
        self.tries, self.began, self.first_ms = self.tries + 1, time.monotonic(), None

    def piece(self, text: str) -> None:
        if self.first_ms is None:
            self.first_ms = round((time.monotonic() - self.began) * 1000)
        self.tell(self.column, {"kind": "text", "text": text})


async def _ask(made: Machinery, column: int, line: Line, tell: Tell) -> Said:
    """One line from its turn at the provider to its end; never raises but when it is cancelled."""
    telling, desk = _Telling(column, tell), line.desk

    async def ask(left_s: float) -> Answer:
        telling.asked()
        return await _in_pieces(made, desk.endpoint, line.question, telling, left_s)

    async def hold_back(seconds: float) -> None:
        tell(column, {"kind": "held", "seconds": round(seconds)})
        await made.limits.pause(desk.limits.provider_id, seconds)

    tokens = estimate(line.question) if desk.limits.tokens_per_minute is not None else 0
    tell(column, {"kind": "waiting"})
    try:
        async with asyncio.timeout(LONGEST_S):
            answer = await ask_patiently(
                ask,
                time_s=desk.endpoint.timeout_s,
                take_turn=lambda: made.limits.turn(desk.limits, tokens=tokens),
                hold_back=hold_back,
                deadline=Deadline(LONGEST_S),
            )
    except TimeoutError:
        return Said(error=ProviderError(Failure.TIMEOUT, f"no turn at the provider within {LONGEST_S:.0f} s"))
    except ProviderError as error:
        return Said(error=error)
    cost = cost_of(
        base_url=desk.endpoint.base_url,
        model=line.question.model,
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
    )
    return Said(answer=answer, first_ms=telling.first_ms, cost=cost)


async def _in_pieces(
    made: Machinery, endpoint: Endpoint, question: Question, telling: _Telling, left_s: float
) -> Answer:
    """The answer in pieces; at once from an endpoint that takes no such question, unless it is known to need it."""
    streaming = replace(endpoint, streams=True)
    try:
        return await made.client.ask(streaming, question, within_s=left_s, tell=telling.piece)
    except ProviderError as error:
        if endpoint.streams or error.status != BAD_REQUEST or telling.first_ms is not None:
            raise
    return await made.client.ask(endpoint, question, within_s=left_s)


def _question(line: Line) -> Event:
    question = line.question
    return {
        "provider": line.desk.name,
        "model": question.model,
        "messages": [dict(message) for message in question.messages],
        "parameters": dict(question.parameters),
    }


def _encoded(event: Event) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"
