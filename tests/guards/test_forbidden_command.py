"""What the promotion rules forbid, tried by the command."""

from pathlib import Path

import pytest

from greenroom.cli.main import main
from tests.builders import make_cast
from tests.guards.forbidden import NAME, make_world, what_counts
from tests.servers import run_web


@pytest.mark.django_db(transaction=True)
def test_command__that_tries_what_is_forbidden__ends_with_an_error_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    world = make_world(make_cast(is_open=True))
    before = what_counts(world)
    moves = [
        ["promote", NAME, "--version", "2", "--environment", "production", "--apply"],
        ["promote", NAME, "--version", "1", "--environment", "staging", "--apply"],
        ["promote", NAME, "--version", "3", "--environment", "staging", "--apply"],
        ["check", "post", NAME, "--version", "2", "--name", "suite/intents", "--state", "passed"],
    ]
    reads = [
        ["get", NAME, "--environment", "staging"], ["pull", "--environment", "staging"], ["status"],
        ["pull-files", str(tmp_path / "all")], ["pull-files", str(tmp_path / "st"), "--environment", "staging"],
    ]  # fmt: skip
    with run_web(tmp_path) as web:
        monkeypatch.setenv("GREENROOM_URL", web.url)
        for key, commands in (
            (world.ci, moves),
            (world.service, [*moves, *reads]),
            (world.theirs, [*moves, *reads[:1]]),
        ):
            monkeypatch.setenv("GREENROOM_KEY", key.token)
            for command in commands:
                assert main(command) != 0, command
                told = capsys.readouterr()
                assert "two {{" not in told.out and key.token not in told.out + told.err
    assert what_counts(world) == before
