"""What all fault tests share: a stage of real processes, and the table at the end."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import table
from tests.faults.stage import Broker, Stage, own_broker
from tests.servers import Web, run_web

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every test of this folder injects a fault; elsewhere a test says so, and which."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.injects)
    config.pluginmanager.register(Reporter(), "faults-reporter")


class Reporter:
    """Hears of tests everywhere; hooks of this module itself hear of this folder's only."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A line of the table for a test whose marker names its fault."""
        report = yield
        marker = next((mark for mark in item.iter_markers("injects") if mark.args), None)
        if marker and (report.failed or (report.when == "call" and report.passed)):
            table.tell(marker.args[0], schedules=marker.kwargs.get("schedules", 1), passed=report.passed)
        return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table of faults."""
    for line in table.text():
        terminalreporter.write_line(line)


@pytest.fixture(scope="package")
def broker() -> Iterator[Broker]:
    """A Valkey that a test may kill or empty; it keeps nothing over its end."""
    with own_broker() as broker:
        yield broker


@pytest.fixture(scope="package")
def web(broker: Broker, django_db_setup: None, tmp_path_factory: Any) -> Iterator[Web]:
    """One web process for all tests here that do not kill it; tests elsewhere must not find it among those that serve."""
    folder: Path = tmp_path_factory.mktemp("web")
    with run_web(folder, BROKER_URL=broker.url) as web:
        yield web


@pytest.fixture
def stage(broker: Broker, web: Web, transactional_db: None, tmp_path: Path) -> Iterator[Stage]:
    """A workspace, a provider that echoes, a client with a ledger; workers are started by the test."""
    broker.revive()
    broker.empty()
    with Stage.made(broker, web, tmp_path) as stage:
        yield stage
