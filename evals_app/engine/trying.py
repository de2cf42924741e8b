"""One real question to a provider, now: whether address, key and model work."""

import asyncio
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from evals_app.engine.machinery import load_client
from evals_app.models import Provider
from evals_app.providers.talk import Answer, Endpoint, ProviderError, Question
from registry.core.secrets import unseal

LONGEST_S = 20.0
QUESTION = "Answer with the one word: ready"
MOST_TOKENS = 16


@dataclass(frozen=True)
class Tried:
    """What came of it: an answer or an error, never both."""

    model: str
    answer: Answer | None = None
    error: ProviderError | None = None


def try_provider(provider: Provider, model: str, *, allow: AbstractSet[str]) -> Tried:
    """Ask once, without the shared limits, for at most 20 s; raises SecretUnreadable for a key that does not open."""
    key = unseal(provider.sealed_key, context=provider.key_context) if provider.sealed_key else ""
    endpoint = Endpoint(provider.base_url, key, min(provider.timeout_s, LONGEST_S), provider.streams)
    question = Question(model, ({"role": "user", "content": QUESTION},), {"max_tokens": MOST_TOKENS})
    try:
        return Tried(model, answer=asyncio.run(_ask(endpoint, question, allow)))
    except ProviderError as error:
        return Tried(model, error=error)


async def _ask(endpoint: Endpoint, question: Question, allow: AbstractSet[str]) -> Answer:
    client = load_client()(allow)
    try:
        return await client.ask(endpoint, question)
    finally:
        await client.close()
