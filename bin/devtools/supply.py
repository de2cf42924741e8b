"""`sbom` and `licences`: what is locked and shipped, written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from devtools import licences, sbom
from devtools.folders import Folders
from devtools.words import tell


def call(command: str, rest: Sequence[str], folders: Folders) -> int:
    """Writes the bill of materials to a file or standard output, or the page of licences to its place; 1 for refused ones."""
    if command == "sbom":
        text = json.dumps(sbom.document(folders.root), indent=1) + "\n"
        if rest:
            Path(rest[0]).write_text(text)
            tell(f"{rest[0]} is written.")
        else:
            sys.stdout.write(text)
        return 0
    (folders.root / licences.PAGE).write_text(licences.text(folders.root))
    refused = licences.refused(licences.packages(folders.root))
    for line in refused:
        tell(f"not to be used: {line}")
    tell(f"{licences.PAGE} is written.")
    return 1 if refused else 0
