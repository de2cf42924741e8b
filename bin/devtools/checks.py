"""`test`, `faults`, `attack`, `lint`, `types`, `fmt` and `bench`: each a list of commands with a time limit, every one run, all failures told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from devtools import advisories, application, browser, clock
from devtools.folders import Folders, give_a_home
from devtools.words import Stop, setting, tell
from registry.processes import signal_group

NO_TESTS = 5  # pytest's exit code when it collected none
HANG_DUMP_S = 300
MOST_PROCESSES = 4
IN_A_TEST_RUN = "not e2e and not faults and not attack"
# mypy's Django plugin reads the settings and connects to nothing.
NOWHERE = {
    "GREENROOM_ENV": "development",
    "SECRET_KEY": "only-for-types",
    "DATABASE_URL": "postgresql://nobody@localhost/none",
    "BROKER_URL": "redis://localhost",
}
SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "BROKER_URL")
FAULTS = ("-m", "faults or injects", "tests")
FAULT_SETTINGS = ("SCHEDULES", "DATABASE_AWAY_S")
# By its name in the table: what an attack runs. Together they take ten to fifteen minutes on two processors.
ATTACKS = {
    "contract": ("tests/attack",),
    "permissions": (
        "tests/guards/test_permission_table.py",
        "tests/guards/test_forbidden.py",
        "tests/guards/test_tenancy.py",
        "tests/pages/test_page_permissions.py",
    ),
    "promotions": ("tests/invariants/test_sequences.py", "tests/invariants/test_hammer.py"),
    "races": ("tests/invariants/test_races.py", "tests/invariants/test_races_of_names.py"),
    "templates": (
        "tests/security/test_sandbox_families.py",
        "tests/security/test_template_routes.py",
        "tests/prompts/test_sandbox_payloads.py",
    ),
}
ATTACK_SETTINGS = {"CASES": "10", "SEQUENCES": "150", "ROUNDS": "480", "EXAMPLES": "3000"}


@dataclass(frozen=True)
class Step:
    """One command; `allowed` are exit codes that are no failure."""

    name: str
    command: tuple[str, ...]
    limit_s: int = 600
    allowed: tuple[int, ...] = (0,)
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    name: str
    text: str
    is_failure: bool


def call(command: str, rest: Sequence[str], folders: Folders) -> int:
    """Runs a command of this module; its exit code."""
    environment = _environment(folders)
    if command == "bench":
        return _bench(folders, environment, rest)
    if command == "faults":
        return _faults(folders, environment, rest)
    if command == "attack":
        return _attack(folders, environment, rest)
    if command == "test" and rest:
        is_wanted = setting("E2E") != "0"
        path = browser.find(environment) if is_wanted else ""
        rest = rest if is_wanted else ("-m", "not e2e", *rest)
        step = Step("tests", (*_pytest(folders), *rest), 3600)
        return 1 if (code := _run(step, folders, {**environment, "CHROMIUM": path})[0]) is None else code
    if command == "test":
        return _test(folders, environment)
    steps = {"lint": lint(folders), "types": types(folders), "fmt": fmt(folders)}[command]
    outcomes = [_outcome(step, folders, environment) for step in steps]
    return _close([*outcomes, *([_advisories(folders, environment)] if command == "lint" else [])])


def lint(folders: Folders) -> list[Step]:
    """Style, security rules, layers and templates."""
    steps = [
        Step("ruff", _tool(folders, "ruff", "check", "--output-format", "concise", ".")),
        Step("format", _tool(folders, "ruff", "format", "--check", "--output-format", "concise", ".")),
        Step("layers", _tool(folders, "lint-imports", "--no-cache", "--no-logo")),
    ]
    if (folders.root / "templates").is_dir():
        steps.append(Step("templates", _tool(folders, "djlint", "--lint", "--quiet", "templates")))
    return steps


def types(folders: Folders) -> list[Step]:
    """mypy --strict over everything that pyproject.toml lists, and over the client library, which knows no Django."""
    steps = [Step("types", _tool(folders, "mypy", "--cache-dir", str(folders.built / "mypy")), extra=NOWHERE)]
    sdk = folders.root / "sdk" / "python"
    if sdk.is_dir():
        cache, config = str(folders.built / "mypy-sdk"), str(sdk / "pyproject.toml")
        command = _tool(folders, "mypy", "--config-file", config, "--cache-dir", cache, str(sdk / "src"))
        steps.append(Step("types, sdk", command))
    return steps


def fmt(folders: Folders) -> list[Step]:
    """What a machine can put right."""
    return [
        Step("fix", _tool(folders, "ruff", "check", "--fix-only", "--quiet", ".")),
        Step("format", _tool(folders, "ruff", "format", ".")),
    ]


def _test(folders: Folders, environment: Mapping[str, str]) -> int:
    started = time.monotonic()
    is_wanted = setting("E2E") != "0"
    chromium = browser.find(environment) if is_wanted else ""
    environment = {**environment, "CHROMIUM": chromium}
    outcomes = [_outcome(step, folders, environment) for step in (*lint(folders), *types(folders))]
    command = (*_pytest(folders), "-m", IN_A_TEST_RUN, *_side_by_side(more=1))
    outcomes.append(_outcome(Step("tests", command, 2400), folders, environment))
    if chromium:
        step = Step("browser", (*_pytest(folders), "-m", "e2e", *_side_by_side()), 1200, (0, NO_TESTS))
        outcomes.append(_outcome(step, folders, environment))
    elif is_wanted:
        outcomes.append(_left_out(folders, environment))
    else:
        outcomes.append(Outcome("browser", "left out on purpose (E2E=0)", is_failure=False))
    tell(f"\nThe whole run took {time.monotonic() - started:.0f} s.")
    return _close(outcomes)


def _side_by_side(*, by: str = "loadfile", more: int = 0) -> tuple[str, ...]:
    """Files of tests (or tests, by `load`) shared out over as many processes as there are processors, at most four.

    Each has engines of its own. `more` of them work while others wait for what they have started.

    They are handed out as they are collected, which is the slowest first (`tests/conftest.py`).

    Servers that the developer names are not shared: one process uses them.
    """
    count = 1 if any(setting(name) for name in SERVERS) else min((os.cpu_count() or 1) + more, MOST_PROCESSES)
    return (
        ("-n", str(count), "--dist", by, *(("--no-loadscope-reorder",) if by == "loadfile" else ()))
        if count > 1
        else ()
    )


def _advisories(folders: Folders, environment: Mapping[str, str]) -> Outcome:
    """What is known of the packages, where somebody can be asked; no part of a test run, which needs no network."""
    lines, wrong = advisories.report(folders.root, environment)
    for line in (*lines, *wrong):
        tell(line)
    return Outcome("advisories", f"FAILED: {len(wrong)} open" if wrong else "; ".join(lines), is_failure=bool(wrong))


def _left_out(folders: Folders, environment: Mapping[str, str]) -> Outcome:
    """Names the browser tests that could not run, and what helps."""
    command = (*_pytest(folders), "-m", "e2e", "--collect-only")
    answer = subprocess.run(
        command,
        cwd=folders.root,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    names = re.findall(r"^\S+::\S+", answer.stdout, re.MULTILINE)
    tell(f"\nNo Chromium on this machine. {len(names)} browser tests were left out:")
    for name in names:
        tell(f"  {name}")
    return Outcome(
        "browser", f"NOT RUN: as root, {browser.HELP}   (E2E=0 leaves these tests out on purpose)", is_failure=True
    )


def _faults(folders: Folders, environment: Mapping[str, str], rest: Sequence[str]) -> int:
    """Every fault, those that a test run has too; SCHEDULES random schedules of kills among them.

    The database is away for DATABASE_AWAY_S, ten minutes, which is one minute in a test run.
    """
    if not clock.ensure():
        tell(f"A worker with a wrong clock is left out: as root, {clock.HELP}.")
    environment = {**environment, "SCHEDULES": setting("SCHEDULES", "20")}
    environment["DATABASE_AWAY_S"] = setting("DATABASE_AWAY_S", "600")
    command = (*_pytest(folders), "-rs", "--durations=5", *(rest or FAULTS))
    return _close([_outcome(Step("faults", command, 7200), folders, environment)])


def _attack(folders: Folders, environment: Mapping[str, str], names: Sequence[str]) -> int:
    """Everything that tries to break what is promised, or the attacks named; then what was tried, and what was found."""
    if unknown := [name for name in names if name not in ATTACKS]:
        raise Stop(f"No attack is called {unknown[0]}: there are {', '.join(ATTACKS)}.")
    tallied = folders.data / "attack-tally.tsv"
    tallied.parent.mkdir(parents=True, exist_ok=True)
    tallied.write_text("")
    chosen = {name: setting(name, usual) for name, usual in ATTACK_SETTINGS.items()}
    environment = {**environment, **chosen, "ATTACK_TALLY": str(tallied)}
    command = (*_pytest(folders), *_side_by_side(by="load"))
    steps = [Step(name, (*command, *files), 1800) for name, files in ATTACKS.items() if not names or name in names]
    outcomes = [_outcome(step, folders, environment) for step in steps]
    counts: dict[str, int] = {}
    for line in tallied.read_text().splitlines():
        count, what = line.split("\t", 1)
        counts[what] = counts.get(what, 0) + int(count)
    tell("")
    for what, number in sorted(counts.items()):
        tell(f"{what:<50} {number:>9,}")
    return _close(outcomes)


def _bench(folders: Folders, environment: Mapping[str, str], names: Sequence[str]) -> int:
    """Benchmarks, one after the other, with engines and data of their own."""
    there = {path.stem: path for path in sorted((folders.root / "bench").glob("[!_]*.py"))}
    options = [name for name in names if name.startswith("--")]
    names = [name for name in names if name not in options]
    unknown = [name for name in names if name not in there]
    if unknown or not there:
        raise Stop(
            f"No benchmark is called {unknown[0]}: there are {', '.join(there)}."
            if there
            else "There is no benchmark yet."
        )
    apart = replace(folders, data=folders.data / "bench")
    apart.data.mkdir(exist_ok=True)
    with application.engines(apart, {}) as engines:
        environment = {**environment, **application.environment(apart, engines, {})}
        migrate = Step(
            "migrate", (str(folders.python), str(folders.manage_py), "migrate", "--no-input", "--verbosity", "0")
        )
        if _run(migrate, folders, environment)[0]:
            raise Stop("The tables could not be made: see the lines above.")
        steps = [
            Step(name, (str(folders.python), str(path), *options), 1800)
            for name, path in there.items()
            if not names or name in names
        ]
        return _close([_outcome(step, folders, environment) for step in steps])


def _environment(folders: Folders) -> dict[str, str]:
    """What checks see: the developer's variables, tools of the environment first, real servers only when asked for."""
    environment = {name: value for name, value in os.environ.items() if name not in application.OWN}
    for name in (*FAULT_SETTINGS, *ATTACK_SETTINGS):  # make exports them empty where nobody set them
        if not environment.get(name):
            environment.pop(name, None)
    environment.update({name: value for name in SERVERS if (value := setting(name))})
    environment["PATH"] = f"{folders.python.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["E2E"] = setting("E2E", "1")
    environment["SCREENSHOTS"] = str(folders.data / "screenshots")
    give_a_home(environment, folders)
    return environment


def _tool(folders: Folders, name: str, *arguments: str) -> tuple[str, ...]:
    return (str(folders.python.parent / name), *arguments)


def _pytest(folders: Folders) -> tuple[str, ...]:
    return (str(folders.python), "-m", "pytest", "-o", f"faulthandler_timeout={HANG_DUMP_S}")


def _outcome(step: Step, folders: Folders, environment: Mapping[str, str]) -> Outcome:
    tell(f"\n== {step.name}: {' '.join([Path(step.command[0]).name, *step.command[1:]])}")
    code, seconds = _run(step, folders, environment)
    failed = code not in step.allowed
    text = (
        f"stopped after {step.limit_s} s" if code is None else f"FAILED with exit code {code}" if failed else "passed"
    )
    return Outcome(step.name, f"{text}, {seconds:.0f} s", is_failure=failed)


def _run(step: Step, folders: Folders, environment: Mapping[str, str]) -> tuple[int | None, float]:
    """The exit code (None when the time was up) and the seconds it took. Nothing of the step is left running."""
    started = time.monotonic()
    process = subprocess.Popen(
        step.command,
        cwd=folders.root,
        env={**environment, **step.extra},
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code: int | None = process.wait(timeout=step.limit_s)
    except subprocess.TimeoutExpired:
        code = None
    except KeyboardInterrupt:
        signal_group(process.pid, signal.SIGINT)
        _wait_a_moment(process)
        raise
    finally:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
        signal.signal(signal.SIGTERM, before)
    return code, time.monotonic() - started


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    """pytest stops its servers when it is interrupted; it gets the time to."""
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        tell("It does not stop by itself: killed.")


def _close(outcomes: Sequence[Outcome]) -> int:
    tell("")
    for outcome in outcomes:
        tell(f"{outcome.name:<16} {outcome.text}")
    sys.stderr.flush()
    return 1 if any(outcome.is_failure for outcome in outcomes) else 0
