"""One question to one endpoint: every way an answer can be wrong becomes a ProviderError."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import httpx2
import openai
from multidict import CIMultiDict
from yarl import URL

from evals_app.providers import transport
from evals_app.providers.choices import finish_reason_of, perplexity_of
from evals_app.providers.embeddings import cosine_of
from evals_app.providers.streams import Assembly, StreamCutError, StreamFailedError
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question, excerpt_of
from registry.core import tracing
from registry.core.canonical import JSON, InvalidJson, check_json
from registry.core.outbound import OutboundError, check_url

_DOORS_KEPT = 64


@dataclass(frozen=True, slots=True)
class _Door:
    """How an endpoint is asked: the SDK's client, and what it would send with every question."""

    sdk: openai.AsyncOpenAI
    url: URL
    headers: Mapping[str, str]


class ModelClient:
    """Asks endpoints over one pool of connections; lives in one event loop, closed with `close`.

    Questions are sent as the OpenAI SDK would send them, by its transport and with its headers, but past its layers:
    they cost three times the processor time of the exchange itself.
    """

    def __init__(self, allow: AbstractSet[str]) -> None:
        self._allow = allow
        self._transport = transport.GuardedTransport(allow)
        self._http = transport.http_client(self._transport)
        self._doors: dict[Endpoint, _Door] = {}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def ask(
        self,
        endpoint: Endpoint,
        question: Question,
        *,
        within_s: float | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> Answer:
        """One try, ended after `within_s` (the endpoint's time when left out); raises ProviderError.

        `tell` gets the text piece by piece as it comes, where the endpoint is asked for pieces and gives them.
        """
        is_chat = question.path == Question.path
        operation = "chat" if is_chat else "embeddings"
        about: dict[str, tracing.Value] = {
            "gen_ai.operation.name": operation,
            "gen_ai.request.model": question.model,
            "server.address": urlsplit(endpoint.base_url).hostname or "",
        }
        with tracing.span(f"{operation} {question.model}", about, kind="CLIENT") as span:
            try:
                answer = await self._ask(endpoint, question, within_s=within_s, tell=tell)
            except ProviderError as error:
                span.fail(str(error.kind))
                raise
            tokens = {"input": answer.input_tokens, "output": answer.output_tokens}
            span.note({f"gen_ai.usage.{name}_tokens": count for name, count in tokens.items() if count is not None})
            return answer

    async def _ask(
        self, endpoint: Endpoint, question: Question, *, within_s: float | None, tell: Callable[[str], None] | None
    ) -> Answer:
        limit_s = endpoint.timeout_s if within_s is None else within_s
        began = time.monotonic()
        is_chat = question.path == Question.path
        stream = Assembly(tell) if endpoint.streams and is_chat else None
        try:
            door = self._door(endpoint)
            async with asyncio.timeout(limit_s):
                reply = await self._transport.post(
                    door.url if is_chat else URL(f"{endpoint.base_url}{question.path}"),
                    door.headers,
                    question.encoded(stream=endpoint.streams),
                    until=stream.feed if stream else None,
                )
        except Exception as error:  # whatever the wire or the SDK does must not end the worker
            raise _failure(error, endpoint, limit_s) from error
        if not 200 <= reply.status < 300:
            raise _of_status(reply, endpoint)
        latency_ms = round((time.monotonic() - began) * 1000)
        if not is_chat:
            return _read_likeness(reply.content, endpoint, latency_ms=latency_ms)
        content = reply.content if stream is None or not stream.has_begun else _assembled(stream, endpoint)
        return _read(content, endpoint, latency_ms=latency_ms)

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The names of the models that the endpoint says it has; raises ProviderError."""
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                response = await self._door(endpoint).sdk.get("/models", cast_to=httpx2.Response)
        except Exception as error:
            raise _failure(error, endpoint, endpoint.timeout_s) from error
        try:
            return tuple(str(entry["id"]) for entry in json.loads(response.content)["data"])
        except (ValueError, TypeError, LookupError, RecursionError):
            raise _garbage(response.content, endpoint) from None

    def _door(self, endpoint: Endpoint) -> _Door:
        """The way to an endpoint whose address may be connected to; raises OutboundError."""
        door = self._doors.get(endpoint)
        if door is None:
            check_url(endpoint.base_url, allow=self._allow)
            if len(self._doors) >= _DOORS_KEPT:
                self._doors.clear()
            sdk = openai.AsyncOpenAI(
                base_url=endpoint.base_url, api_key=endpoint.api_key or "none", max_retries=0, http_client=self._http
            )
            headers = {name: value for name, value in sdk.default_headers.items() if isinstance(value, str)}
            headers |= {"Authorization": f"Bearer {sdk.api_key}", "Accept-Encoding": "identity"}
            door = _Door(sdk, URL(f"{endpoint.base_url}{Question.path}"), CIMultiDict(headers))
            self._doors[endpoint] = door
        return door


def _failure(error: Exception, endpoint: Endpoint, limit_s: float) -> ProviderError:
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, OutboundError | transport.AddressRefusedError):
            return ProviderError(Failure.REFUSED, str(cause))
        if isinstance(cause, transport.BodyTooLargeError):
            return ProviderError(Failure.TOO_LARGE, f"the answer has more than {transport.MOST_BYTES} bytes")
        if isinstance(cause, transport.BodyEncodedError):
            return ProviderError(Failure.GARBAGE, "the answer is compressed although this was not asked for")
    if isinstance(error, openai.APIStatusError):
        said = error.response
        return _of_status(transport.Reply(error.status_code, said.headers, said.content), endpoint)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ProviderError(Failure.CONNECTION, f"no connection within {transport.CONNECT_TIMEOUT_S:g} s")
    if isinstance(error, TimeoutError):
        return ProviderError(Failure.TIMEOUT, f"no complete answer within {limit_s:.1f} s")
    root = excerpt_of(f"{type(causes[-1]).__name__}: {causes[-1]}", secret=endpoint.api_key)
    if isinstance(error, openai.APIConnectionError | aiohttp.ClientError | OSError):
        return ProviderError(Failure.CONNECTION, root)
    return ProviderError(Failure.GARBAGE, root)


def _of_status(reply: transport.Reply, endpoint: Endpoint) -> ProviderError:
    said = reply.content[:4000].decode("utf-8", "replace")
    excerpt = f"HTTP {reply.status}: {excerpt_of(said, secret=endpoint.api_key)}"
    if reply.status == 429:
        kind = Failure.RATE_LIMITED
    elif reply.status >= 500 or reply.status == 408:
        kind = Failure.SERVER
    else:
        kind = Failure.REJECTED
    retry_after_s = _retry_after_s(reply.headers.get("retry-after", ""))
    return ProviderError(kind, excerpt, status=reply.status, retry_after_s=retry_after_s)


def _retry_after_s(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, outermost first."""
    chain = [error]
    while len(chain) < 20 and (inner := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(inner)
    return chain


def _assembled(stream: Assembly, endpoint: Endpoint) -> bytes:
    """What came in pieces as one completion; raises ProviderError for a stream that is broken or not at its end."""
    try:
        return stream.completion()
    except StreamFailedError as failed:
        raise ProviderError(Failure.SERVER, excerpt_of(str(failed), secret=endpoint.api_key)) from None
    except StreamCutError as cut:
        raise ProviderError(Failure.GARBAGE, excerpt_of(str(cut), secret=endpoint.api_key)) from None


def _read(content: bytes, endpoint: Endpoint, *, latency_ms: int) -> Answer:
    try:
        reply = json.loads(content)
        message = reply["choices"][0]["message"]
        text = message["content"]
    except (ValueError, TypeError, LookupError, RecursionError):
        raise _garbage(content, endpoint) from None
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list) or not _are_storable(calls):
        raise _garbage(content, endpoint)
    if text is None and calls:
        text = ""
    if text is None:
        raise ProviderError(Failure.NO_TEXT, excerpt_of(json.dumps(message), secret=endpoint.api_key))
    if not isinstance(text, str) or not _is_storable(text):
        raise _garbage(content, endpoint)
    usage, choice = reply.get("usage"), reply["choices"][0]
    read, written = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    return Answer(text, read, written, latency_ms, tuple(calls), finish_reason_of(choice), perplexity_of(choice))


def _read_likeness(content: bytes, endpoint: Endpoint, *, latency_ms: int) -> Answer:
    try:
        reply = json.loads(content)
        cosine = cosine_of(reply)
    except (ValueError, RecursionError):
        raise _garbage(content, endpoint) from None
    return Answer(repr(cosine), _count(reply.get("usage"), "prompt_tokens"), 0, latency_ms)


def _garbage(content: bytes, endpoint: Endpoint) -> ProviderError:
    seen = content[:4000].decode("utf-8", "replace") or "an empty answer"
    return ProviderError(Failure.GARBAGE, excerpt_of(seen, secret=endpoint.api_key))


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _are_storable(calls: list[JSON]) -> bool:
    try:
        check_json(calls)
    except InvalidJson:
        return False
    return all(isinstance(call, dict) for call in calls)


def _count(usage: JSON, name: str) -> int | None:
    count = usage.get(name) if isinstance(usage, dict) else None
    if isinstance(count, bool) or not isinstance(count, int):
        return None
    return count if 0 <= count < 2**31 else None
