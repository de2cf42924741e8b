"""What the documentation names is there: pages and headings, commands and their options, addresses, variables."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from greenroom.cli.arguments import make_parser
from registry.env import VARIABLES

ROOT = Path(__file__).parents[2]
PAGES = tuple(
    sorted(
        page
        for page in [
            *ROOT.glob("*.md"),
            *(ROOT / "docs").rglob("*.md"),
            *ROOT.glob("*/README.md"),
            *ROOT.glob("sdk/*/*.md"),
        ]
        if page.name != "CHANGELOG.md"
    )
)
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
IN_LINE = re.compile(r"`([^`\n]+)`")
# What a page writes where a reader puts something of their own.
PLACEHOLDER = re.compile(r"\{[a-z_]+\}|<[a-z_:]+>|…|\bN\b")
BEFORE_DJANGO = {"/metrics"}
RUNNING = {"PORT", "VAR", "DEMO", "OUTBOUND_ALLOW", "DATABASE_URL", "DATABASE_OWNER_URL", "BROKER_URL"}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def said_as_code(page: Path) -> list[str]:
    """The lines of its blocks of code, and what stands in backticks."""
    text = page.read_text()
    blocks = "\n".join(FENCED.findall(text)).replace("\\\n", " ")
    return [*blocks.splitlines(), *IN_LINE.findall(FENCED.sub("", text))]


@cache
def headings(page: Path) -> frozenset[str]:
    """As a link names them: `## Another encryption key` is `another-encryption-key`."""
    found = re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links__lead_to_files_and_headings_that_are_there(page: Path) -> None:
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, heading = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in headings(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files__named_in_backticks__are_there(page: Path) -> None:
    known = re.compile(r"[\w.-]+(?:/[\w.-]+)+\.(?:py|md|sh|yml|txt|toml|html|css|js|json|jsonl|csv)")
    named = [name for name in IN_LINE.findall(page.read_text()) if known.fullmatch(name)]
    of_readers = {"prompts/triage.json"}  # in a repository of their own
    assert [
        n
        for n in named
        if n not in of_readers and not any((top / n).exists() for top in (ROOT, ROOT / "static", page.parent))
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands__are_there__each_with_its_options(page: Path) -> None:
    lines = said_as_code(page)
    tools = re.search(r"NEED_TEST_TOOLS = \((.*?)\)", (ROOT / "bin" / "dev.py").read_text(), re.DOTALL)
    assert tools is not None
    ours = {"run", "manage", "help", *re.findall(r'"(\w+)"', tools.group(1))}
    wrong = []
    for line in lines:
        wrong += [found for found in re.findall(r"\bmake ([a-z]+)\b", line) if found not in ours]
        wrong += [found for found in re.findall(r"bin/dev\.py ([a-z]+)\b", line) if found not in ours]
        wrong += [
            found
            for found in re.findall(r"(?:manage\.py|dev\.py manage) ([a-z_]+)", line)
            if found not in get_commands()
        ]
        if line.startswith("greenroom ") and not _is_understood(line.removeprefix("greenroom ")):
            wrong.append(line)
    assert wrong == []


def test_makefile__has_every_command_and_hands_on_every_variable_that_is_documented() -> None:
    makefile, page = (ROOT / "Makefile").read_text(), (ROOT / "docs" / "configuration.md").read_text()
    exported = set(re.search(r"^export (.+)$", makefile, re.MULTILINE).group(1).split())  # type: ignore[union-attr]
    table = page.partition("## `make` and `bin/dev.py`")[2].partition("## Commands")[0]
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", table))
    assert exported ^ documented == set()
    assert exported >= RUNNING


@pytest.mark.parametrize(
    ("goals", "commands"),
    [
        ("attack races", ["attack races"]),
        ("bench running pages", ["bench running pages"]),
        ("faults tests/faults/test_renders.py", ["faults tests/faults/test_renders.py"]),
        ("lint fmt", ["lint", "fmt"]),
    ],
)
def test_makefile__words_after_a_target_of_many_parts__are_handed_on(goals: str, commands: list[str]) -> None:
    told = subprocess.run(["make", "-n", *goals.split()], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line.strip() for line in told.splitlines() if "dev.py" in line] == [
        f"python3 bin/dev.py {c}" for c in commands
    ]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_addresses__lead_somewhere(page: Path) -> None:
    lost = []
    for line in said_as_code(page):
        for found in re.findall(
            r"(?:\$GREENROOM|(?<![\w/.-])/(?:api|w|mcp|livez|readyz|metrics|sign-in)\b)[^\s\"'`,;)|]*", line
        ):
            path = found.replace("$GREENROOM", "/api/v1").partition("?")[0]
            if path.endswith("…") or path in {"/api", "/api/v1", "/api/public", "/w"} or path in BEFORE_DJANGO:
                continue
            try:
                resolve(PLACEHOLDER.sub("1", path))
            except Resolver404:
                lost.append(found)
    assert lost == []


@pytest.mark.parametrize("name", ["Dockerfile", "docker-compose.yml", ".env.example"])
def test_variables__of_the_containers__are_ones_that_are_read(name: str) -> None:
    text = (ROOT / name).read_text()
    written = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)(?==|: ?$)|^ {4}([A-Z][A-Z0-9_]+):", text, re.MULTILINE))
    of_others = {"POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD", "PATH", "REQUIREMENTS"}
    of_traces = re.findall(r"`(OTEL_[A-Z_]+)`", (ROOT / "docs" / "operations.md").read_text())
    assert {one or other for one, other in written} <= {*VARIABLES, *of_others, *of_traces}


def _is_understood(line: str) -> bool:
    """Whether the client library's command takes this line as it stands."""
    words = shlex.split(re.split(r" [>|&] | \d?>", line)[0].replace("…", "words"))
    if not words or words[0] == "COMMAND":
        return True
    try:
        make_parser().parse_args(words)
    except SystemExit:
        return False
    return True
