"""What is asked of a provider and what comes back, as plain values. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from registry.core.canonical import JSON

EXCERPT_CHARACTERS = 500


class Failure(StrEnum):
    """Why there is no answer; the word is stored with the result."""

    REFUSED = "refused"  # our own rule: the address must not be connected to
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"  # 4xx: asking again would be rejected again
    SERVER = "server"
    GARBAGE = "garbage"  # not a chat completion, or one that cannot be stored
    TOO_LARGE = "too_large"
    NO_TEXT = "no_text"
    DOWN = "down"  # not asked: its breaker is open
    JUDGE = "judge"  # a judge that does not answer in its form

    @property
    def is_worth_retrying(self) -> bool:
        """False where the same request must fail again, or its time is up."""
        return self not in {Failure.REFUSED, Failure.REJECTED, Failure.TOO_LARGE, Failure.TIMEOUT, Failure.DOWN}

    @property
    def is_outage(self) -> bool:
        """True where another provider may well answer: this one is away, overloaded or too slow."""
        return self.says_down or self in {Failure.RATE_LIMITED, Failure.DOWN}

    @property
    def says_down(self) -> bool:
        """True where many of them in a row mean that nobody should be asked for a while."""
        return self in {Failure.CONNECTION, Failure.SERVER, Failure.TIMEOUT}

    @property
    def says_alive(self) -> bool:
        """True where the provider itself has answered, if only with a refusal."""
        return self in {Failure.REJECTED, Failure.RATE_LIMITED, Failure.NO_TEXT, Failure.JUDGE}


class ProviderError(Exception):
    """No usable answer. `excerpt` is what came instead, cleaned and cut; `retry_after_s` what the provider asked for."""

    def __init__(
        self, kind: Failure, excerpt: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{kind}: {excerpt}")
        self.kind = kind
        self.excerpt = excerpt
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Endpoint:
    """Where to ask. `timeout_s` is all the time one question may spend waiting for answers, over all its tries.

    `streams`: ask for answers in pieces, for endpoints that give no others or cut long ones short.
    """

    base_url: str
    api_key: str = field(repr=False)
    timeout_s: float
    streams: bool = False


@dataclass(frozen=True)
class Question:
    """One chat completion: `parameters` are further members of the request, such as temperature or response_format."""

    path: ClassVar[str] = "/chat/completions"

    model: str
    messages: tuple[Mapping[str, JSON], ...]
    parameters: Mapping[str, JSON]

    def body(self) -> dict[str, JSON]:
        """The request's JSON."""
        return {**self.parameters, "model": self.model, "messages": [dict(message) for message in self.messages]}

    def encoded(self, *, stream: bool = False) -> bytes:
        """The bytes to send, asking for the answer in pieces or at once."""
        more: dict[str, JSON] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        return json.dumps({**self.body(), **more}, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Likeness(Question):
    """How alike two texts are: the answer's text is the cosine of their embeddings."""

    path: ClassVar[str] = "/embeddings"

    texts: tuple[str, str] = ("", "")

    def body(self) -> dict[str, JSON]:
        """The request's JSON."""
        return {"model": self.model, "input": list(self.texts), "encoding_format": "float"}

    def encoded(self, *, stream: bool = False) -> bytes:
        """The bytes to send; embeddings never come in pieces."""
        return super().encoded()


@dataclass(frozen=True)
class Answer:
    """A complete answer: text without NUL or lone surrogates, token counts as the provider gave them, None if it did not.

    An answer that only calls tools has no text; the calls are as the provider gave them, without such characters too.
    `finish_reason` is empty, and `perplexity` None, where the provider does not tell them.
    """

    text: str
    input_tokens: int | None
    output_tokens: int | None
    latency_ms: int
    tool_calls: tuple[JSON, ...] = ()
    finish_reason: str = ""
    perplexity: float | None = None


def excerpt_of(text: str, *, secret: str = "") -> str:
    """The beginning of `text`, fit to be stored and shown: no NUL, no lone surrogate, not the key that was sent."""
    if secret:
        text = text.replace(secret, "[key]")
    text = (
        text[: 2 * EXCERPT_CHARACTERS].encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"
