"""What the pages ship of other people's work is exactly what was built."""

import hashlib
import json
import re
import runpy
from pathlib import Path

from registry.core.templatetags.ui import LOOKS

ROOT = Path(__file__).parents[2]
VENDOR = ROOT / "static" / "vendor"


def test_vendored_files__compared_with_manifest__are_the_built_ones() -> None:
    check = runpy.run_path(str(ROOT / "bin" / "vendor.py"))["check"]

    assert check(VENDOR) == []


def test_vendored_files__one_byte_changed_or_one_file_more__are_named(tmp_path: Path) -> None:
    check = runpy.run_path(str(ROOT / "bin" / "vendor.py"))["check"]
    for file in VENDOR.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "htmx.js").write_bytes((VENDOR / "htmx.js").read_bytes() + b" ")
    (tmp_path / "stray.js").write_text("")

    assert check(tmp_path) == ["stray.js is not in VERSIONS.json", "htmx.js is not the file that was built"]


def test_manifest__each_file__names_package_version_and_licence() -> None:
    entries = json.loads((VENDOR / "VERSIONS.json").read_text())
    del entries["LICENSES.txt"]

    assert all(entry["package"] and entry["version"] and entry["licence"] for entry in entries.values())


def test_vendored_for_tests__compared_with_their_table__are_the_published_files() -> None:
    folder = ROOT / "tests" / "vendor"
    rows = re.findall(r"^\| `([^`]+)` .*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE)

    assert {name for name, _ in rows} == {path.name for path in folder.glob("*.js")}
    assert [name for name, digest in rows if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest] == []


def test_lock__names_no_registry() -> None:
    lock = json.loads((ROOT / "bin" / "vendor" / "package-lock.json").read_text())

    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []


def test_icons__used_by_templates_and_scripts__are_in_the_sprite() -> None:
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (VENDOR / "icons.svg").read_text()))
    used = {look.icon for look in LOOKS.values()} | {
        name
        for template in (ROOT / "templates").rglob("*.html")
        for name in re.findall(r"""{% icon ["']([\w-]+)["']""", template.read_text())
    }

    assert used <= symbols
