"""Makes the synonyms of the scorer `promptfoo_meteor` from WordNet 3.1: `python3 bin/wordnet.py <its folder dict>`.

A line is a set of synonyms as WordNet writes them, without those of several words. `!` stands before a word that has the
others as synonyms for them alone: natural, by which promptfoo looks words up, halves its way through an index by bytes
and misses about one word in a hundred of those that are in it.
"""

from __future__ import annotations

import lzma
import math
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parents[1] / "evals_app" / "scorers" / "meteor"
PARTS = ("noun", "verb", "adj", "adv")


def sets(folder: Path) -> Iterator[str]:
    """The sets in which a word that is found leads to another word."""
    for part in PARTS:
        found = looked_up((folder / f"index.{part}").read_bytes())
        for line in (folder / f"data.{part}").read_text().splitlines():
            if line.startswith("  "):
                continue
            fields = line.split()
            words = [word for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2] if "_" not in word]
            leading = {word for word in words if word.partition("(")[0].lower() in found}
            if len(words) > 1 and leading:
                yield " ".join(word if word in leading else f"!{word}" for word in words)


def looked_up(index: bytes) -> set[str]:
    """The words of an index that natural's search comes to."""
    lines = [line.split(b" ", 1)[0] for line in index.split(b"\n") if line and not line.startswith(b" ")]
    return {word.decode() for word in lines if _is_found(index, word)}


def _is_found(index: bytes, word: bytes) -> bool:
    size = len(index) - 1
    at = step = math.ceil(size / 2)
    before, key_before = -1, None
    while at != before and at < size:
        start = index.rfind(b"\n", 0, at + 1) + 1
        key = index[start : index.find(b"\n", start)].split(b" ", 1)[0]
        if key == word:
            return True
        if step == 1 or key == key_before:
            return False
        step, before, key_before = math.ceil(step / 2), at, key
        at += step if key < word else -step
    return False


def main(folder: Path) -> None:
    """Writes the file and the licence anew."""
    found = sorted(set(sets(folder)))
    (TARGET / "synonyms.txt.xz").write_bytes(lzma.compress("\n".join(found).encode(), preset=9 | lzma.PRESET_EXTREME))
    head = (folder / "data.noun").read_text().splitlines()[:29]
    (TARGET / "LICENSE").write_text("\n".join(line[4:].strip() for line in head) + "\n")
    print(f"{len(found):,} sets")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
