"""What the developer reads, and how a command ends early."""

from __future__ import annotations

import os
import sys


class Stop(Exception):
    """Ends the command with one clear line that says what to do."""

    def __init__(self, line: str, code: int = 1) -> None:
        super().__init__(line)
        self.line = line
        self.code = code


def tell(line: str) -> None:
    """One line of progress. On standard error: a command's own output may be read by a program."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def plural(count: int, noun: str) -> str:
    """`1 test`, `2 tests`, `2 processes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"


def setting(name: str, default: str = "") -> str:
    """An environment variable; one that is set but empty (as make passes them on) counts as not set."""
    return os.environ.get(name, "").strip() or default
