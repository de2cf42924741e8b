"""Many questions in flight: each waits for its turn at its provider, is tried three times, and ends as an outcome."""

import asyncio
import functools
import queue
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from evals_app.engine.budget import Purse, most_of, settle
from evals_app.engine.machinery import Machinery
from evals_app.engine.plan import Slot
from evals_app.engine.questions import request_digest
from evals_app.providers.limits import Limits, Turn
from evals_app.providers.patience import Deadline, ask_patiently
from evals_app.providers.talk import Answer, Endpoint, ProviderError, Question

SLICE_S = 0.2
MOST_PER_SLICE = 64
LEAST_BEGUN = 64
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
    """A question as it is put to one provider. `check` raises ProviderError for an answer that is none to this question."""

    desk: Desk
    question: Question
    repeat: int
    check: Callable[[Answer], None] | None = None

    @functools.cached_property
    def digest(self) -> str:
        """What makes its answer reusable."""
        return request_digest(self.desk.name, self.question, self.repeat)


@dataclass(frozen=True, eq=False)
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
        """What has come in within a fifth of a second, or once there are `most`, with what is there besides; bugs are raised here."""
        found: dict[Batch, list[Outcome]] = {}
        until = time.monotonic() + SLICE_S
        for count in range(MOST_PER_SLICE):
            wait_s = max(0.0, until - time.monotonic()) if count < most else 0.0
            try:
                batch, outcome = self._arrived.get(timeout=wait_s)
            except queue.Empty:
                break
            if isinstance(outcome, Exception):
                raise outcome
            batch.left -= 1
            found.setdefault(batch, []).append(outcome)
        return found


class Batch:
    """Asks that are worked on in the machinery's loop, whatever the calling thread does meanwhile.

    Only as many are begun as keep their providers busy, so that what comes first need not wait for all that was there.
    """

    def __init__(self, machinery: Machinery, arrivals: Arrivals, purse: Purse | None = None) -> None:
        self._machinery = machinery
        self._purse = purse
        self._arrivals = arrivals
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[Ask] = deque()
        self._most_begun = LEAST_BEGUN
        self.left = 0

    def add(self, asks: Sequence[Ask], *, come_first: bool = False) -> None:
        """More to ask, after what waits already or before it."""
        if asks:
            self.left += len(asks)
            self._machinery.loop.call_soon_threadsafe(self._queue, asks, come_first)

    def abandon(self) -> None:
        """Stops asking; answers on their way are dropped. Harmless when all is done."""
        self._machinery.run(self._cancel())

    def _queue(self, asks: Sequence[Ask], come_first: bool) -> None:
        if come_first:
            self._waiting.extendleft(reversed(asks))
        else:
            self._waiting.extend(asks)
        busiest = max(ask.ways[0].desk.limits.concurrency for ask in asks)
        self._most_begun = max(self._most_begun, 2 * busiest)
        self._begin()

    def _begin(self) -> None:
        while self._waiting and len(self._tasks) < self._most_begun:
            task = self._machinery.loop.create_task(self._work(self._waiting.popleft()))
            self._tasks.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._begin()

    async def _cancel(self) -> None:
        self._waiting.clear()
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
        tokens = estimate(way.question) if desk.limits.tokens_per_minute is not None else 0

        async def ask(left_s: float) -> Answer:
            answer = await client.ask(desk.endpoint, way.question, within_s=left_s)
            if way.check is not None:
                way.check(answer)
            return answer

        return await ask_patiently(
            ask,
            time_s=desk.endpoint.timeout_s,
            take_turn=lambda: self._turn(way, tokens=tokens, is_patient=is_patient),
            hold_back=lambda seconds: limits.pause(desk.limits.provider_id, seconds),
            deadline=deadline,
        )

    @asynccontextmanager
    async def _turn(self, way: Way, *, tokens: int, is_patient: bool) -> AsyncIterator[Turn]:
        """A turn at the provider, with what the question may cost held first where the run has a budget."""
        limits = self._machinery.limits
        if self._purse is None:
            async with limits.turn(way.desk.limits, tokens=tokens, is_patient=is_patient) as turn:
                yield turn
            return
        endpoint, question = way.desk.endpoint, way.question
        async with (
            self._purse.hold(most_of(endpoint, question)) as held,
            limits.turn(way.desk.limits, tokens=tokens, is_patient=is_patient) as turn,
        ):
            held.is_sent = True
            yield turn
            if turn.outcome is not None:
                settle(held, endpoint, question, turn.outcome)


def estimate(question: Question) -> int:
    """Tokens the provider will count, roughly: what is sent, and the longest answer asked for."""
    asked = question.parameters.get("max_tokens") or question.parameters.get("max_completion_tokens")
    answer = asked if isinstance(asked, int) else _TOKENS_OF_AN_ANSWER
    return len(question.encoded()) // _CHARACTERS_PER_TOKEN + answer
