"""What long tests have tried, counted for the table that `make attack` prints; in any other run nothing is written.

Lines are added to the file that ATTACK_TALLY names, by as many processes as share the tests.
"""

import os
from pathlib import Path

FILE = os.environ.get("ATTACK_TALLY", "")


def note(what: str, count: int = 1) -> None:
    """Add to one of the counters; `what` reads as `attack: things`."""
    if FILE and count:
        with Path(FILE).open("a") as lines:
            lines.write(f"{count}\t{what}\n")
