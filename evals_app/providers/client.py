"""One question to one endpoint: every way an answer can be wrong becomes a ProviderError."""

import asyncio
import json
import time
from collections.abc import Set as AbstractSet
from email.utils import parsedate_to_datetime

import httpx2
import openai

from evals_app.providers import transport
from evals_app.providers.talk import Answer, Endpoint, Failure, ProviderError, Question, excerpt_of
from registry.core.canonical import JSON, InvalidJson, check_json
from registry.core.outbound import OutboundError, check_url

_CLIENTS_KEPT = 64


class ModelClient:
    """Asks endpoints over one pool of connections; lives in one event loop, closed with `close`."""

    def __init__(self, allow: AbstractSet[str]) -> None:
        self._allow = allow
        self._http = transport.http_client(allow)
        self._clients: dict[Endpoint, openai.AsyncOpenAI] = {}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def ask(self, endpoint: Endpoint, question: Question, *, within_s: float | None = None) -> Answer:
        """One try, ended after `within_s` (the endpoint's time when left out); raises ProviderError."""
        limit_s = endpoint.timeout_s if within_s is None else within_s
        began = time.monotonic()
        try:
            async with asyncio.timeout(limit_s):
                response = await self._client(endpoint).post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body=question.body(),
                    options={"timeout": httpx2.Timeout(limit_s + 1, connect=transport.CONNECT_TIMEOUT_S)},
                )
        except Exception as error:  # whatever the wire or the SDK does must not end the worker
            raise _failure(error, endpoint, limit_s) from error
        return _read(response.content, endpoint, latency_ms=round((time.monotonic() - began) * 1000))

    async def models(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The names of the models that the endpoint says it has; raises ProviderError."""
        try:
            async with asyncio.timeout(endpoint.timeout_s):
                response = await self._client(endpoint).get("/models", cast_to=httpx2.Response)
        except Exception as error:
            raise _failure(error, endpoint, endpoint.timeout_s) from error
        try:
            return tuple(str(entry["id"]) for entry in json.loads(response.content)["data"])
        except (ValueError, TypeError, LookupError, RecursionError):
            raise _garbage(response.content, endpoint) from None

    def _client(self, endpoint: Endpoint) -> openai.AsyncOpenAI:
        check_url(endpoint.base_url, allow=self._allow)
        client = self._clients.get(endpoint)
        if client is None:
            if len(self._clients) >= _CLIENTS_KEPT:
                self._clients.clear()
            client = openai.AsyncOpenAI(
                base_url=endpoint.base_url, api_key=endpoint.api_key or "none", max_retries=0, http_client=self._http
            )
            self._clients[endpoint] = client
        return client


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
        return _of_status(error, endpoint)
    if isinstance(error, TimeoutError):
        return ProviderError(Failure.TIMEOUT, f"no complete answer within {limit_s:.1f} s")
    root = excerpt_of(f"{type(causes[-1]).__name__}: {causes[-1]}", secret=endpoint.api_key)
    if isinstance(error, openai.APIConnectionError):
        return ProviderError(Failure.CONNECTION, root)
    return ProviderError(Failure.GARBAGE, root)


def _of_status(error: openai.APIStatusError, endpoint: Endpoint) -> ProviderError:
    status = error.status_code
    excerpt = f"HTTP {status}: {excerpt_of(error.response.text, secret=endpoint.api_key)}"
    if status == 429:
        kind = Failure.RATE_LIMITED
    elif status >= 500 or status == 408:
        kind = Failure.SERVER
    else:
        kind = Failure.REJECTED
    return ProviderError(kind, excerpt, status=status, retry_after_s=_retry_after_s(error.response.headers))


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    text = headers.get("retry-after", "")
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
    usage = reply.get("usage")
    return Answer(text, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens"), latency_ms, tuple(calls))


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
