"""Free labels: set, moved and taken away. Names of environments are none: what they point at is moved by promotions."""

import re

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.models import Environment, Prompt, PromptVersion, VersionLabel, VersionYank
from registry.core import audit
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.permissions import Permission, require

LATEST = "latest"
LABEL = re.compile(r"[a-z0-9_.-]{1,63}")
MOST_LABELS = 200


@transaction.atomic
def set_label(actor: Actor, version: PromptVersion, name: str) -> VersionLabel:
    """Let a label point at this version, wherever it pointed before; where it does already nothing is recorded.

    Raises Invalid for what cannot be a label, Conflict for a withdrawn version and for more than 200 labels of a prompt.
    """
    require(actor, Permission.CURATE)
    _refuse_name(actor.workspace_id, name)
    Prompt.objects.select_for_update(no_key=True).get(pk=version.prompt_id)
    if VersionYank.objects.filter(version=version).exists():
        raise Conflict("version.yanked", "This version was yanked: label another one.")
    label = VersionLabel.objects.filter(prompt=version.prompt_id, name=name).select_related("version").first()
    before = label.version if label else None
    if label is None:
        if VersionLabel.objects.filter(prompt=version.prompt_id).count() >= MOST_LABELS:
            raise Conflict("label.too_many", f"A prompt has at most {MOST_LABELS} labels: take one away first.")
        label = VersionLabel(prompt_id=version.prompt_id, name=name)
    elif label.version_id == version.pk:
        return label
    label.version, label.moved_at = version, Now()
    label.save()
    label.refresh_from_db(fields=["moved_at"])
    _record(actor, "label.set", version, name, before=before, after=version)
    return label


@transaction.atomic
def remove_label(actor: Actor, version: PromptVersion, name: str) -> None:
    """Take a label away; raises NotFound where it does not point at this version."""
    require(actor, Permission.CURATE)
    Prompt.objects.select_for_update(no_key=True).get(pk=version.prompt_id)
    gone, _ = VersionLabel.objects.filter(version=version, name=name).delete()
    if not gone:
        raise NotFound("label.not_found", f"Version {version.number} has no label {name}.")
    _record(actor, "label.removed", version, name, before=version, after=None)


def _refuse_name(workspace_id: int, name: str) -> None:
    """What is called like an environment, one no longer in use too, could be taken for what is live there."""
    if not LABEL.fullmatch(name):
        raise invalid_field("label", "format", "A label has 1 to 63 of: a-z, 0-9, _, . and -.")
    if name == LATEST:
        raise invalid_field("label", "reserved", "`latest` is the newest version by itself.")
    if Environment.objects.filter(workspace_id=workspace_id, name=name).exists():
        raise invalid_field("label", "reserved", f"{name} is an environment: open a promotion to it.")


def _record(
    actor: Actor,
    event: str,
    version: PromptVersion,
    name: str,
    *,
    before: PromptVersion | None,
    after: PromptVersion | None,
) -> None:
    audit.record(
        actor,
        event,
        subject_type="prompt",
        subject_id=version.prompt_id,
        subject_name=version.prompt.name,
        before=before.digest if before else "",
        after=after.digest if after else "",
        detail={
            "label": name,
            "version": after.number if after else None,
            "previous_version": before.number if before else None,
        },
    )
    announce("prompt", workspace_id=actor.workspace_id, prompt=version.prompt.name)
