"""Loaded before the settings (`-p tests.engines`): real PostgreSQL and Valkey for the run, in a folder of its own.

`DATABASE_URL` (a superuser's) and `BROKER_URL` use running servers instead. Where several processes share a run (`-n 2`), each has
engines of its own, and the one that only hands out tests has none.
"""

import atexit
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import jinja2  # noqa: F401 - tests look into the render worker, whose Jinja Django's processes keep out

from registry import embedded

_stack = ExitStack()
atexit.register(_stack.close)


def _remove_leftovers() -> None:
    """What a killed run left: its engines, then their folder."""
    for folder in Path(tempfile.gettempdir()).glob("greenroom-test-*"):
        with suppress(FileNotFoundError):  # another run tidies up as well
            found = folder.stat()
            is_settled = found.st_uid == os.geteuid() and time.time() - found.st_mtime > 60
            if is_settled and embedded.stop_unused(folder):
                shutil.rmtree(folder, ignore_errors=True)


NOT_STARTED = "not-started"
_hands_out = "PYTEST_XDIST_WORKER" not in os.environ and any(word == "-n" for word in sys.argv)

if "BROKER_URL" not in os.environ or "DATABASE_URL" not in os.environ or os.environ["BROKER_URL"] == NOT_STARTED:
    os.environ["BROKER_URL"] = NOT_STARTED
    os.environ["DATABASE_URL"] = f"postgresql://{NOT_STARTED}/{NOT_STARTED}"

if os.environ["BROKER_URL"] == NOT_STARTED and not _hands_out:
    _remove_leftovers()
    _folder = tempfile.mkdtemp(prefix="greenroom-test-")
    _stack.callback(shutil.rmtree, _folder, ignore_errors=True)
    _engines = _stack.enter_context(embedded.hold(_folder, durable=False)).engines
    os.environ["DATABASE_URL"] = _engines.superuser_url
    os.environ["BROKER_URL"] = _engines.broker_url
    os.environ["DATA_DIR"] = _folder

os.environ.pop("DATABASE_OWNER_URL", None)
os.environ.pop("LOCAL_MODEL_URL", None)
os.environ["GREENROOM_ENV"] = "development"
os.environ["SECRET_KEY"] = "only-for-the-test-run-" + "0123456789" * 4
os.environ["ENCRYPTION_KEYS"] = "b25seS1mb3ItdGhlLXRlc3QtcnVuLTMyLWJ5dGVzISE="
os.environ["PUBLIC_URL"] = "http://127.0.0.1:8000"
os.environ["OUTBOUND_ALLOW"] = ""
os.environ["LOG_LEVEL"] = "WARNING"
os.environ["DATABASE_POOL_SIZE"] = "40"
