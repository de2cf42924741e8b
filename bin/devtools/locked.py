"""What is locked: the packages of the requirement files, and what the pages ship of other people's work."""

from __future__ import annotations

import importlib.metadata
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

# In the order in which they are told; what is in an earlier file is for that, whichever others name it too.
FILES = {
    "requirements.txt": "running",
    "requirements-embedded.txt": "embedded engines",
    "requirements-local-model.txt": "local model",
    "requirements-otel.txt": "tracing",
    "requirements-dev.txt": "development",
    "requirements-tools.txt": "development",
}
PAGES, DEVELOPMENT, EXTRAS = "pages", "development", "extras"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)\s*(?:;\s*([^\\]*?))?\s*\\?$")
# What packages say in words, where they give no expression of SPDX.
_WORDS = {
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause or apache-2.0": "BSD-3-Clause OR Apache-2.0",
    "bsd-0-clause": "0BSD",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
_EXPRESSION = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True)
class Package:
    """One package at one version. `hashes` are of its files; `only_where` is a marker, empty for everywhere."""

    ecosystem: str
    name: str
    version: str
    purpose: str
    licence: str = ""
    hashes: tuple[str, ...] = ()
    only_where: str = ""

    @property
    def purl(self) -> str:
        """Its address among all packages, such as `pkg:npm/%40codemirror/view@6.43.15`."""
        return f"pkg:{self.ecosystem}/{self.name.replace('@', '%40')}@{self.version}"


@dataclass(frozen=True)
class Asset:
    """A file that the pages ship, and of which package it was made."""

    path: str
    sha256: str
    package: str
    version: str
    licence: str


@dataclass
class _Pin:
    version: str
    purpose: str
    only_where: str
    hashes: list[str] = field(default_factory=list)


def python_packages(root: Path) -> list[Package]:
    """Every pin of the requirement files, by name; licences as the installed packages tell them, empty where none is."""
    pins: dict[str, _Pin] = {}
    others = {path.name: EXTRAS for path in sorted(root.glob("requirements*.txt")) if path.name not in FILES}
    for file, purpose in {**FILES, **others}.items():
        here: list[str] | None = None
        for line in (root / file).read_text().splitlines():
            found = _PIN.match(line)
            if found:
                name = re.sub(r"[-_.]+", "-", found[1]).lower()
                known = pins.setdefault(name, _Pin(found[2], purpose, found[3] or ""))
                if known.version != found[2]:
                    raise ValueError(f"{file} has {name} {found[2]}, another file {known.version}")
                here = known.hashes
            elif here is not None and (digest := re.search(r"--hash=sha256:([0-9a-f]{64})", line)):
                here.append(digest[1])
    return [
        Package(
            "pypi", name, pin.version, pin.purpose, licence_of(name), tuple(sorted(set(pin.hashes))), pin.only_where
        )
        for name, pin in sorted(pins.items())
    ]


def npm_packages(root: Path) -> list[Package]:
    """What is in the shipped scripts, styles and fonts, as the list of their licences names it; hashes are SHA-512."""
    lock = json.loads((root / "bin" / "vendor" / "package-lock.json").read_text())["packages"]
    names = re.findall(r"^==== (\S+) (\S+)$", (root / "static" / "vendor" / "LICENSES.txt").read_text(), re.MULTILINE)
    found = []
    for name, version in sorted(names):
        entry = lock[f"node_modules/{name}"]
        if entry["version"] != version:
            raise ValueError(f"the lock has {name} {entry['version']}, what was built {version}")
        found.append(Package("npm", name, version, PAGES, spdx(entry["license"]), (entry["integrity"],)))
    return found


def assets(root: Path) -> list[Asset]:
    """The shipped files with their checksums."""
    manifest = json.loads((root / "static" / "vendor" / "VERSIONS.json").read_text())
    return [
        Asset(f"static/vendor/{name}", one["sha256"], one["package"], one["version"], spdx(one["licence"]))
        for name, one in sorted(manifest.items())
        if one["version"]
    ]


def licence_of(name: str) -> str:
    """The licence of an installed package as an expression of SPDX; empty where it is not installed or tells none."""
    try:
        told = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
    classifiers = [one.rpartition("::")[2].strip() for one in told.get_all("Classifier") or [] if one[:7] == "License"]
    words = (told.get("License") or "").strip().splitlines()
    candidates = [told.get("License-Expression") or "", *words[:1], " OR ".join(map(spdx, sorted(classifiers)))]
    return next((known for one in candidates if (known := spdx(one))), "")


def spdx(words: str) -> str:
    """An expression of SPDX for what is said in words; empty where that is not clear."""
    text = words.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    return text if _EXPRESSION.fullmatch(text) else ""
