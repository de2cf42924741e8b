"""`manage.py serve_delivery`: a process near the services that answers what they read, and nothing else."""

import os
import sys
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from registry.precedence import come_first

log = structlog.get_logger(__name__)

APPLICATION = "registry.delivery_asgi:application"


class Command(BaseCommand):
    """Takes this process's place with a server of the read plane."""

    help = "Serve only what services read: fetch, snapshot, changes, stream, pinned versions, render."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where it listens, in how many processes, and how it ends."""
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on. Default 127.0.0.1.")
        parser.add_argument("--port", type=int, default=8100, help="Port to listen on. Default 8100.")
        parser.add_argument("--workers", type=int, default=1, help="Processes. Each holds its own memory. Default 1.")
        drain = "Seconds that requests under way may take once it is told to end. Default 25."
        parser.add_argument("--drain", type=int, default=25, help=drain)

    def handle(self, *args: Any, host: str, port: int, workers: int, drain: int, **options: Any) -> None:
        """Does not return."""
        log.info("delivery.priority", wanted=settings.DELIVERY_PRIORITY, given=come_first(settings.DELIVERY_PRIORITY))
        granian = str(Path(sys.executable).with_name("granian"))
        where = ["--host", host, "--port", str(port), "--workers", str(workers)]
        how = ["--interface", "asgi", "--loop", "uvloop", "--workers-kill-timeout", str(drain)]
        how += ["--backpressure", "8192", "--no-ws"]  # connections, idle ones too
        how += ["--http1-buffer-size", "131072", "--http2-max-headers-size", "131072"]  # no head is larger
        os.execv(granian, [granian, *how, *where, APPLICATION])  # noqa: S606 - our own interpreter's server
