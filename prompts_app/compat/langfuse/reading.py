"""Prompts as these clients read them. Pure functions of who asks and what the database holds; the read plane keeps what they give.

A CI key reads every version by number and by any label. A service key reads what is live in its environment, and by
number what is or was live there; nothing else exists for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prompts_app.compat.langfuse.refusals import NotPlain
from prompts_app.content import texts
from prompts_app.label_queries import Pointing, labelled_version, labels_of
from prompts_app.models import Deployment, Prompt, PromptVersion
from prompts_app.sandbox.plain import is_plain
from prompts_app.wholeness import require_whole
from registry.core.canonical import JSON
from registry.core.errors import NotFound

BY_DEFAULT = "production"


@dataclass(frozen=True)
class Reader:
    """Who asks: `environment` is a service key's own, empty for a CI key, which sees everything."""

    workspace_id: int
    environment: str = ""

    @property
    def is_service(self) -> bool:
        """True for a service key."""
        return bool(self.environment)


@dataclass(frozen=True)
class Asked:
    """One prompt asked for: by version, by label, or by neither."""

    name: str
    version: int | None = None
    label: str | None = None
    is_resolved: bool = True


def find_prompt(reader: Reader, name: str) -> Prompt:
    """The prompt of that name; to a CI key an archived one is gone, to services its pinned versions stay."""
    rows = Prompt.objects.in_workspace(reader.workspace_id).filter(name=name)
    prompt = rows.defer("searchable", "search").select_related("workspace").first()
    if prompt is None or (prompt.is_archived and not reader.is_service):
        raise NotFound("prompt.not_found", f"Prompt not found: '{name}'")
    return prompt


def find_version(reader: Reader, asked: Asked) -> PromptVersion:
    """The version asked for; raises NotFound, the same for what is not there and for what this key may not see."""
    try:
        prompt = find_prompt(reader, asked.name)
    except NotFound:
        raise _not_found(reader, asked) from None
    version = _numbered(reader, prompt, asked.version) if asked.version else _labelled(reader, prompt, asked.label)
    if version is None:
        raise _not_found(reader, asked)
    version.prompt = prompt
    return version


def show_prompt(reader: Reader, version: PromptVersion, *, is_resolved: bool = True) -> dict[str, JSON]:
    """A version in the form of these clients; its prompt and workspace must be loaded. Raises Unavailable where it is not
    what its digest says."""
    prompt = version.prompt
    require_whole(prompt.name, version.number, kind=prompt.kind, content=version.content, digest=version.digest)
    pointing = visible_labels(reader, labels_of([version]).get(version.pk, ()))
    content = version.to_json() if is_resolved else version.editable()
    return {
        "id": str(version.pk),
        "createdAt": instant(version.created_at),
        "updatedAt": instant(max([version.created_at, *(one.since for one in pointing)])),
        "projectId": prompt.workspace.slug,
        "createdBy": None if reader.is_service else version.key_name or version.author_name,
        "name": prompt.name,
        "version": version.number,
        "type": prompt.kind,
        "prompt": content["messages"] if prompt.kind == "chat" else content["text"],
        "config": content["config"],
        "labels": [one.name for one in pointing],
        "tags": list(prompt.tags),
        "commitMessage": None if reader.is_service else version.message or None,
        "resolutionGraph": _graph(version) if is_resolved else None,
    }


def visible_labels(reader: Reader, pointing: Sequence[Pointing]) -> list[Pointing]:
    """Those of the labels that the reader may know of."""
    return [one for one in pointing if not reader.is_service or one.name == reader.environment]


def refuse_more_than_plain(version: PromptVersion) -> None:
    """Raise NotPlain for a template with more in it than variables to replace."""
    source = version.load().source
    if source.template_format == "jinja" and not all(is_plain(text) for text in texts(source)):
        raise NotPlain(
            "template.not_plain",
            f"Version {version.number} of {version.prompt.name} is a Jinja template with more than plain variables, "
            "which this client cannot render: use the greenroom SDK, or the render endpoint.",
        )


def instant(moment: datetime) -> str:
    """A time as these clients write it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _numbered(reader: Reader, prompt: Prompt, number: int) -> PromptVersion | None:
    version = PromptVersion.objects.filter(prompt=prompt, number=number).select_related("yank").first()
    if version is None or not reader.is_service:
        return version
    was_live = Deployment.objects.filter(
        version=version, environment__name=reader.environment, environment__workspace_id=reader.workspace_id
    )
    return version if was_live.exists() else None


def _labelled(reader: Reader, prompt: Prompt, label: str | None) -> PromptVersion | None:
    wanted = label or reader.environment or BY_DEFAULT
    if reader.is_service and wanted != reader.environment:
        return None
    return labelled_version(prompt, wanted)


def _graph(version: PromptVersion) -> JSON:
    """What the text was put together from: each include by name, version and digest."""
    pins = version.load().includes
    if not pins:
        return None
    root = str(version.pk)
    return {
        "root": {"name": version.prompt.name, "version": version.number, "id": root},
        "dependencies": {root: [{"name": pin.name, "version": pin.version, "id": pin.digest} for pin in pins]},
    }


def _not_found(reader: Reader, asked: Asked) -> NotFound:
    by = f"version {asked.version}" if asked.version else f"label '{asked.label or reader.environment or BY_DEFAULT}'"
    return NotFound("prompt.not_found", f"Prompt not found: '{asked.name}' with {by}")
