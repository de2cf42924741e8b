"""The environment of Greenroom's own processes: secrets made once, addresses of the engines, what the developer set."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devtools.folders import Folders, give_a_home
from devtools.words import Stop, setting
from registry import embedded

DEFAULT_PORT = 8000
OWN = (
    "PORT",
    "DEMO",
    "OUTBOUND_ALLOW",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "BROKER_URL",
    "LOCAL_MODEL_URL",
    "SCRIPTED_PROVIDER_URL",
    "PUBLIC_URL",
)


@dataclass(frozen=True)
class Engines:
    """What runs for the application: a share in embedded engines, or nothing where real servers are named."""

    lease: embedded.Lease | None
    database_url: str
    owner_url: str
    broker_url: str

    @property
    def is_embedded(self) -> bool:
        """True when PostgreSQL is our own."""
        return self.lease is not None and "postgres" in self.lease.names

    def revive(self) -> tuple[str, ...]:
        return self.lease.revive() if self.lease else ()


@contextmanager
def engines(folders: Folders, said: Mapping[str, str], *, durable: bool = True) -> Iterator[Engines]:
    """Running engines for the length of the block: those named by URL, embedded ones for the rest. Raises Stop."""
    database, broker = said.get("DATABASE_URL", ""), said.get("BROKER_URL", "")
    owner = said.get("DATABASE_OWNER_URL", "") or database
    names = tuple(name for name, url in (("postgres", database), ("valkey", broker)) if not url)
    if not names:
        yield Engines(None, database, owner, broker)
        return
    try:
        with embedded.hold(folders.data, names=names, durable=durable) as lease:
            own = lease.engines
            yield Engines(lease, database or own.database_url, owner or own.owner_url, broker or own.broker_url)
    except embedded.EngineError as error:
        raise Stop(str(error)) from error


def environment(folders: Folders, running: Engines, said: Mapping[str, str]) -> dict[str, str]:
    """Variables for every process of the application; `said` is what the developer set, and wins."""
    outer = {name: value for name, value in os.environ.items() if name not in OWN}
    if running.is_embedded:  # libpq would read the variables of another server
        outer = {name: value for name, value in outer.items() if not name.startswith("PG")}
    port = said.get("PORT", "") or str(DEFAULT_PORT)
    result = {
        "GREENROOM_ENV": "development",
        "MANAGE_COMMAND": manage_command(folders),
        **make_secrets(folders.data),
        **outer,
        "PORT": port,
        "PUBLIC_URL": said.get("PUBLIC_URL", "") or f"http://127.0.0.1:{port}",
        "DATABASE_URL": running.database_url,
        "DATABASE_OWNER_URL": running.owner_url,
        "BROKER_URL": running.broker_url,
        "LOCAL_MODEL_URL": said.get("LOCAL_MODEL_URL", ""),
        "SCRIPTED_PROVIDER_URL": said.get("SCRIPTED_PROVIDER_URL", ""),
        "OUTBOUND_ALLOW": said.get("OUTBOUND_ALLOW", ""),
        "DATA_DIR": str(folders.data),
        "DJANGO_SETTINGS_MODULE": "registry.settings",
        "PYTHONPATH": str(folders.root),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{folders.python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
    }
    give_a_home(result, folders)
    return result


def manage_command(folders: Folders) -> str:
    """What a developer types for a management command of this `run`, in the checkout."""
    elsewhere = "" if folders.data == folders.root / "var" else f"VAR={shlex.quote(str(folders.data))} "
    return f"{elsewhere}python3 bin/dev.py manage"


def said_now() -> dict[str, str]:
    """What the developer set for this command."""
    return {name: value for name in OWN if (value := setting(name))}


def remember(folders: Folders, said: Mapping[str, str]) -> None:
    """Keeps what a `run` was told, for `manage` beside it or after it. Closed to others: addresses hold passwords."""
    _write_closed(_memory(folders), json.dumps(dict(said), indent=1))


def remembered(folders: Folders) -> dict[str, str]:
    """What the last `run` on this data folder was told; nothing when there was none."""
    try:
        return {str(name): str(value) for name, value in json.loads(_memory(folders).read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def make_secrets(data: Path) -> dict[str, str]:
    """SECRET_KEY and ENCRYPTION_KEYS of this data folder, made once. Raises Stop when the file is not readable."""
    path = data / "secrets.json"
    try:
        if not path.exists():
            made = {
                "SECRET_KEY": secrets.token_urlsafe(60),
                "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            }
            _write_closed(path, json.dumps(made, indent=1))
        kept = json.loads(path.read_text())
        return {name: str(kept[name]) for name in ("SECRET_KEY", "ENCRYPTION_KEYS")}
    except (OSError, ValueError, KeyError) as error:
        raise Stop(
            f"{path} cannot be read ({error}): restore it, since what is encrypted in the database needs it."
        ) from error


def _memory(folders: Folders) -> Path:
    return folders.data / "run" / "settings.json"


def _write_closed(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner only from the first moment."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
