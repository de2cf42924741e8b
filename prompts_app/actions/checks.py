"""Checks: what they are called, who requires them, and what they said."""

from collections.abc import Set as AbstractSet

from django.db import transaction
from django.db.models.functions import Now

from prompts_app.actions.prompts import checked_text
from prompts_app.authors import doers
from prompts_app.models import (
    CheckDefinition,
    CheckDefinitionChange,
    CheckState,
    Promotion,
    Prompt,
    PromptVersion,
    RequiredCheck,
    VersionCheck,
)
from prompts_app.policy import CHECK_NAME
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import invalid_field
from registry.core.permissions import Permission, require

CHECK_STATES = frozenset(CheckState)
MAX_URL = 500


@transaction.atomic
def define_check(
    actor: Actor, name: str, *, title: str, recipe: str, is_safety: bool, changed_by_person: bool
) -> CheckDefinition:
    """Say what a suite's evidence depends on now; another `recipe` makes older evidence stale.

    Called by the engine inside the action that changes the suite, which has asked for rights and records itself;
    `changed_by_person` notes the member, who then does not approve what this check lets through.
    """
    audit.lock(actor.workspace_id)  # before the row: nobody may wait for one who holds it and waits for this
    definition, is_new = CheckDefinition.objects.select_for_update(no_key=True).get_or_create(
        workspace_id=actor.workspace_id, name=name, defaults={"title": title, "recipe": recipe, "is_safety": is_safety}
    )
    if is_new or definition.recipe != recipe or definition.is_safety != is_safety:
        note_change(definition, recipe, by=doers(actor) if changed_by_person else {None})
    CheckDefinition.objects.filter(pk=definition.pk).update(
        title=title, recipe=recipe, is_safety=is_safety, updated_at=Now()
    )
    definition.refresh_from_db()
    return definition


def require_check(actor: Actor, prompt: Prompt, name: str, *, required: bool) -> None:
    """Ask for a check of this prompt wherever a policy asks for suites, or no longer; part of attaching a suite.

    Who takes a requirement away changes the gate as much as who edits the suite: it is noted for the same purpose.
    """
    definition = CheckDefinition.objects.get(workspace_id=prompt.workspace_id, name=name)
    if required:
        RequiredCheck.objects.bulk_create([RequiredCheck(prompt=prompt, definition=definition)], ignore_conflicts=True)
        return
    taken_away, _ = RequiredCheck.objects.filter(prompt=prompt, definition=definition).delete()
    if taken_away:
        note_change(definition, definition.recipe, by=doers(actor), prompt=prompt)


def note_change(
    definition: CheckDefinition, recipe: str, *, by: AbstractSet[int | None], prompt: Prompt | None = None
) -> None:
    """Keep who changed what a check lets through, inside the caller's transaction.

    Under the audit lock, as what goes live: else a change that was noted before a deployment and committed after it
    would be taken for one that the deployment had seen.
    """
    audit.lock(definition.workspace_id)
    CheckDefinitionChange.objects.bulk_create(
        CheckDefinitionChange(definition=definition, prompt=prompt, recipe=recipe, by_id=pk) for pk in by
    )


@transaction.atomic
def record_check(
    prompt: Prompt,
    *,
    digest: str,
    name: str,
    baseline_digest: str | None,
    evidence_key: str,
    state: CheckState,
    run_id: int | None = None,
    url: str = "",
    summary: str = "",
) -> VersionCheck:
    """Keep what a run said of a digest. Only the evaluation engine calls this, for names `suite/…`."""
    check = VersionCheck.objects.create(
        prompt=prompt,
        digest=digest,
        name=name,
        baseline_digest=baseline_digest,
        evidence_key=evidence_key,
        state=state,
        run_id=run_id,
        url=url,
        summary=summary,
    )
    _after_check(check)
    return check


@transaction.atomic
def post_external_check(
    actor: Actor, version: PromptVersion, *, name: str, state: str, url: str = "", summary: str = ""
) -> VersionCheck:
    """Keep what an outside system says of a version; a CI key's business."""
    require(actor, Permission.POST_CHECK)
    if not CHECK_NAME.fullmatch(name):
        raise invalid_field(
            "name", "format", "Outside checks are named external/… in lower case; suite/… is the engine's."
        )
    if state not in CHECK_STATES:
        raise invalid_field("state", "choice", f"One of: {', '.join(CheckState)}.")
    if url and not checked_text("url", url, most=MAX_URL).startswith(("https://", "http://")):
        raise invalid_field("url", "format", "An http or https address.")
    checked_text("summary", summary)
    check = VersionCheck.objects.create(
        prompt=version.prompt,
        digest=version.digest,
        name=name,
        baseline_digest=None,
        state=state,
        url=url,
        summary=summary,
    )
    detail: dict[str, JSON] = {"name": name, "state": state, "version": version.number, "url": url}
    audit.record(
        actor,
        "check.posted",
        subject_type="prompt",
        subject_id=version.prompt_id,
        subject_name=version.prompt.name,
        after=version.digest,
        detail=detail,
    )
    _after_check(check)
    return check


def _after_check(check: VersionCheck) -> None:
    """A run is activity on the promotions it is evidence for, and may be the last thing one waits for."""
    waiting = Promotion.objects.pending().filter(prompt=check.prompt_id, version__digest=check.digest)
    # Rows that somebody holds at this moment are active anyway: wait for nobody here.
    free = waiting.order_by("pk").select_for_update(of=("self",), no_key=True, skip_locked=True)
    Promotion.objects.filter(pk__in=[promotion.pk for promotion in free]).update(last_activity_at=Now())
    if check.state != CheckState.PENDING:
        outbox.send(check.prompt.workspace_id, "check.finished", {"check_id": check.pk})
