"""`greenroom get` and `greenroom pull`: what is live, as the server sends it."""

import sys
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk
from greenroom.lockfile import write_lock


def print_live(talk: Talk, prompt: str, environment: str) -> ExitCode:
    """The delivery body, byte for byte, and a line feed."""
    body = talk.get_bytes(f"environments/{quote(environment, safe='')}/prompts/{quote(prompt, safe='')}")
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()
    return ExitCode.PASSED


def print_lock_file(talk: Talk, environment: str) -> ExitCode:
    """Everything that is live, every digest verified; nothing at all where one is wrong."""
    text = write_lock(talk.get(f"environments/{quote(environment, safe='')}/snapshot"))
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()
    return ExitCode.PASSED
