"""What the command ends with; part of its contract."""

from enum import IntEnum


class ExitCode(IntEnum):
    """0 to 3 by what a run says, 64 as in sysexits, 130 as shells do for Ctrl-C."""

    PASSED = 0
    FAILED = 1
    INCONCLUSIVE = 2
    ERROR = 3
    USAGE = 64
    INTERRUPTED = 130
