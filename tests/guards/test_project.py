"""What must hold of the project as a whole: style that a reader relies on, and lists that must not fall behind."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import call_command
from django.template.loader import get_template

from registry.celery import app
from registry.env import VARIABLES

ROOT = Path(__file__).parents[2]
APPS = ("registry", "prompts_app", "evals_app")
SDK = "sdk/python/src"
MOST_LINES, MOST_STATEMENT_LINES = 400, 50
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


@cache
def sources(*folders: str) -> tuple[Path, ...]:
    """Python files of our own, migrations apart."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return tuple(sorted(path for path in found if "migrations" not in path.parts))


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.django_db
def test_migrations__of_the_models_as_they_are__are_all_there() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(databases=["default", "owner"])
def test_checks__of_the_system__find_nothing() -> None:
    call_command("check", fail_level="WARNING")


def test_imports__point_the_way_they_must() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert answer.returncode == 0, answer.stdout[-2000:]


def test_queries__whatever_their_module_is_called__use_no_action_and_nothing_above() -> None:
    upward = re.compile(r"^\s*(?:from|import) \w+(?:\.core)?\.(?:actions|tasks|views|api)\b", re.MULTILINE)
    modules = [path for path in sources(*APPS) if path.stem.endswith("queries") or path.stem == "facts"]
    assert modules
    assert [str(path.relative_to(ROOT)) for path in modules if upward.search(path.read_text())] == []


def test_signals__of_models__are_used_nowhere() -> None:
    pattern = re.compile(r"django\.db\.models\.signals|models import signals|dispatch import receiver")
    assert [path for path in sources(*APPS) if pattern.search(path.read_text())] == []


def test_client_library__imports_nothing_of_the_server_and_only_what_it_declares() -> None:
    allowed = {"greenroom", "httpx2", "jinja2", *sys.stdlib_module_names}
    found = {}
    for path in sources(SDK):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if other := {name.partition(".")[0] for name in names} - allowed:
                found[str(path.relative_to(ROOT))] = other
    assert sources(SDK) and found == {}


def test_leftovers__are_nowhere() -> None:
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX)\b|breakpoint\(\)|import pdb")
    here = Path(__file__)
    found = [path for path in sources(*APPS, SDK, "bin", "tests") if path != here and pattern.search(path.read_text())]
    assert [path for path in found if path.name != "test_templates.py"] == []


def test_files__have_at_most_400_lines() -> None:
    paths = [*sources(*APPS, SDK, "bin", "tests"), *(ROOT / "static" / "js").glob("*.js")]
    long = {
        str(path.relative_to(ROOT)): count
        for path in paths
        if (count := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}


def test_functions__have_at_most_50_lines() -> None:
    long = {}
    for path in sources(*APPS, SDK, "bin"):
        for node in functions(ast.parse(path.read_text())):
            count = (node.end_lineno or 0) - node.lineno + 1
            if count > MOST_STATEMENT_LINES:
                long[f"{path.relative_to(ROOT)}:{node.name}"] = count
    assert long == {}


def test_modules__of_unclear_purpose__are_not_there() -> None:
    assert [path for path in sources(*APPS) if path.stem in {"utils", "helpers", "misc", "common"}] == []


def test_public_names__of_actions_and_modules__say_what_they_promise() -> None:
    """Modules, classes and functions that others call; what is obvious from its base or name needs none."""
    silent = []
    for path in sources(*APPS):
        tree = ast.parse(path.read_text())
        where = path.relative_to(ROOT)
        if tree.body and not ast.get_docstring(tree):
            silent.append(str(where))
        if "actions" in path.parts or path.stem in {
            "facts",
            "gates",
            "audit",
            "outbox",
            "jobs",
            "permissions",
            "identity",
        }:
            named = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            silent += [f"{where}:{node.name}" for node in named if node.name[0] != "_" and not ast.get_docstring(node)]
    assert silent == []


@pytest.mark.django_db(databases=["default", "owner"])
def test_tasks__named_in_the_schedule__are_registered_by_the_names_they_have() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    written = set()
    for path in sources(*APPS):
        written |= set(re.findall(r"shared_task\(name=\"([a-z_.]+)\"", path.read_text()))
    assert ours == written
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled <= ours
    assert all(name.split(".")[0] in {"core", "prompts", "evals"} for name in ours)


def test_settings__of_the_environment__are_all_in_the_documentation_word_by_word() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    rows = dict(re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| (.*) \|$", page, re.MULTILINE))
    assert {name: text for name, text in VARIABLES.items() if rows.get(name) != text} == {}


def test_settings__read_anywhere__are_in_the_table() -> None:
    """Nothing reads the process's environment past `registry/env.py`, but what starts before settings can be read."""
    pattern = re.compile(r"os\.environ|getenv\(")
    readers = {str(path.relative_to(ROOT)) for path in sources(*APPS) if pattern.search(path.read_text())}
    start = {"registry/asgi.py", "registry/celery.py", "registry/processes.py", "registry/env.py"}
    others = {name for name in readers if not name.startswith(("registry/embedded/", "prompts_app/sandbox/"))} - start
    for name in sorted(others):
        read = set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", (ROOT / name).read_text()))
        assert read <= {*VARIABLES, "DJANGO_SETTINGS_MODULE", "HOME", "PATH"}, name


def test_commands__of_ours__are_all_in_the_documentation() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    commands = {path.stem for app_ in APPS for path in (ROOT / app_).rglob("management/commands/[a-z]*.py")}
    assert {name for name in commands if f"`{name}" not in page} == set()
    assert commands >= {"create_workspace", "create_member", "verify_audit", "migrate"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix())
def test_template__compiles__and_what_htmx_gets_is_a_link_too(template: Path) -> None:
    name = template.relative_to(ROOT / "templates").as_posix()
    assert get_template(name)
    for tag in re.findall(
        r"<(?:a|button|form|input|select|div|section|tr|li|details)\b[^>]*\bhx-get=[^>]*>", template.read_text()
    ):
        works_without = re.search(r"\b(?:href|action|formaction)=", tag) or "hx-trigger=" in tag
        assert works_without, f"only a script can follow {tag}"


def test_marked_safe__only_by_the_few_that_make_html_of_escaped_parts() -> None:
    allowed = {"registry/core/templatetags/ui.py"}
    pattern = re.compile(r"\bmark_safe\b|\|\s*safe\b|SafeString\(")
    users = {str(path.relative_to(ROOT)) for path in sources(*APPS) if pattern.search(path.read_text())}
    assert users <= allowed


def test_views__what_people_type_as_json__is_read_by_the_one_parser() -> None:
    """Others take duplicate keys, NaN and depth, and break over them later. What is stored is read by models and queries."""
    views = [path for path in sources(*APPS) if {"views", "compat"} & set(path.parts)]
    assert views and not [path.name for path in views if re.search(r"\bjson\.loads?\(", path.read_text())]


def test_internal_notes__are_not_in_the_project() -> None:
    answer = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    tracked = answer.stdout.split()
    assert not [
        name for name in tracked if re.search(r"(?:NOTES|_NOW|SCRATCH|\.orig|\.rej|\.log|\.deb|\.whl)$|_NOW\.md$", name)
    ]
