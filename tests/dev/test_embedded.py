"""The engines for real: started, attached to, killed, stopped, in folders that make trouble."""

import contextlib
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from registry import embedded, processes
from registry.embedded import account, postgres
from registry.embedded.places import EngineError, Places
from tests.dev.conftest import ROOT


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    embedded.stop(folder)


def _rows(engines: embedded.Engines) -> list[tuple[int]]:
    with psycopg.connect(engines.owner_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
        return connection.execute("SELECT n FROM kept").fetchall()


def _kill_server(folder: Path) -> None:
    pid = int((folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    server = processes.identify(pid)
    assert server is not None
    os.kill(pid, 9)
    assert processes.wait_gone(server, 60)


def _python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_start__fresh_folder__both_engines_serve_and_a_second_start_attaches(data_dir: Path) -> None:
    engines = embedded.start(data_dir)
    lock = (data_dir / "postgres" / "postmaster.pid").read_text()
    assert embedded.start(data_dir) == engines
    assert (data_dir / "postgres" / "postmaster.pid").read_text() == lock
    with psycopg.connect(engines.database_url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (
            "greenroom_app",
            "greenroom",
        )
    with contextlib.closing(redis.Redis.from_url(engines.cache_url)) as cache:
        assert cache.ping()


def test_start__roles__the_application_makes_no_tables_and_the_owner_makes_databases(data_dir: Path) -> None:
    engines = embedded.start(data_dir)
    with psycopg.connect(engines.database_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE TABLE no (n int)")
    with psycopg.connect(engines.owner_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE test_greenroom")


def test_stop__running__nothing_is_left_and_the_next_start_has_all_data(data_dir: Path) -> None:
    engines = embedded.start(data_dir)
    assert len(_rows(engines)) == 1
    with contextlib.closing(redis.Redis.from_url(engines.cache_url)) as cache:
        cache.set("kept", "1")
    embedded.stop(data_dir)
    assert not embedded.is_running(data_dir)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(engines.database_url)
    again = embedded.start(data_dir)
    assert len(_rows(again)) == 2
    with contextlib.closing(redis.Redis.from_url(again.cache_url)) as cache:
        assert cache.get("kept") == b"1"


def test_start__path_of_150_characters_with_blanks__sockets_stay_short(tmp_path: Path) -> None:
    folder = tmp_path / "long path é" / ("x" * 60)
    folder = folder / ("y" * (150 - len(str(folder))))
    try:
        engines = embedded.start(folder)
        sockets = Places(folder).sockets()
        assert len(os.fsencode(sockets / ".s.PGSQL.5432")) < 107
        assert sockets.stat().st_mode & 0o077 == 0
        assert len(_rows(engines)) == 1
    finally:
        embedded.stop(folder)


def test_start__postgres_was_killed__starts_again_with_what_was_committed(data_dir: Path) -> None:
    _rows(embedded.start(data_dir))
    _kill_server(data_dir)
    assert not embedded.is_running(data_dir)
    assert len(_rows(embedded.start(data_dir))) == 2


def test_start__lock_file_names_another_living_process__starts_all_the_same(data_dir: Path) -> None:
    embedded.start(data_dir)
    lock = data_dir / "postgres" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    _kill_server(data_dir)
    lock.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert len(_rows(embedded.start(data_dir))) == 1


def test_start__valkey_was_killed__keeps_keys(data_dir: Path) -> None:
    with embedded.hold(data_dir) as lease:
        with contextlib.closing(redis.Redis.from_url(lease.engines.cache_url)) as cache:
            cache.set("kept", "1")
            os.kill(cache.info("server")["process_id"], 9)
        deadline = time.monotonic() + 60
        while not (revived := lease.revive()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert revived == ("valkey",)
        with contextlib.closing(redis.Redis.from_url(lease.engines.cache_url)) as cache:
            assert cache.get("kept") == b"1"


def test_start__three_at_once__one_server_and_no_error(data_dir: Path) -> None:
    code = "import sys; from registry import embedded; print(embedded.start(sys.argv[1]).database_url)"
    starters = [_python(code, data_dir) for _ in range(3)]
    answers = [starter.communicate(timeout=60)[0] for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0]
    assert len(set(answers)) == 1


def test_hold__two_holders__the_last_one_out_stops_the_engines(data_dir: Path) -> None:
    code = "import sys; from registry import embedded\nwith embedded.hold(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    with embedded.hold(data_dir):
        other = _python(code, data_dir)
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
    assert embedded.is_running(data_dir)
    other.communicate(b"", timeout=60)
    assert not embedded.is_running(data_dir)


def test_stop_unused__holder_was_killed__stops_what_it_left(data_dir: Path) -> None:
    code = "import sys; from registry import embedded\nwith embedded.hold(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    holder = _python(code, data_dir)
    assert holder.stdout is not None
    holder.stdout.readline()
    assert not embedded.stop_unused(data_dir)
    holder.kill()
    holder.communicate(timeout=60)
    assert embedded.is_running(data_dir)
    assert embedded.stop_unused(data_dir)
    assert not embedded.is_running(data_dir)


def test_start__data_folder_is_a_file__says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"^Cannot write to the data folder .*file: .*$"):
        embedded.start(tmp_path / "file")


def test_sockets__folder_moved__the_old_place_is_forgotten(tmp_path: Path) -> None:
    places = Places(tmp_path / "a")
    places.make()
    places.make_sockets(os.geteuid())
    (tmp_path / "a").rename(tmp_path / "b")
    assert Places(tmp_path / "b").sockets() == tmp_path / "b" / "sockets"


def test_sockets__prepared_by_somebody_else__is_refused(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.make()
    (tmp_path / "sockets").mkdir(mode=0o777)
    (tmp_path / "sockets").chmod(0o777)
    with pytest.raises(EngineError, match="not a closed folder of ours"):
        places.make_sockets(os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must become somebody else")
@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are Linux's")
def test_start__root_without_user_namespaces__another_account_serves_and_no_folder_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    home = Path(tempfile.gettempdir()) / f"greenroom-home-{os.getpid()}"  # where any account may pass
    home.mkdir(mode=0o711)
    monkeypatch.setattr(account, "HOMES", (home,))
    first = len(_rows(embedded.start(closed / "data")))
    embedded.stop(closed / "data")
    real = account.Account.can_run
    monkeypatch.setattr(account.Account, "can_run", lambda self: not self.in_namespace and real(self))
    try:
        engines = embedded.start(closed / "data")
        assert len(_rows(engines)) == first + 1
        assert (closed / "data" / "postgres").is_symlink()
        assert (closed / "data" / "postgres").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert closed.stat().st_mode & 0o777 == 0o700
        assert postgres.is_alive(Places(closed / "data"))
    finally:
        embedded.stop(closed / "data")
        subprocess.run(["rm", "-rf", home], check=True)
