"""What every test stands on: the application's database role, no network but loopback, and the cast."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import override_settings

from registry.core.dbroles import grant_application_role
from registry.core.valkey import circuit
from tests.builders import Cast, make_cast

# How long an example takes says how busy the machine is, and what it imports first.
hypothesis.settings.register_profile("untimed", hypothesis.settings(deadline=None))
hypothesis.settings.load_profile("untimed")

APP_ROLE = "greenroom_app"
LOOPBACK = ("127.", "::1", "localhost")
ROOT = Path(__file__).parent


# Files and folders that take long and mostly wait: begun first they end beside all the others, not alone after them.
SLOW_FIRST = (
    "faults", "dev", "sdk", "delivery", "invariants", "security", "compat",
    "e2e/test_screens.py", "e2e/test_editor.py", "e2e/test_runs.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is slow first; within it the order stays."""
    ranks = {name: rank for rank, name in enumerate(SLOW_FIRST)}

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT)
        return ranks.get(path.as_posix(), ranks.get(path.parts[0], len(ranks)))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Every test runs with the rights of the application's role: no UPDATE or DELETE on append-only tables."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute(
                f"DO $$ BEGIN CREATE ROLE {APP_ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
            )
        grant_application_role(connection, APP_ROLE)
        _reconnect(options=f"-c role={APP_ROLE}")
    yield
    with django_db_blocker.unblock():
        _reconnect(options=None)


def _reconnect(*, options: str | None) -> None:
    chosen = connection.settings_dict["OPTIONS"]
    chosen.pop("options", None)
    if options:
        chosen["options"] = options
    connection.close()
    connection.close_pool()


@pytest.fixture(autouse=True, scope="session")
def flush_passes_the_truncate_guard() -> Iterator[None]:
    """Tests with real transactions empty the tables afterwards; only that statement may pass the triggers."""
    real = DatabaseOperations.sql_flush

    def sql_flush(self: DatabaseOperations, *args: Any, **kwargs: Any) -> list[str]:
        sql = real(self, *args, **kwargs)
        return ["SET LOCAL ROLE NONE", "SET LOCAL session_replication_role = replica", *sql] if sql else sql

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture(autouse=True)
def valkey_is_asked() -> None:
    """No test waits for the rest that a failure in the test before it made this process take."""
    circuit.close()


@pytest.fixture(autouse=True, scope="session")
def only_loopback() -> Iterator[None]:
    """Nothing leaves the machine during the run."""
    real: Callable[..., Any] = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6} and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}")
        return real(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


@pytest.fixture(autouse=True, scope="session")
def static_files_from_the_sources() -> Iterator[None]:
    """Nothing has to be collected for a test: static files keep their plain names."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        yield


@pytest.fixture
def cast(db: None) -> Cast:
    """A workspace with Ada who edits, Grace who reviews, Rosa who releases, Olga who owns; Linus is outside."""
    return make_cast()


@pytest.fixture
def free(db: None) -> Cast:
    """The same people in a workspace that asks nothing of a promotion; a test asks for what it is about."""
    return make_cast(is_open=True)
