"""Tables as files: what a spreadsheet would run is made harmless, so that reading can take it back.

A cell that begins with `= + - @`, wide or not, a tab, a line break or NUL gets a leading `'`; so does one that begins with quotes
before such a character, so that taking one quote away always gives the text itself.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

# The last four are the full-width forms, which some locales take for the same.
DANGEROUS = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
DEFUSED = re.compile(r"'+[=+\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")


def defused(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(DANGEROUS) or DEFUSED.match(text) else text


def csv_lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows as RFC 4180 writes them, every cell made harmless."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    for row in rows:
        writer.writerow([defused(cell) for cell in row])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
