"""A run's budget over all its workers: nothing is sent before what it may cost at most is held in the run's rows.

What is held and not settled when a worker dies counts as spent: it may have been sent. A run stops when what it needs next
would exceed its budget and nothing of it is in flight anywhere, so what was paid for is never thrown away.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum

from evals_app import verdict_words as words
from evals_app.costs import cost_of
from evals_app.models import Run, RunChunk
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question
from registry.core import jobs

# What an answer may have at most where the request does not say.
TOKENS_OF_AN_ANSWER = 4096
# A token has at least so many bytes in what is sent, on average: an estimate on the safe side.
BYTES_PER_TOKEN = 2
# Failures after which it is certain that no answer was made, or sure enough that none is charged.
FREE = {Failure.REFUSED, Failure.CONNECTION, Failure.RATE_LIMITED, Failure.REJECTED, Failure.SERVER, Failure.DOWN}


@dataclass(eq=False)
class Held:
    """Money held for one question; `cost` becomes what it did cost, `is_sent` whether a request went out."""

    most: Decimal
    leave: asyncio.Future[None]
    cost: Decimal
    is_sent: bool = False


class Purse:
    """One chunk's part in its run's budget: questions wait here in the loop's thread, `balance` is called by the worker's."""

    def __init__(self, chunk: RunChunk) -> None:
        self._chunk = chunk
        self._lock = threading.Lock()
        self._waiting: deque[Held] = deque()
        self._out: set[Held] = set()
        # What an earlier worker had held when it was lost.
        self._spent, self._sent = chunk.held_cost, chunk.held_requests

    @asynccontextmanager
    async def hold(self, most: Decimal) -> AsyncIterator[Held]:
        """Waits until so much is held for one question, and settles what it did cost."""
        loop = asyncio.get_running_loop()
        held = Held(most, loop.create_future(), cost=most)
        with self._lock:
            self._waiting.append(held)
        try:
            await held.leave
            yield held
        finally:
            with self._lock:
                if held in self._out:
                    self._out.remove(held)
                    self._spent += held.cost if held.is_sent else Decimal(0)
                    self._sent += held.is_sent
                elif held in self._waiting:
                    self._waiting.remove(held)

    def balance(self) -> str:
        """Writes down what was spent and takes what is waited for; why the run must stop, empty while it may go on."""
        with self._lock:
            spent, sent, wanted = self._spent, self._sent, list(self._waiting)
            out_cost, out_count = sum((one.most for one in self._out), Decimal(0)), len(self._out)
        if not (wanted or sent or self._chunk.held_requests != out_count):
            return ""
        with transaction.atomic():
            run = Run.objects.select_for_update(no_key=True).get(pk=self._chunk.run_id)
            others = RunChunk.objects.filter(run=run).exclude(pk=self._chunk.pk)
            sums = others.aggregate(cost=Sum("held_cost"), count=Sum("held_requests"))
            cost = run.spent_cost + spent + (sums["cost"] or 0) + out_cost
            count = run.spent_requests + sent + (sums["count"] or 0) + out_count
            granted: list[Held] = []
            for one in wanted:
                if not _fits(run, cost + one.most, count + 1):
                    break
                granted.append(one)
                cost, count = cost + one.most, count + 1
            held_cost = out_cost + sum((one.most for one in granted), Decimal(0))
            held_count = out_count + len(granted)
            if not jobs.held(self._chunk).update(held_cost=held_cost, held_requests=held_count):
                return ""
            Run.objects.filter(pk=run.pk).update(
                spent_cost=F("spent_cost") + spent, spent_requests=F("spent_requests") + sent
            )
        self._chunk.held_requests = held_count
        self._hand_out(granted, spent, sent)
        in_flight = held_count + (sums["count"] or 0)
        return _why(run, run.spent_cost + spent, run.spent_requests + sent) if wanted and not in_flight else ""

    def _hand_out(self, granted: list[Held], spent: Decimal, sent: int) -> None:
        with self._lock:
            self._spent, self._sent = self._spent - spent, self._sent - sent
            for one in granted:
                if one in self._waiting:
                    self._waiting.remove(one)
                    self._out.add(one)
        for one in granted:
            one.leave.get_loop().call_soon_threadsafe(_let_go, one.leave)


def most_of(endpoint: Endpoint, question: Question) -> Decimal:
    """What the answer may cost at most, estimated on the safe side; 0 where no price is known."""
    named = question.parameters.get("max_completion_tokens") or question.parameters.get("max_tokens")
    written = named if isinstance(named, int) else TOKENS_OF_AN_ANSWER
    read = len(question.encoded()) // BYTES_PER_TOKEN
    cost = cost_of(base_url=endpoint.base_url, model=question.model, input_tokens=read, output_tokens=written)
    return cost or Decimal(0)


def settle(held: Held, endpoint: Endpoint, question: Question, outcome: Answer | ProviderError) -> None:
    """Note what came of a question: its price, nothing where nobody can have charged, else all that was held."""
    held.is_sent = True
    if isinstance(outcome, ProviderError):
        held.cost = Decimal(0) if outcome.kind in FREE else held.most
        return
    tokens = {"input_tokens": outcome.input_tokens, "output_tokens": outcome.output_tokens}
    cost = cost_of(base_url=endpoint.base_url, model=question.model, **tokens)
    held.cost = held.most if cost is None else cost


def _fits(run: Run, cost: Decimal, count: int) -> bool:
    return (run.budget_cost is None or cost <= run.budget_cost) and (
        run.budget_requests is None or count <= run.budget_requests
    )


def _why(run: Run, spent: Decimal, requests: int) -> str:
    limits = [f"${run.budget_cost.normalize():f}"] if run.budget_cost is not None else []
    limits += [words.count(run.budget_requests, "request")] if run.budget_requests is not None else []
    used = words.count(requests, "request")
    used += f" and ${spent.normalize():f}" if run.budget_cost is not None else ""
    whose, more = "its budget", "Ask again with a larger one to go on."
    if run.is_default_budget:
        whose = "the workspace's default budget"
        more = "Ask again with a larger one to go on, or name one when a run is started; an admin sets the default under Usage."
    return f"Stopped before {whose} of {' and '.join(limits)} was exceeded: {used} spent. {more}"


def _let_go(leave: asyncio.Future[None]) -> None:
    if not leave.done():
        leave.set_result(None)
