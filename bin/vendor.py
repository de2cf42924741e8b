"""Builds, checks and verifies `static/vendor`: the scripts, icons and fonts that the pages ship.

    python3 bin/vendor.py build     install the locked packages into a temporary folder and write static/vendor anew
    python3 bin/vendor.py check     compare every file with its recorded checksum; needs nothing but Python
    python3 bin/vendor.py verify    build into a temporary folder and compare the result with what is committed

`build` and `verify` need node and npm. What is installed is `bin/vendor/package.json` with its lock; which icons, `bin/vendor/icons.txt`.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "vendor"
TARGET = Path(__file__).resolve().parent.parent / "static" / "vendor"
MANIFEST = "VERSIONS.json"

COPIED = {
    "htmx.js": ("htmx.org", "dist/htmx.min.js"),
    "htmx-sse.js": ("htmx.org", "dist/ext/hx-sse.min.js"),
}
# target: (package, file, heaviest weight, layout features kept)
FONTS = {
    "inter-latin.woff2": ("@fontsource-variable/inter", "inter-latin-wght-normal", "700", "kern,tnum,calt,ccmp,locl"),
    "inter-latin-ext.woff2": (
        "@fontsource-variable/inter",
        "inter-latin-ext-wght-normal",
        "700",
        "kern,tnum,calt,ccmp,locl",
    ),
    "mono-latin.woff2": (
        "@fontsource-variable/jetbrains-mono",
        "jetbrains-mono-latin-wght-normal",
        "700",
        "ccmp,locl",
    ),
    "mono-latin-ext.woff2": (
        "@fontsource-variable/jetbrains-mono",
        "jetbrains-mono-latin-ext-wght-normal",
        "700",
        "ccmp,locl",
    ),
}
BUNDLED = ("codemirror", "@codemirror/", "@lezer/", "@marijn/", "crelt", "style-mod", "w3c-keyname")
LEFT_OUT = ("lang-html", "lang-css", "lang-javascript", "@lezer/html", "@lezer/css", "@lezer/javascript")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in lower-case hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run(command: list[str], folder: Path) -> None:
    """Runs a command in a folder; its failure ends the program."""
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)


def package(modules: Path, name: str) -> dict[str, str]:
    """Name, version and licence of an installed package."""
    facts = json.loads((modules / name / "package.json").read_text())
    return {"package": name, "version": facts["version"], "licence": facts["license"]}


def sprite(modules: Path) -> str:
    """The icons of icons.txt as one SVG of symbols, in the order of the list."""
    symbols = []
    for name in (SOURCE / "icons.txt").read_text().split():
        drawing = (modules / "lucide-static" / "icons" / f"{name}.svg").read_text()
        found = re.search(r"<svg[^>]*>(.*)</svg>", drawing, re.DOTALL)
        if found is None:
            raise SystemExit(f"{name}.svg is not an icon")
        body = re.sub(r">\s+<", "><", found[1].strip())
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{body}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def licences(modules: Path) -> str:
    """The licence texts of everything shipped, one after another."""
    names = {path.parent.relative_to(modules).as_posix() for path in modules.glob("**/package.json")}
    names = {name for name in names if name.startswith(BUNDLED) and not any(part in name for part in LEFT_OUT)}
    names |= {"htmx.org", "lucide-static", "@fontsource-variable/inter", "@fontsource-variable/jetbrains-mono"}
    texts = []
    for name in sorted(names):
        found = sorted((modules / name).glob("LICENSE*"))
        if found:
            texts.append(f"==== {name} {package(modules, name)['version']}\n\n{found[0].read_text().strip()}\n")
    return "\n".join(texts)


def build(target: Path) -> None:
    """Writes every shipped file and the manifest into an empty or existing folder."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in SOURCE.iterdir():
            shutil.copy(path, folder / path.name)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
        modules = folder / "node_modules"
        entries: dict[str, dict[str, str]] = {}
        for file, (owner, source) in COPIED.items():
            shutil.copyfile(modules / owner / source, target / file)
            entries[file] = package(modules, owner)
        command = "--bundle --minify --format=iife --global-name=CM --legal-comments=none --target=es2022"
        alias = "--alias:@codemirror/lang-html=./prose.js"
        run(
            ["npx", "esbuild", "codemirror.js", *command.split(), alias, f"--outfile={target / 'codemirror.js'}"],
            folder,
        )
        parts = ("lang-jinja", "lang-json", "view", "state")
        entries["codemirror.js"] = package(modules, "codemirror") | {
            "with": ", ".join(f"{part} {package(modules, f'@codemirror/{part}')['version']}" for part in parts)
        }
        for file, (owner, source, weight, features) in FONTS.items():
            origin = modules / owner / "files" / f"{source}.woff2"
            run(["node", "fonts.mjs", str(origin), str(target / file), weight, features], folder)
            entries[file] = package(modules, owner)
        (target / "icons.svg").write_text(sprite(modules))
        entries["icons.svg"] = package(modules, "lucide-static")
        (target / "LICENSES.txt").write_text(licences(modules))
        entries["LICENSES.txt"] = {"package": "all of these", "version": "", "licence": ""}
    for file, entry in entries.items():
        entry["sha256"] = sha256(target / file)
    (target / MANIFEST).write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")


def check(target: Path) -> list[str]:
    """What differs between a folder and its manifest; empty when all is as recorded."""
    recorded: dict[str, dict[str, str]] = json.loads((target / MANIFEST).read_text())
    present = {path.name for path in target.iterdir()} - {MANIFEST}
    wrong = [f"{name} is not in {MANIFEST}" for name in sorted(present - set(recorded))]
    for name, entry in recorded.items():
        if name not in present:
            wrong.append(f"{name} is missing")
        elif sha256(target / name) != entry["sha256"]:
            wrong.append(f"{name} is not the file that was built")
    return wrong


def verify() -> list[str]:
    """What differs between the committed files and a fresh build."""
    with tempfile.TemporaryDirectory() as name:
        fresh = Path(name)
        build(fresh)
        return [
            f"{path.name} differs from a fresh build"
            for path in sorted(fresh.iterdir())
            if not (TARGET / path.name).exists() or sha256(path) != sha256(TARGET / path.name)
        ]


def main(arguments: list[str]) -> int:
    """Runs one of the three commands; 0 when all is well."""
    if arguments == ["build"]:
        build(TARGET)
        wrong = check(TARGET)
    elif arguments == ["check"]:
        wrong = check(TARGET)
    elif arguments == ["verify"]:
        wrong = check(TARGET) or verify()
    else:
        print(__doc__, file=sys.stderr)
        return 2
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
