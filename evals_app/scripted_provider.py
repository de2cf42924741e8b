"""A provider that answers by script, over a real socket: for tests, and for the demo where no model can be installed.

It speaks as much of the OpenAI chat-completions protocol as Greenroom asks for, and misbehaves on demand. Its only
model is called `scripted`, so that nobody takes its answers for those of a language model.
Standalone: `python -m evals_app.scripted_provider --port N [--rules rules.json]`, a JSON list of rules.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import signal
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

MODEL_NAME = "scripted"
DEFAULT_PORT = 8834
HUGE_BYTES = 50_000_000
_JSON = "application/json"
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Rule:
    """What to answer to whom. The first rule that fits and is not used up answers; no rule: the question is echoed.

    `calls` are tools that it calls, as name and arguments in JSON; without an `answer` there is no text beside them then.
    `fault` is one of `hang`, `drip`, `reset`, a name of `BODIES` or, where an answer is asked for in pieces, of `CUTS`;
    `status` other than 200 is an error answer.
    """

    answer: str | None = None
    calls: tuple[tuple[str, str], ...] = ()
    contains: str = ""
    anywhere: str = ""
    model: str = ""
    times: int | None = None
    latency_s: float = 0.0
    status: int = 200
    retry_after: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; `at` is monotonic seconds, `question` the last user message."""

    at: float
    model: str
    question: str
    text: str
    body: dict[str, Any]
    authorization: str


@dataclass
class _Use:
    rule: Rule
    left: int | None = field(default=None)


def completion(answer: str | None, *, question: str = "", extra: dict[str, Any] | None = None) -> bytes:
    """A chat completion as JSON text; tokens are counted as words."""
    asked, said = len(question.split()), len((answer or "").split())
    message = {"role": "assistant", "content": answer} | (extra or {})
    return json.dumps(
        {
            "id": "chatcmpl-scripted",
            "object": "chat.completion",
            "created": 0,
            "model": MODEL_NAME,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
        }
    ).encode()


def _tool_calls(rule: Rule) -> dict[str, Any]:
    """The member `tool_calls` of a message, where the rule calls any."""
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, (name, arguments) in enumerate(rule.calls, 1)
    ]
    return {"tool_calls": calls} if calls else {}


def embeddings(texts: list[str]) -> bytes:
    """Embeddings as JSON text: each word counts in one of sixteen places, so texts that share words are alike."""
    rows = []
    for index, text in enumerate(texts):
        vector = [0.0] * 16
        for word in text.lower().split():
            vector[zlib.crc32(word.encode()) % len(vector)] += 1
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    count = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json.dumps({"object": "list", "model": MODEL_NAME, "data": rows, "usage": usage}).encode()


# name → (content type, body, content encoding)
BODIES: dict[str, tuple[str, bytes, str]] = {
    "html": ("text/html", b"<!doctype html><title>Gateway</title><h1>It works!</h1>", ""),
    "empty": (_JSON, b"", ""),
    "truncated": (_JSON, completion("this answer is cut")[:60], ""),
    "wrong_schema": (_JSON, b'{"choices": {"message": ["not", "a", "completion"]}}', ""),
    "no_choices": (_JSON, b'{"id": "x", "object": "chat.completion", "choices": []}', ""),
    "json_list": (_JSON, b"[1, 2, 3]", ""),
    "nul": (_JSON, completion("before\x00after"), ""),
    "surrogate": (_JSON, completion("before").replace(b"before", b"before\\ud800after"), ""),
    "invalid_utf8": (_JSON, completion("before").replace(b"before", b"\xff\xfe\xc3"), ""),
    "null_content": (_JSON, completion(None), ""),
    "odd_tool_calls": (_JSON, completion(None, extra={"tool_calls": ["call me"]}), ""),
    "nul_tool_calls": (_JSON, completion(None, extra={"tool_calls": [{"name": "before\x00after"}]}), ""),
    "no_tool_calls": (_JSON, completion(None, extra={"tool_calls": []}), ""),
    "number_content": (_JSON, completion("7").replace(b'"7"', b"7"), ""),
    "gzip_garbage": (_JSON, b"\x1f\x8b this is not gzip", "gzip"),
}


def _huge(fault: str) -> tuple[str, bytes, str]:
    body = completion("x" * HUGE_BYTES)
    return (_JSON, gzip.compress(body, compresslevel=6), "gzip") if fault == "gzip_bomb" else (_JSON, body, "")


def _text_of(content: object) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


class ScriptedProvider:
    """The server in a thread of its own, with what it was asked. Usable as a context manager; `base_url` ends in /v1.

    Questions with `holds` in them are answered once it says something else.
    """

    def __init__(self, rules: Iterable[Rule] = (), *, port: int = 0, latency_s: float = 0.0) -> None:
        self.latency_s = latency_s
        self.holds = ""
        self.port = port
        self.asked: list[Asked] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._uses: list[_Use] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-provider", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self.script(*rules)

    @property
    def base_url(self) -> str:
        """Where clients point at, version included."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def calls(self) -> int:
        """How many completions were asked for, answered or not."""
        return len(self.asked)

    def script(self, *rules: Rule) -> None:
        """Replaces the rules, from the next request on."""
        with self._lock:
            self._uses = [_Use(rule, rule.times) for rule in rules]

    def start(self) -> Self:
        """Returns once the socket listens."""
        self._thread.start()
        self._ready.wait(10)
        return self

    def stop(self) -> None:
        """Cuts what is open and ends the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(self.listen())
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    async def listen(self) -> asyncio.Server:
        """Listens in the running loop and fills in `port`."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._serve_one(reader, writer):
                pass
        writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _version = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if method == "GET" and path.endswith("/models"):
            models = {
                "object": "list",
                "data": [{"id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "script"}],
            }
            await _send(writer, 200, _JSON, json.dumps(models).encode())
            return True
        if method != "POST" or not path.endswith(("/chat/completions", "/embeddings")):
            await _send(writer, 404, _JSON, b'{"error": {"message": "no such path"}}')
            return True
        return await self._complete(writer, json.loads(body), headers)

    async def _complete(self, writer: asyncio.StreamWriter, body: dict[str, Any], headers: dict[str, str]) -> bool:
        messages = [message for message in body.get("messages", []) if isinstance(message, dict)]
        said = [_text_of(message.get("content")) for message in messages]
        question = next((text for text, message in reversed(list(zip(said, messages, strict=True)))
                         if message.get("role") == "user"), "")  # fmt: skip
        text = "\n".join(said or map(str, body.get("input", [])))
        asked = Asked(time.monotonic(), str(body.get("model")), question, text, body, headers.get("authorization", ""))
        with self._lock:
            self.asked.append(asked)
            rule = self._rule_for(asked)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(rule.latency_s or self.latency_s)
            while self.holds and self.holds in text:
                await asyncio.sleep(0.02)
            return await _answer(writer, rule, asked)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _rule_for(self, asked: Asked) -> Rule:
        for use in self._uses:
            rule = use.rule
            fits = (
                rule.contains.lower() in asked.question.lower()
                and rule.anywhere in asked.text
                and rule.model in ("", asked.model)
            )
            if fits and use.left != 0:
                use.left = None if use.left is None else use.left - 1
                return rule
        return Rule()


async def _answer(writer: asyncio.StreamWriter, rule: Rule, asked: Asked) -> bool:
    """Writes what the rule says; False when the connection cannot go on."""
    question = asked.question
    if rule.fault == "hang":
        await asyncio.sleep(3600)
    if rule.fault == "reset":
        writer.transport.abort()
        return False
    if rule.fault == "drip":
        return await _drip(writer, completion(rule.answer or question, question=question))
    if asked.body.get("stream") and rule.status == 200 and rule.fault in {"", *CUTS}:
        return await _stream(writer, asked, rule)
    if rule.fault:
        kind, body, encoding = BODIES[rule.fault] if rule.fault in BODIES else _huge(rule.fault)
        await _send(writer, rule.status, kind, body, encoding=encoding)
    elif rule.status != 200:
        body = json.dumps({"error": {"message": f"scripted {rule.status}", "type": "scripted"}}).encode()
        await _send(writer, rule.status, _JSON, body, retry_after=rule.retry_after)
    elif "input" in asked.body:
        await _send(writer, 200, _JSON, embeddings([str(text) for text in asked.body["input"]]))
    else:
        answer = question if rule.answer is None and not rule.calls else rule.answer
        await _send(writer, 200, _JSON, completion(answer, question=question, extra=_tool_calls(rule)))
    return True


def pieces(answer: str, *, question: str = "") -> list[bytes]:
    """The same completion as server-sent events, a word each, usage last."""
    words = answer.split(" ")
    texts = [word if number == 0 else f" {word}" for number, word in enumerate(words)]
    choices: list[list[dict[str, Any]]] = [[{"index": 0, "delta": {"content": text}}] for text in texts]
    choices.append([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    usage = json.loads(completion(answer, question=question))["usage"]
    events = [{"choices": one} for one in choices] + [{"choices": [], "usage": usage}]
    return [b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n" for event in events]


# Ways in which a stream goes wrong, or only looks as if it did; each gets all events and gives the packets to write.
CUTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "cut": lambda events: events[: len(events) // 2],
    "cut_in_a_character": lambda events: [b"".join(events)[: b"".join(events).index(b"\xc3") + 1]],
    "no_done": lambda events: events,
    "no_finish": lambda events: [*events[:-2], b"data: [DONE]\n\n"],
    "error_inside": lambda events: [*events[:1], b'data: {"error": {"message": "overloaded"}}\n\n'],
    "nonsense_inside": lambda events: [*events[:1], b"data: <html>\n\n", b"data: [DONE]\n\n"],
    "one_packet": lambda events: [b": hello\r\n\r\n" + b"".join(events) + b"data: [DONE]\n\n"],
    "byte_by_byte": lambda events: [bytes([byte]) for byte in b"".join(events) + b"data: [DONE]\n\n"],
}


async def _stream(writer: asyncio.StreamWriter, asked: Asked, rule: Rule) -> bool:
    """The answer in pieces; the end of the connection is the end of the stream."""
    answer = asked.question if rule.answer is None and not rule.calls else rule.answer or ""
    events = pieces(answer, question=asked.question)
    calls = [{"index": number, **call} for number, call in enumerate(_tool_calls(rule).get("tool_calls", []))]
    if calls:
        events.insert(
            -2, b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": calls}}]}).encode() + b"\n\n"
        )
    packets = CUTS[rule.fault](events) if rule.fault else [*events, b"data: [DONE]\n\n"]
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    for packet in packets:
        writer.write(packet)
        await writer.drain()
        await asyncio.sleep(0)
    return False


async def _drip(writer: asyncio.StreamWriter, body: bytes) -> bool:
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {_JSON}\r\ncontent-length: {len(body)}\r\n\r\n".encode())
    for byte in body:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)
    return True


async def _send(
    writer: asyncio.StreamWriter, status: int, kind: str, body: bytes, *, encoding: str = "", retry_after: str = ""
) -> None:
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Scripted')}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
    ]
    lines += [f"content-encoding: {encoding}"] if encoding else []
    lines += [f"retry-after: {retry_after}"] if retry_after else []
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()


def rules_from(text: str) -> tuple[Rule, ...]:
    """The rules of a JSON list of objects with the fields of `Rule`. TypeError on an unknown field."""
    return tuple(Rule(**rule) for rule in json.loads(text))


async def _serve(provider: ScriptedProvider) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await provider.listen()
    sys.stdout.write(f"scripted provider (no language model) at {provider.base_url}\n")
    sys.stdout.flush()
    await stopped.wait()


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; exit code 1 on a busy port."""
    parser = argparse.ArgumentParser(prog="python -m evals_app.scripted_provider", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--rules", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args(arguments)
    rules = rules_from(options.rules.read_text()) if options.rules else ()
    try:
        asyncio.run(_serve(ScriptedProvider(rules, port=options.port, latency_s=options.latency_ms / 1000)))
    except OSError as error:
        sys.stdout.write(f"The scripted provider could not listen on 127.0.0.1:{options.port} ({error.strerror})\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
