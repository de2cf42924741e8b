"""The messages on the pipe, a job with the bytes of a source beside it and an answer; and those to who starts workers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping

from registry.core.canonical import JSON

JOB = struct.Struct(">II")
ANSWER = struct.Struct(">I")
ORDER = struct.Struct(">Bi")  # what to do, and to which pid
OUTCOME = struct.Struct(">i")
START, END = 1, 2
UNKNOWN = 1000  # no way for a process to end


def pack_job(job: Mapping[str, JSON], source: bytes = b"") -> bytes:
    """The source travels as bytes of its own, so that the worker can look it up without reading it."""
    body = to_bytes(job)
    return b"".join((JOB.pack(len(source), len(body)), source, body))


def read_job(read: Callable[[int], bytes]) -> tuple[bytes, dict[str, JSON]] | None:
    """The next source and job; None at the end of the stream."""
    header = read(JOB.size)
    if len(header) < JOB.size:
        return None
    source_size, body_size = JOB.unpack(header)
    return read(source_size), json.loads(read(body_size))


def pack_answer(answer: Mapping[str, JSON]) -> bytes:
    body = to_bytes(answer)
    return ANSWER.pack(len(body)) + body


def to_bytes(value: Mapping[str, JSON]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
