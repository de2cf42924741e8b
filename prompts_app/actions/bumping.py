"""Bumping: what includes an older text of a prompt is saved anew with the newest."""

from dataclasses import dataclass

from prompts_app.actions.versions import create_version
from prompts_app.editing import is_worked_out
from prompts_app.history_queries import newest_numbers
from prompts_app.include_queries import Including, including
from prompts_app.includes import repinned
from prompts_app.models import Prompt, PromptVersion
from registry.core.actor import Actor
from registry.core.errors import RegistryError
from registry.core.permissions import Permission, require


@dataclass(frozen=True)
class Bumped:
    """What became of one prompt: the version saved, or None and why there is none."""

    name: str
    version: PromptVersion | None
    why: str = ""


def bump_includes(actor: Actor, included: Prompt) -> list[Bumped]:
    """Save every prompt that includes an older version of this one anew, with the newest: each a version of its own.

    One that is refused (its contract, its size, somebody who saves at the same moment) keeps no other from it.
    """
    require(actor, Permission.WRITE)
    newest = newest_numbers(included.workspace_id, {included.name}).get(included.name, 0)
    return [_bump(actor, one, included, newest) for one in including(included) if one.is_behind]


def _bump(actor: Actor, one: Including, included: Prompt, newest: int) -> Bumped:
    prompt = one.version.prompt
    content = {**one.version.editable(), **repinned(one.version.written(), included.name, newest).to_json()}
    if is_worked_out(content.get("variables")):
        del content["variables"]  # so that they follow the text, as they did
    try:
        saved = create_version(
            actor, prompt, content, message=f"Include the newest {included.name}", based_on=one.version.number
        )
    except RegistryError as refused:
        return Bumped(prompt.name, None, refused.detail)
    return Bumped(prompt.name, saved.version)
