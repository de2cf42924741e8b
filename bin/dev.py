"""What `make` calls: builds the environment, then runs, tests and checks Greenroom.

    python3 bin/dev.py run                  everything, with its demo, until Ctrl-C
    python3 bin/dev.py test [pytest args]   the whole test run; with arguments only pytest
    python3 bin/dev.py faults [pytest args] kills, stops and disturbs real processes; a table of what was lost
    python3 bin/dev.py attack [NAME …]      tries to break what is promised, for ten minutes or more; a table of what was tried
    python3 bin/dev.py manage COMMAND …     a management command in the environment of the `run` with the same VAR
    python3 bin/dev.py lint | types | fmt | bench [NAME …] [--quick] | help
    python3 bin/dev.py sbom [FILE]          the bill of materials (CycloneDX JSON) of what is locked and shipped
    python3 bin/dev.py licences             docs/licences.md made anew

Settings, as make arguments (`make run PORT=8001`) or environment variables:

    PORT            where the server listens on loopback (8000)
    VAR             the folder of all data (var/ in the checkout)
    DEMO=0          no demo data
    OUTBOUND_ALLOW  host:port,… on private addresses that providers may use besides the local model
    DATABASE_URL    a PostgreSQL server instead of the embedded one (DATABASE_OWNER_URL: as the role that migrates)
    BROKER_URL      a Valkey or Redis server instead of the embedded one
    E2E=0           `test` leaves the browser out on purpose
    SCHEDULES       how many random schedules of kills `faults` plays (20)
    OSV_URL         where `lint` asks for known weaknesses of packages instead of OSV; `off` asks nobody
    CASES           requests that `attack` makes of each operation and caller as its schema allows (10); half as many as it does not
    SEQUENCES       sequences of actions that `attack` tries on the rules of promotion (150)
    ROUNDS          how often `attack` runs each race of two connections or more (480, which are 10,000 interleavings)
    EXAMPLES        templates that the grammar of `attack` makes (3000)

Standard library only, Python >= 3.9: this file runs before anything is installed, and once more inside the virtual
environment that it made. To the parts it passes DATABASE_URL, DATABASE_OWNER_URL, BROKER_URL, SECRET_KEY, ENCRYPTION_KEYS,
PUBLIC_URL, DATA_DIR, GREENROOM_ENV=development, OUTBOUND_ALLOW, and LOCAL_MODEL_URL or SCRIPTED_PROVIDER_URL (see
`registry/env.py`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.version_info < (3, 9):
    sys.exit("Greenroom's tools need Python 3.9 or newer: call bin/dev.py with a newer python3.")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from devtools import environment, folders
from devtools.words import Stop, tell

NEED_TEST_TOOLS = ("test", "faults", "attack", "lint", "types", "fmt", "bench", "sbom", "licences")
COMMANDS = ("run", "manage", *NEED_TEST_TOOLS)
INSIDE = "GREENROOM_TOOLS_INSIDE"


def main(arguments: list[str]) -> int:
    """Runs one command; its exit code."""
    command, *rest = arguments or ["help"]
    if command not in COMMANDS:
        (sys.stdout if command in ("help", "-h", "--help") else sys.stderr).write(__doc__ or "")
        return 0 if command in ("help", "-h", "--help") else 2
    try:
        if sys.platform == "win32":
            raise Stop("Greenroom's tools run on Linux and macOS; on Windows use WSL or docker compose.")
        places = folders.find()
        if os.environ.pop(INSIDE, "") != str(places.venv):
            environment.ensure(places, for_tests=command in NEED_TEST_TOOLS)
            os.environ[INSIDE] = str(places.venv)
            os.execv(places.python, [str(places.python), __file__, command, *rest])
        return inside(command, rest, places)
    except Stop as stop:
        tell(f"greenroom: {stop.line}")
        return stop.code
    except KeyboardInterrupt:
        tell("greenroom: Stopped.")
        return 130


def inside(command: str, rest: list[str], places: folders.Folders) -> int:
    """The command itself, with all packages at hand."""
    if command == "run":
        from devtools.run import run

        return run(places)
    if command == "manage":
        from devtools.manage import manage

        return manage(places, rest)
    if command in ("sbom", "licences"):
        from devtools import supply

        return supply.call(command, rest, places)
    from devtools import checks

    return checks.call(command, rest, places)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
