"""`greenroom pull-files`, `push` and `diff`: prompts as files of a folder, so that a team can keep them in git."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk
from greenroom.cli.words import visible
from greenroom.errors import Misconfigured, Refused
from greenroom.fields import Fields
from greenroom.files import SUFFIX, BadFile, PromptFile, of_entry, path_of, read_file, write_file
from greenroom.templates.values import JSON

ATTRIBUTES = f"*{SUFFIX} -text\n"
GONE = 404


@dataclass(frozen=True)
class Local:
    """A file of the folder, and what it says."""

    path: Path
    prompt: PromptFile


def pull_files(talk: Talk, folder: Path, environment: str, *, force: bool) -> ExitCode:
    """Write the newest version of each prompt, or what is live; a file with changes of its own is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    attributes = folder / ".gitattributes"
    if not attributes.exists():
        attributes.write_text(ATTRIBUTES)
    here = {one.prompt.name: one for one in _read(folder)}
    taken = {str(one.path.relative_to(folder)).casefold(): one.prompt.name for one in here.values()}
    left = 0
    for name, there in _fetch(talk, environment).items():
        known = here.get(name)
        if known is None:
            path = _free_path(folder, name, taken)
            _write(path, there)
            _say(f"new      {path.relative_to(folder)}, version {there.version}")
        elif known.prompt == there:
            continue
        elif force or known.prompt.content == there.content or _is_untouched(talk, known.prompt):
            _write(known.path, there)
            _say(f"updated  {known.path.relative_to(folder)}, version {there.version}")
        else:
            left += 1
            _say(
                f"left     {known.path.relative_to(folder)}: it has changes that are not pushed (push them, or drop them with --force)"
            )
    return ExitCode.FAILED if left else ExitCode.PASSED


def push(talk: Talk, folder: Path, *, message: str, dry_run: bool) -> ExitCode:
    """Save a version of each prompt whose file says something else than the newest one; a conflict saves nothing of it."""
    there = _fetch(talk, "")
    conflicts = 0
    for local in _read(folder):
        known = there.get(local.prompt.name)
        shown = local.path.relative_to(folder)
        if known is not None and known.content == local.prompt.content and known.kind == local.prompt.kind:
            if known.version != local.prompt.version and not dry_run:
                _write(local.path, known)
            continue
        try:
            conflicts += not _push_one(talk, local, known, message=message, dry_run=dry_run, shown=str(shown))
        except Refused as refused:
            conflicts += 1
            _say(f"refused  {shown}: {refused}")
    return ExitCode.FAILED if conflicts else ExitCode.PASSED


def diff(talk: Talk, folder: Path, environment: str) -> ExitCode:
    """The difference of each file against the newest version, or against what is live; 1 where there is one."""
    there = _fetch(talk, environment)
    here = {one.prompt.name: one for one in _read(folder)}
    is_different = False
    where = environment or "newest"
    for name in sorted({*there, *here}):
        local, known = here.get(name), there.get(name)
        if local and known and local.prompt.content == known.content and local.prompt.kind == known.kind:
            continue
        is_different = True
        if known and not local:
            _say(f"no file  {name}, version {known.version}: pull-files writes one")
        if not local:
            continue
        old = _lines(known) if known else []
        new = _lines(local.prompt)
        before = f"{name} ({where}, version {known.version})" if known else "/dev/null"
        after = str(local.path.relative_to(folder))
        for line in difflib.unified_diff(old, new, visible(before), visible(after), lineterm=""):
            _say(line)
    return ExitCode.FAILED if is_different else ExitCode.PASSED


def _push_one(talk: Talk, local: Local, known: PromptFile | None, *, message: str, dry_run: bool, shown: str) -> bool:
    """False where somebody else saved a version meanwhile."""
    prompt = local.prompt
    if known is not None and prompt.version != known.version:
        is_behind = _is_untouched(talk, prompt)
        what = "behind   " if is_behind else "conflict "
        way_on = "pull-files brings it up to date"
        if not is_behind:
            way_on = f"diff shows both: merge them, write `version: {known.version}` into its head, then push again"
        _say(f"{what}{shown}: made of version {prompt.version}, the newest is {known.version}; {way_on}")
        return is_behind
    if dry_run:
        _say(f"would save {shown} as " + (f"version {(known.version or 0) + 1}" if known else "a new prompt"))
        return True
    address = f"prompts/{quote(prompt.name, safe='')}"
    if known is None and not _is_there(talk, address):
        talk.post("prompts", {"name": prompt.name, "kind": prompt.kind})
    body: dict[str, JSON] = {**prompt.content, "message": message}
    saved = talk.post(f"{address}/versions", body | ({"based_on": known.version} if known else {}))
    number = saved.integer("version")
    _write(local.path, replace(prompt, version=number))
    is_same = known is not None and number == known.version
    _say(f"{'same     ' if is_same else 'saved    '}{shown}, version {number}")
    return True


def _is_there(talk: Talk, address: str) -> bool:
    try:
        talk.get(address)
    except Refused as refused:
        if refused.status != GONE:
            raise
        return False
    return True


def _is_untouched(talk: Talk, prompt: PromptFile) -> bool:
    """Whether a file says what the version says that it was made of."""
    document = talk.get("export/bundle", {"prompt": prompt.name})
    return any(one.content == prompt.content and one.version == prompt.version for one in _files(document))


def _fetch(talk: Talk, environment: str) -> dict[str, PromptFile]:
    params = {"environment": environment} if environment else {"newest": "true"}
    return {one.name: one for one in _files(talk.get("export/bundle", params))}


def _files(document: Fields) -> Iterator[PromptFile]:
    for entry in document.objects("prompts"):
        if entry.text_or_none("archived_at") is None:
            for version in entry.objects("versions"):
                version.object("content"), version.integer("version")
                yield of_entry(entry.values, version.values)


def _read(folder: Path) -> list[Local]:
    """Every prompt's file below a folder; raises Misconfigured naming each one that cannot be read."""
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder: `greenroom pull-files {folder}` makes one.")
    found: dict[str, Local] = {}
    wrong = []
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        try:
            prompt = read_file(path.read_bytes())
        except (OSError, BadFile) as error:
            wrong.append(f"{path.relative_to(folder)}: {error}")
            continue
        if prompt.name in found:
            wrong.append(
                f"{path.relative_to(folder)}: {found[prompt.name].path.relative_to(folder)} is {prompt.name} too"
            )
        found[prompt.name] = Local(path, prompt)
    if wrong:
        raise Misconfigured("These files cannot be read, so nothing was done:\n  " + "\n  ".join(wrong))
    return list(found.values())


def _free_path(folder: Path, name: str, taken: dict[str, str]) -> Path:
    """A path that no other prompt has, also where the system takes A for a."""
    wanted = path_of(name)
    tried, number = wanted, 1
    while taken.setdefault(tried.casefold(), name) != name:
        number += 1
        tried = f"{wanted.removesuffix(SUFFIX)}~{number}{SUFFIX}"
    return folder / tried


def _write(path: Path, prompt: PromptFile) -> None:
    """The whole file or none of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".greenroom-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(write_file(prompt).encode())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


def _lines(prompt: PromptFile) -> list[str]:
    content: Mapping[str, JSON] = prompt.content
    return write_file(replace(prompt, version=None, content=content)).split("\n")


def _say(text: str) -> None:
    sys.stdout.write(visible(text) + "\n")
