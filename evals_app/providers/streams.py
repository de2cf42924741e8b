"""An answer that comes in pieces, put together: whatever packets it was cut into, and never taken for whole too early. Pure."""

import json
from collections.abc import Callable
from typing import cast

from registry.core.canonical import JSON

LONGEST_EXCERPT = 400


class StreamCutError(Exception):
    """The stream ended, or spoke nonsense, before the answer was complete; the text says what there was."""


class StreamFailedError(Exception):
    """The provider reported an error in the middle of its answer."""


class Assembly:
    """Server-sent events of a chat completion, fed in any pieces; complete only with `[DONE]` and a reason for the end.

    `tell` gets each piece of its text as it comes: what was told may yet turn out to be cut.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self.has_begun = False
        self._tell = tell
        self._rest = b""
        self._text: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self._usage: JSON = None
        self._finish: JSON = None
        self._is_done = False
        self._failure: Exception | None = None

    def feed(self, piece: bytes) -> bool:
        """Take what has come; True when nothing more is needed."""
        self.has_begun = True
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if self._is_done or self._failure:
                break
            self._line(line.rstrip(b"\r"))
        return self._is_done or self._failure is not None

    def completion(self) -> bytes:
        """The same as one chat completion in JSON; raises StreamCutError or StreamFailedError."""
        if self._failure is not None:
            raise self._failure
        if not self._is_done or self._finish is None:
            what = "without an end" if self._is_done else "before its end"
            raise StreamCutError(f"the stream stopped {what}, after: {self._excerpt()}")
        calls: list[JSON] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
            for _, call in sorted(self._calls.items())
        ]
        message: dict[str, JSON] = {"role": "assistant", "content": "".join(self._text) or (None if calls else "")}
        message |= {"tool_calls": calls} if calls else {}
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": self._finish}], "usage": self._usage}
        return json.dumps(whole).encode()

    def _line(self, line: bytes) -> None:
        """One line of the stream: only `data:` carries anything, and each of these events has one such line."""
        name, _, value = line.partition(b":")
        if name != b"data":
            return
        value = value.strip()
        if value == b"[DONE]":
            self._is_done = True
            return
        try:
            self._event(json.loads(value))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            shown = value[:LONGEST_EXCERPT].decode("utf-8", "replace")
            self._failure = StreamCutError(f"a piece of the stream is no piece of a completion: {shown}")

    def _event(self, event: dict[str, JSON]) -> None:
        if event.get("error"):
            self._failure = StreamFailedError(json.dumps(event["error"], ensure_ascii=False)[:LONGEST_EXCERPT])
            return
        self._usage = event.get("usage") or self._usage
        for choice in cast("list[dict[str, JSON]]", event["choices"]):
            if choice.get("index", 0) != 0:
                continue
            self._finish = choice.get("finish_reason") or self._finish
            delta = cast("dict[str, JSON]", choice.get("delta") or {})
            content = delta.get("content")
            if content is not None:
                self._text.append(_checked(content))
                if self._tell is not None and content:
                    self._tell(self._text[-1])
            for call in cast("list[dict[str, JSON]]", delta.get("tool_calls") or []):
                self._call(call)

    def _call(self, piece: dict[str, JSON]) -> None:
        number = piece["index"]
        if not isinstance(number, int):
            raise TypeError
        known = self._calls.setdefault(number, {"id": "", "name": "", "arguments": ""})
        known["id"] = _checked(piece.get("id") or known["id"])
        function = cast("dict[str, JSON]", piece.get("function") or {})
        known["name"] = _checked(function.get("name") or known["name"])
        known["arguments"] += _checked(function.get("arguments") or "")

    def _excerpt(self) -> str:
        return (
            "".join(self._text)[:LONGEST_EXCERPT]
            or self._rest[:LONGEST_EXCERPT].decode("utf-8", "replace")
            or "nothing"
        )


def _checked(value: JSON) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
