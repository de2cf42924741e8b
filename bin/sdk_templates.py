"""Copies what renders templates into the client library: `python3 bin/sdk_templates.py` writes, `--check` only looks.

Server and clients must give the same bytes, so clients run the same code. It is copied, because the library stands alone;
a test runs the check. What differs: where things are imported from, and a budget for each thread.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "prompts_app" / "sandbox"
COPIES = ROOT / "sdk" / "python" / "src" / "greenroom" / "templates"
MODULES = ("budget", "environment", "filters", "guards", "plain", "policy", "rendering", "rewriting", "syntax", "turns")
CANONICAL = ROOT / "registry" / "core" / "canonical.py"
REPLACED = (
    ("prompts_app.sandbox.", "greenroom.templates."),
    ("registry.core.canonical", "greenroom.templates.values"),
)
THREADED = (
    ("from __future__ import annotations\n\n", "from __future__ import annotations\n\nimport threading\n\n"),
    ("class Budget:\n", "class Budget(threading.local):\n"),
    ("the worker does one thing at a time, so there is one budget.", "each thread has its own."),
)


def wanted() -> dict[Path, str]:
    """Every copy and what it must say."""
    texts = {COPIES / f"{name}.py": (SOURCES / f"{name}.py").read_text() for name in MODULES}
    texts[COPIES / "values.py"] = CANONICAL.read_text()
    return {path: _adapted(path, text) for path, text in texts.items()}


def _adapted(path: Path, text: str) -> str:
    for old, new in REPLACED:
        text = text.replace(old, new)
    for old, new in THREADED if path.name == "budget.py" else ():
        if old not in text:
            raise SystemExit(f"{path.name}: {old!r} is not there any more")
        text = text.replace(old, new, 1)
    return text


def main(arguments: list[str]) -> int:
    """Exit code 1 if `--check` finds a copy that differs."""
    texts = wanted()
    differing = [path for path, text in texts.items() if not path.is_file() or path.read_text() != text]
    if arguments == ["--check"]:
        for path in differing:
            sys.stdout.write(f"{path.relative_to(ROOT)} differs: run python3 bin/sdk_templates.py\n")
        return 1 if differing else 0
    COPIES.mkdir(exist_ok=True)
    for path in differing:
        path.write_text(texts[path])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
