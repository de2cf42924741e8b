"""Many questions in flight: each waits for its turn at its provider, is tried three times, and ends as an outcome."""

import asyncio
import functools
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.engine.machinery import Machinery
from evals_app.engine.plan import Slot
from evals_app.engine.questions import request_digest
from evals_app.providers.limits import Limits
from evals_app.providers.patience import Deadline, ask_patiently
from evals_app.providers.talk import Answer, Endpoint, ProviderError, Question

SLICE_S = 0.2
MOST_PER_SLICE = 64
_CHARACTERS_PER_TOKEN = 4
_TOKENS_OF_AN_ANSWER = 256


@dataclass(frozen=True)
class Desk:
    """A provider as it is asked: by which name results know it, where it is, what it bears."""

    name: str
    endpoint: Endpoint
    limits: Limits


@dataclass(frozen=True)
class Way:
    """A question as it is put to one provider."""

    desk: Desk
    question: Question
    repeat: int

    @functools.cached_property
    def digest(self) -> str:
        """What makes its answer reusable."""
        return request_digest(self.desk.name, self.question, self.repeat)


@dataclass(frozen=True)
class Ask:
    """A question ready to be sent, for one slot of a run; the second way is for when the first provider is down."""

    slot: Slot
    ways: tuple[Way, ...]


@dataclass(frozen=True)
class Outcome:
    """What came of an ask, and by which way: an answer or an error, never both, never neither."""

    ask: Ask
    way: Way
    answer: Answer | None = None
    error: ProviderError | None = None
    is_cached: bool = False


class Arrivals:
    """Where outcomes come in, of all batches that a process works on."""

    def __init__(self) -> None:
        self._arrived: queue.SimpleQueue[tuple[Batch, Outcome | Exception]] = queue.SimpleQueue()

    def put(self, batch: "Batch", outcome: Outcome | Exception) -> None:
        """Called in the loop's thread."""
        self._arrived.put((batch, outcome))

    def collect(self, *, most: int = MOST_PER_SLICE) -> dict["Batch", list[Outcome]]:
        """What has come in within a fifth of a second, or as soon as there are `most`; bugs are raised here."""
        found: dict[Batch, list[Outcome]] = {}
        until = time.monotonic() + SLICE_S
        for _ in range(min(most, MOST_PER_SLICE)):
            try:
                batch, outcome = self._arrived.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(outcome, Exception):
                raise outcome
            batch.left -= 1
            found.setdefault(batch, []).append(outcome)
        return found


class Batch:
    """Asks that are worked on in the machinery's loop, whatever the calling thread does meanwhile."""

    def __init__(self, machinery: Machinery, arrivals: Arrivals) -> None:
        self._machinery = machinery
        self._arrivals = arrivals
        self._tasks: set[asyncio.Task[None]] = set()
        self.left = 0

    def add(self, asks: Sequence[Ask]) -> None:
        """More to ask."""
        if asks:
            self.left += len(asks)
            self._machinery.loop.call_soon_threadsafe(self._start, asks)

    def abandon(self) -> None:
        """Stops asking; answers on their way are dropped. Harmless when all is done."""
        self._machinery.run(self._cancel())

    def _start(self, asks: Sequence[Ask]) -> None:
        for ask in asks:
            task = self._machinery.loop.create_task(self._work(ask))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, ask: Ask) -> None:
        try:
            self._arrivals.put(self, await self._outcome(ask))
        except Exception as bug:
            self._arrivals.put(self, bug)

    async def _outcome(self, ask: Ask) -> Outcome:
        """The first way's outcome, unless its provider is down and there is another one."""
        way, *others = ask.ways
        deadline = Deadline()
        while True:
            try:
                return Outcome(ask, way, answer=await self._answer(way, deadline, is_patient=not others))
            except ProviderError as error:
                if not others or not error.kind.is_outage:
                    return Outcome(ask, way, error=error)
            way, *others = others

    async def _answer(self, way: Way, deadline: Deadline, *, is_patient: bool) -> Answer:
        desk, client, limits = way.desk, self._machinery.client, self._machinery.limits
        estimate = _estimate(way.question) if desk.limits.tokens_per_minute is not None else 0
        return await ask_patiently(
            lambda left_s: client.ask(desk.endpoint, way.question, within_s=left_s),
            time_s=desk.endpoint.timeout_s,
            take_turn=lambda: limits.turn(desk.limits, tokens=estimate, is_patient=is_patient),
            hold_back=lambda seconds: limits.pause(desk.limits.provider_id, seconds),
            deadline=deadline,
        )


def _estimate(question: Question) -> int:
    """Tokens the provider will count, roughly: what is sent, and the longest answer asked for."""
    asked = question.parameters.get("max_tokens") or question.parameters.get("max_completion_tokens")
    answer = asked if isinstance(asked, int) else _TOKENS_OF_AN_ANSWER
    return len(question.encoded()) // _CHARACTERS_PER_TOKEN + answer
