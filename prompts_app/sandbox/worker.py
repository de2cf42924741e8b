"""The render worker: one process that reads jobs from its standard input and answers on its standard output.

A fork of `prompts_app.sandbox.starter`. It holds no secret, opens no file and no connection, and limits itself
before it reads the first job; whoever asked for it watches the clock. Django is never imported here.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import time
from collections.abc import Callable
from functools import lru_cache

from prompts_app.sandbox.framing import pack_answer, read_job
from prompts_app.sandbox.rendering import Problem, SourceCache, names_in, render_source
from registry.core.canonical import JSON

MEMORY_BYTES = 512 * 1024 * 1024
RETIRE_ABOVE_KB = 256 * 1024
CPU_SECONDS = 4
OPEN_FILES = 16

SOURCES = SourceCache()

type Job = dict[str, JSON]


def render(source: bytes, job: Job) -> JSON:
    variables = job["variables"]
    return render_source(SOURCES.get(source), variables if isinstance(variables, dict) else {})


def inspect(source: bytes, job: Job) -> JSON:
    names: list[JSON] = list(names_in(SOURCES.get(source)))
    return names


def match(source: bytes, job: Job) -> JSON:
    try:
        return _pattern(str(job["pattern"])).search(str(job["text"])) is not None
    except (re.error, OverflowError, RecursionError):
        raise Problem("pattern", "This is not a regular expression.") from None


def read_patterns(source: bytes, job: Job) -> JSON:
    """Which of the patterns is the first that is no regular expression; None where all are."""
    patterns = job["patterns"]
    for index, pattern in enumerate(patterns if isinstance(patterns, list) else []):
        try:
            re.compile(str(pattern))
        except (re.error, OverflowError, RecursionError):
            return index
    return None


def validate(source: bytes, job: Job) -> JSON:
    """Where a value does not fit a schema. Loaded at first use only: most schemas never need it."""
    from prompts_app.sandbox.schema import mistakes

    return mistakes(source, job["value"])


@lru_cache(maxsize=128)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


OPERATIONS: dict[JSON, Callable[[bytes, Job], JSON]] = {
    "render": render,
    "inspect": inspect,
    "match": match,
    "read": read_patterns,
    "validate": validate,
}


def answer(source: bytes, job: Job) -> dict[str, JSON]:
    """What goes back: `result`, or `problem` with its kind, text, line, message and variable."""
    try:
        return {"result": OPERATIONS[job["do"]](source, job)}
    except Problem as problem:
        found = {key: value for key, value in vars(problem).items() if value not in {None, ""}}
        return {"problem": found}
    except MemoryError:
        return {"problem": {"kind": "limit", "text": "The job needs more memory than it gets."}}
    except RecursionError:
        return {"problem": {"kind": "limit", "text": "The job goes too deep."}}
    except Exception as error:
        return {"problem": {"kind": "refused", "text": f"The job failed with {type(error).__name__}."}}


def packed(reply: dict[str, JSON]) -> bytes:
    """The answer as it travels; one that cannot be written is a limit too."""
    try:
        return pack_answer(reply)
    except (MemoryError, RecursionError, ValueError):
        return pack_answer({"problem": {"kind": "limit", "text": "The answer cannot be written: it is too large."}})


def limit_process() -> None:
    """No files, no children, no core, and so much memory; what the system does not know is left out."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(which, (most, most))


def allow_cpu() -> None:
    """Room for one more job: the process may live long, no job may run for ever even if nobody watches."""
    used = time.process_time()
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY or soft - used < CPU_SECONDS:
        soft = int(used) + CPU_SECONDS + 1
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def is_worn() -> bool:
    """Whether the process has grown so large that a fresh one is better."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > RETIRE_ABOVE_KB


def serve() -> None:
    """Serve until the other end closes; the standard streams become the void, so that nothing else can speak."""
    jobs = os.fdopen(os.dup(0), "rb")
    answers = os.dup(1)
    void = os.open(os.devnull, os.O_RDWR)
    limit_process()
    os.write(answers, pack_answer({"ready": True}))
    for stream in (0, 1, 2):
        os.dup2(void, stream)
    while (job := read_job(jobs.read)) is not None:
        allow_cpu()
        reply = answer(*job)
        worn = is_worn()
        _write(answers, packed(reply | {"worn": True} if worn else reply))
        if worn:
            break


def _write(where: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(where, view) :]
