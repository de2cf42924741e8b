"""Many questions in flight: each waits for its turn at its provider, is tried three times, and ends as an outcome."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from evals_app.engine.machinery import Machinery
from evals_app.engine.plan import Slot
from evals_app.providers.limits import Limits
from evals_app.providers.patience import ask_patiently
from evals_app.providers.talk import Answer, Endpoint, ProviderError, Question

SLICE_S = 0.5
MOST_PER_SLICE = 200
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
    digest: str


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


class Batch:
    """Asks being worked on in the machinery's loop, which runs only while `collect` is called."""

    def __init__(self, machinery: Machinery, asks: Sequence[Ask]) -> None:
        self._machinery = machinery
        self._outcomes: asyncio.Queue[Outcome | Exception] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self.left = len(asks)
        machinery.run(self._start(asks))

    def collect(self) -> list[Outcome]:
        """What has come in, after half a second at most; often empty when providers are slow. Bugs are raised here."""
        outcomes = self._machinery.run(self._gather())
        self.left -= len(outcomes)
        return outcomes

    def abandon(self) -> None:
        """Stops asking; answers on their way are dropped. Harmless when all is done."""
        self._machinery.run(self._cancel())

    async def _start(self, asks: Sequence[Ask]) -> None:
        self._tasks = [asyncio.create_task(self._work(ask)) for ask in asks]

    async def _gather(self) -> list[Outcome]:
        outcomes: list[Outcome | Exception] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SLICE_S):
                while len(outcomes) < min(MOST_PER_SLICE, self.left):
                    outcomes.append(await self._outcomes.get())
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Outcome)]

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, ask: Ask) -> None:
        try:
            self._outcomes.put_nowait(await self._outcome(ask))
        except Exception as bug:
            self._outcomes.put_nowait(bug)

    async def _outcome(self, ask: Ask) -> Outcome:
        """The first way's outcome, unless its provider is down and there is another one."""
        way, *others = ask.ways
        while True:
            try:
                return Outcome(ask, way, answer=await self._answer(way))
            except ProviderError as error:
                if not others or not error.kind.is_outage:
                    return Outcome(ask, way, error=error)
            way, *others = others

    async def _answer(self, way: Way) -> Answer:
        desk, client, limits = way.desk, self._machinery.client, self._machinery.limits
        estimate = _estimate(way.question)
        return await ask_patiently(
            lambda left_s: client.ask(desk.endpoint, way.question, within_s=left_s),
            time_s=desk.endpoint.timeout_s,
            take_turn=lambda: limits.turn(desk.limits, tokens=estimate),
            hold_back=lambda seconds: limits.pause(desk.limits.provider_id, seconds),
        )


def _estimate(question: Question) -> int:
    """Tokens the provider will count, roughly: what is sent, and the longest answer asked for."""
    asked = question.parameters.get("max_tokens") or question.parameters.get("max_completion_tokens")
    answer = asked if isinstance(asked, int) else _TOKENS_OF_AN_ANSWER
    return len(json.dumps(question.body())) // _CHARACTERS_PER_TOKEN + answer
