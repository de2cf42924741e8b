"""What the fault tests found, for the table that is printed when they have ended."""

import os
import re
from dataclasses import dataclass

from tests.faults.ledger import Account

# By number; two were never given out.
FAULTS = tuple(number for number in range(1, 41) if number not in {19, 34})


@dataclass
class Line:
    """One fault: how often it was injected, what was found, how long until all went on."""

    fault: str
    schedules: int = 0
    lost: int = 0
    double: int = 0
    wrong: int = 0
    recovery: str = ""


LINES: dict[str, Line] = {}


def note(fault: str, account: Account, *, recovery: str = "", schedules: int = 1) -> None:
    """Add to a fault's line, then fail where anything was lost, double or wrong."""
    line = LINES.setdefault(fault, Line(fault))
    line.schedules += schedules
    line.lost += len(account.lost)
    line.double += len(account.double)
    line.wrong += len(account.wrong)
    line.recovery = "; ".join(filter(None, (line.recovery, recovery)))
    assert account.is_clean, account


def tell(fault: str, *, schedules: int, passed: bool) -> None:
    """A fault whose test says by passing that nothing was lost, double or wrong."""
    line = LINES.setdefault(fault, Line(fault))
    line.schedules += schedules
    if not passed:
        line.wrong += 1
        line.recovery = "FAILED: see above"


def skipped(fault: str, why: str) -> None:
    """A fault that could not be injected here."""
    LINES[fault] = Line(fault, recovery=f"not run: {why}")


def text() -> list[str]:
    """The table; nothing where no fault was injected."""
    if not LINES:
        return []
    one, five, _ = os.getloadavg()
    rows = [f"{'fault':52} {'schedules':>9} {'lost':>5} {'double':>6} {'wrong':>5}  time to recovery"]
    for line in sorted(LINES.values(), key=_number):
        counts = f"{line.schedules:9} {line.lost:5} {line.double:6} {line.wrong:5}"
        rows.append(f"{line.fault:52} {counts}  {line.recovery}")
    named = {number for line in LINES for number in _numbers(line)}
    if missing := [f"F{number}" for number in FAULTS if number not in named]:
        rows.append(f"not in this run: {', '.join(missing)}")
    return [*rows, f"load average {one:.1f} (1 min), {five:.1f} (5 min), {os.cpu_count()} processors"]


def _number(line: Line) -> tuple[int, str]:
    return (min(_numbers(line.fault), default=99), line.fault)


def _numbers(fault: str) -> list[int]:
    """Which faults a line is about: "F5, F40 database away" is about two."""
    return [int(number) for number in re.findall(r"\bF(\d+)\b", fault)]
