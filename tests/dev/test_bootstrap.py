"""Finding uv, the package index and a Python on machines of all kinds, with stand-ins on a path of their own."""

import hashlib
import http.server
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dev.conftest import ROOT

from devtools import environment, sources, uv  # isort: skip
from devtools.folders import Folders, find, give_a_home  # isort: skip
from devtools.words import Stop, setting  # isort: skip


def _program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def config(tmp_path: Path) -> dict[str, str]:
    """A home and machine-wide folders without any configuration."""
    return {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "xdg"), "PATH": str(tmp_path / "bin")}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_sources__nothing_said__is_the_public_index(config: dict[str, str]) -> None:
    config["PIP_CONFIG_FILE"] = os.devnull
    assert sources.read(config) == sources.Sources()


def test_sources__files_and_variables__the_nearer_one_wins(config: dict[str, str], tmp_path: Path) -> None:
    _write(
        tmp_path / "xdg" / "pip" / "pip.conf",
        "[global]\nindex-url = https://machine.test/simple/\nextra_index_url = https://extra.test/a\n",
    )
    assert sources.read(config).index == "https://machine.test/simple"
    assert sources.read(config).extra == ("https://extra.test/a",)
    _write(tmp_path / "home" / ".config" / "pip" / "pip.conf", "[global]\nindex-url = https://user.test/%(x)s\n")
    assert sources.read(config).index == "https://user.test/%(x)s"
    _write(
        tmp_path / "home" / ".config" / "pip" / "pip.conf",
        "[global]\nindex-url = https://a.test\n[install]\nindex-url = https://b.test\n",
    )
    assert sources.read(config).index == "https://b.test"
    _write(tmp_path / "named.conf", "[global]\nindex-url = https://named.test\n")
    config["PIP_CONFIG_FILE"] = str(tmp_path / "named.conf")
    assert sources.read(config).index == "https://named.test"
    assert sources.read({**config, "PIP_INDEX_URL": "https://pip.test/"}).index == "https://pip.test"
    assert (
        sources.read({**config, "PIP_INDEX_URL": "https://pip.test", "UV_DEFAULT_INDEX": "https://uv.test"}).index
        == "https://uv.test"
    )


def test_sources__broken_file__is_passed_over(config: dict[str, str], tmp_path: Path) -> None:
    _write(tmp_path / "home" / ".pip" / "pip.conf", "index-url without a section \x00")
    config["PIP_NO_INDEX"] = "yes"
    assert sources.read(config).no_index


def test_for_uv__pip_has_a_mirror__uv_is_told_unless_it_was_told_before(config: dict[str, str]) -> None:
    said = sources.Sources(
        index="https://m.test/simple", extra=("https://x.test", "https://y.test"), proxy="http://p.test:1"
    )
    told = sources.for_uv(said, config)
    assert told["UV_DEFAULT_INDEX"] == "https://m.test/simple"
    assert told["UV_INDEX"] == "https://x.test https://y.test"
    assert told["HTTPS_PROXY"] == "http://p.test:1"
    assert "UV_DEFAULT_INDEX" not in sources.for_uv(said, {"UV_INDEX_URL": "https://own.test"})
    assert "UV_DEFAULT_INDEX" not in sources.for_uv(sources.Sources(), config)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A package index on loopback that wants a password: its address, its folder, the authorizations it saw."""
    folder, seen = tmp_path / "index", []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **more: object) -> None:
            super().__init__(*args, directory=str(folder), **more)  # type: ignore[arg-type]

        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://me:p%40ss@127.0.0.1:{server.server_port}/simple", folder, seen
    server.shutdown()
    server.server_close()


def _wheel(path: Path, content: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("uv-1.2.3.data/scripts/uv", content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_fetch_wheel__an_index_page__best_platform_with_the_right_checksum(
    index: tuple[str, Path, list[str]], tmp_path: Path
) -> None:
    address, folder, seen = index
    good = _wheel(
        folder / "files" / "uv-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "#!/bin/sh\necho uv 1.2.3",
    )
    _wheel(folder / "files" / "uv-1.2.3-py3-none-manylinux_2_99_x86_64.whl", "evil")
    page = "".join(
        f'<a href="../../files/{file.name}#sha256=0">{file.name}</a>' for file in (folder / "files").iterdir()
    )
    _write(folder / "simple" / "uv" / "index.html", f'<a href="uv-9.9.9-py3-none-any.whl">newer</a>{page}')
    said = sources.Sources(index=address)
    wheel = sources.fetch_wheel("uv", "1.2.3", ("manylinux_*_x86_64",), frozenset({good}), said)
    sources.unpack_member(wheel, ".data/scripts/uv", tmp_path / "out" / "uv")
    assert uv.works(tmp_path / "out" / "uv", dict(os.environ))
    assert set(seen) == {"Basic bWU6cEBzcw=="}
    with pytest.raises(OSError, match="checksum") as refused:
        sources.fetch_wheel("uv", "1.2.3", ("manylinux_*_x86_64",), frozenset({"0" * 64}), said)
    assert "p%40ss" not in str(refused.value)
    with pytest.raises(OSError, match="no wheel of uv"):
        sources.fetch_wheel("uv", "1.2.3", ("manylinux_*_sparc",), frozenset({good}), said)


def test_fetch_wheel__no_index_but_a_folder__is_taken_from_there(tmp_path: Path) -> None:
    good = _wheel(tmp_path / "wheels with blank" / "uv-1.2.3-py3-none-musllinux_1_1_x86_64.whl", "x")
    said = sources.Sources(find_links=(str(tmp_path / "wheels with blank"),), no_index=True)
    assert sources.fetch_wheel("uv", "1.2.3", ("musllinux_*_x86_64",), frozenset({good}), said)


def test_platforms__this_machine__match_a_wheel_whose_checksum_is_pinned() -> None:
    version, checksums = uv.pinned(Folders(ROOT, ROOT, ROOT))
    assert version.count(".") == 2
    assert len(checksums) > 10
    assert all("*" in pattern for pattern in uv.platforms())


def test_uv__shim_that_knows_no_uv__is_not_trusted(tmp_path: Path) -> None:
    shim = _program(tmp_path / "bin", "uv", "echo 'pyenv: uv: command not found' >&2; exit 127")
    old = _program(tmp_path / "bin", "old", "echo uv 0.1.3")
    new = _program(tmp_path / "bin", "new", "echo 'uv 0.13.9 (x86_64-unknown-linux-gnu)'")
    assert [uv.works(path, {}) for path in (shim, old, new, tmp_path / "none")] == [False, False, True, False]


def test_uv__one_on_the_path_works__nothing_is_fetched(tmp_path: Path) -> None:
    new = _program(tmp_path / "bin", "uv", "echo uv 0.13.9")
    folders = Folders(ROOT, tmp_path / "var", tmp_path / "var")
    assert uv.get(folders, {"PATH": str(tmp_path / "bin")}) == new
    assert not (tmp_path / "var").exists()


def test_debian_pip__apt_has_it__is_unpacked_in_the_tools_and_installed_nowhere(tmp_path: Path) -> None:
    told = tmp_path / "told"
    _program(
        tmp_path / "bin",
        "apt-get",
        f'echo "$@" >> {told}; case "$*" in *download*) touch python3-pip_25_all.deb ;; esac',
    )
    _program(tmp_path / "bin", "dpkg-deb", 'mkdir -p "$3/usr/lib/python3/dist-packages/pip"')
    folders = Folders(ROOT, tmp_path / "var", tmp_path / "var")
    found = uv.debian_pip(folders, {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"})
    assert found is not None
    assert (found / "pip").is_dir()
    assert folders.tools in found.parents
    assert [line.split()[-1] for line in told.read_text().splitlines()] == ["update", "python3-pip"]
    assert "install" not in told.read_text().split()
    assert uv.debian_pip(folders, {"PATH": str(tmp_path)}) is None


def test_uv__not_to_be_had__says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv, "_runs", lambda *_: False)  # no pip anywhere
    folders = Folders(ROOT, tmp_path / "var", tmp_path / "var")
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    with pytest.raises(Stop, match="install uv or python3-pip"):
        uv.get(folders, nowhere)


def test_interpreters__old_ones_and_shims__are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin", "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    _program(tmp_path / "bin", "python3.12", "echo 3.11 cpython /old")
    _program(tmp_path / "bin", "python3", "echo 3.12 cpython /new one/python")
    monkeypatch.setattr(environment, "COMMANDS", ("python3.13", "python3.12", "python3"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert list(environment.interpreters({"PATH": str(tmp_path / "bin")})) == [Path("/new one/python")]


def test_folders__data_elsewhere__the_environment_stays_in_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAR", str(tmp_path / "some" / "where"))
    folders = find()
    assert folders.data == tmp_path / "some" / "where"
    assert folders.built == ROOT / "var"
    monkeypatch.setattr("devtools.folders._can_write", lambda folder: folder != ROOT / "var")
    assert find().built == folders.data


def test_folders__not_a_folder__is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("VAR", str(tmp_path / "file" / "below"))
    with pytest.raises(Stop, match=r"^Cannot write to .*: choose another folder, VAR=/some/folder\.$"):
        find()


def test_home__cannot_be_written__programs_get_one_that_can(tmp_path: Path) -> None:
    none = str(tmp_path / "none")
    told = {"HOME": none, "XDG_CACHE_HOME": f"{none}/.cache", "XDG_RUNTIME_DIR": none}
    give_a_home(told, Folders(ROOT, tmp_path, tmp_path))
    assert told == {"HOME": str(tmp_path / "home")}
    assert (tmp_path / "home").is_dir()


def test_setting__set_but_empty__counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert setting("PORT", "8000") == "8000"
