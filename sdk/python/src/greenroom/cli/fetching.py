"""`greenroom get`: what is live, as the server sends it."""

import sys
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk


def print_live(talk: Talk, prompt: str, environment: str) -> ExitCode:
    """The delivery body, byte for byte, and a line feed."""
    body = talk.get_bytes(f"environments/{quote(environment, safe='')}/prompts/{quote(prompt, safe='')}")
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()
    return ExitCode.PASSED
