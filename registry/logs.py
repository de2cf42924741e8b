"""Structured logs: one line an event, JSON for machines or columns for people, the request id on every line."""

import logging
import logging.config
import re
from typing import Any

import structlog
from structlog.typing import Processor

from registry.core.tracing import with_trace_id

QUIET = {
    # An expected refusal is an answer, not a warning; unexpected errors are logged with their traceback.
    "django.request": {"level": "ERROR"},
    "django.server": {"level": "WARNING"},
    # At DEBUG it writes down whole requests.
    "django.template": {"level": "INFO"},
    # One line for each question to a model says nothing that its result does not say.
    "httpx2": {"level": "WARNING"},
    # The sweep comes every few seconds: only what goes wrong with tasks is news.
    "celery.app.trace": {"level": "WARNING"},
    "celery.worker.strategy": {"level": "WARNING"},
    "celery.beat": {"level": "WARNING"},
}


# Tokens of one-time links, where a library logs the address of a request.
_LINK = re.compile(r"(/(?:sign-in|join|setup)/)[\w-]{20,}")


def line_of(fmt: str) -> list[Processor]:
    """How an event becomes a line. Tracebacks show no values: one of them may be a password or a key."""
    if fmt != "json":
        tracebacks = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=tracebacks), hide_links]
    plain = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [structlog.processors.ExceptionRenderer(plain), structlog.processors.JSONRenderer(), hide_links]


def hide_links(logger: object, method: str, line: Any) -> str:
    """The rendered line without the tokens of one-time links."""
    return _LINK.sub(r"\1…", str(line))


def logging_config(*, level: str, fmt: str) -> None:
    """Route the standard library's and structlog's records through one formatter to standard error."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        with_trace_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    final = line_of(fmt)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": QUIET,
        }
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
