"""Going back: to an earlier deployment, or to nothing. Gates, approvals, soaking and freezes do not stand in the way."""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from prompts_app.actions.moving import Moved, Place, lock_places, move
from prompts_app.actions.prompts import checked_text
from prompts_app.facts import breaking_changes, current_policy, quarantined, way_back_by_default
from prompts_app.gates import Blocker, Level
from prompts_app.models import (
    Deployment,
    DeploymentKind,
    Environment,
    Promotion,
    PromotionState,
    Prompt,
    Quarantine,
    Turn,
    VersionYank,
)
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.clock import database_now
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.identity import as_of_now
from registry.core.permissions import Permission, require


@transaction.atomic
def roll_back(
    actor: Actor,
    prompt: Prompt,
    environment: Environment,
    *,
    reason: str,
    to_deployment: int | None = None,
    acknowledge_breaking: bool = False,
    clear_quarantine: bool = False,
    quarantine: bool = True,
) -> Moved:
    """Make an earlier deployment's version live again, byte for byte; to what is live it is a no-op.

    Without `to_deployment`: the latest earlier one whose content is another, not quarantined and not yanked. Raises
    Conflict `rollback.no_target`, `rollback.blocked` (with blockers) and `prompt.archived` (where nothing is live: then
    this would bring an archived prompt back), NotFound for a deployment that is not of this place.
    """
    require(actor, Permission.ROLL_BACK)
    _require_reason(reason)
    [place] = lock_places(prompt, [environment])
    actor = as_of_now(actor)
    require(actor, Permission.ROLL_BACK)
    target = _target(place, to_deployment)
    version = target.version
    assert version is not None
    live = place.live
    if live is not None and live.version is not None and live.version.digest == version.digest:
        return Moved(live, live.revision)
    if live is None and Prompt.objects.get(pk=prompt.pk).is_archived:
        raise Conflict("prompt.archived", "This prompt is archived and not live here: unarchive it first.")
    _refuse_blocked(place, target, acknowledge_breaking=acknowledge_breaking, clear_quarantine=clear_quarantine)
    if clear_quarantine:
        _clear(actor, place, version.digest, reason)
    moved = move(
        place,
        version,
        kind=DeploymentKind.ROLLBACK,
        actor=actor,
        reason=reason,
        detail={"to_deployment": target.pk, "quarantine": quarantine, "clear_quarantine": clear_quarantine},
    )
    _after_leaving(place, live, moved, quarantine=quarantine)
    return moved


@transaction.atomic
def withdraw(actor: Actor, prompt: Prompt, environment: Environment, *, reason: str, quarantine: bool = False) -> Moved:
    """Take the prompt out of an environment; where nothing is live it is a no-op."""
    [place] = lock_places(prompt, [environment])
    actor = as_of_now(actor)
    require(actor, Permission.WITHDRAW, protected=current_policy(environment).load().protected)
    _require_reason(reason)
    live = place.live
    if live is None:
        if place.pointer.deployment is None:
            raise Conflict("withdraw.nothing_live", f"{prompt.name} was never live in {environment.label}.")
        return Moved(place.pointer.deployment, place.pointer.deployment.revision)
    moved = move(
        place, None, kind=DeploymentKind.WITHDRAWAL, actor=actor, reason=reason, detail={"quarantine": quarantine}
    )
    _after_leaving(place, live, moved, quarantine=quarantine)
    return moved


@transaction.atomic
def clear_quarantine(actor: Actor, prompt: Prompt, environment: Environment, *, digest: str, reason: str) -> Quarantine:
    """Let a digest that was rolled back be promoted here again."""
    require(actor, Permission.CLEAR_QUARANTINE)
    _require_reason(reason)
    row = Quarantine.objects.filter(prompt=prompt, environment=environment, digest=digest, cleared_at=None).first()
    if row is None:
        raise NotFound("quarantine.not_found", "This content is not quarantined here.")
    [place] = lock_places(prompt, [environment])
    if _clear(actor, place, digest, reason):
        audit.record(
            actor,
            "quarantine.cleared",
            subject_type="prompt",
            subject_id=prompt.pk,
            subject_name=prompt.name,
            before=digest,
            detail={"environment": environment.name, "reason": reason},
        )
        for promotion in place.promotions:
            outbox.send(prompt.workspace_id, "promotion.changed", {"promotion_id": promotion.pk})
    row.refresh_from_db()
    return row


def find_quarantine(environment: Environment, pk: int) -> Quarantine:
    """One quarantine of the environment, cleared or not; raises NotFound."""
    row = Quarantine.objects.filter(environment=environment, pk=pk).select_related(
        "prompt", "environment", "deployment"
    )
    found = row.first()
    if found is None:
        raise NotFound("quarantine.not_found", "This environment has no such quarantine.")
    return found


def _target(place: Place, to_deployment: int | None) -> Deployment:
    if to_deployment is None:
        target = way_back_by_default(place.prompt, place.environment, place.live_version)
        if target is None:
            raise Conflict(
                "rollback.no_target", "Nothing else was live here that one could go back to: take it out instead."
            )
        return target
    rows = Deployment.objects.filter(prompt=place.prompt, environment=place.environment, version__isnull=False)
    found = rows.select_related("version__prompt").filter(pk=to_deployment).first()
    if found is None:
        raise NotFound("deployment.not_found", "No version of this prompt was live here by that deployment.")
    return found


def _refuse_blocked(place: Place, target: Deployment, *, acknowledge_breaking: bool, clear_quarantine: bool) -> None:
    version, live = target.version, place.live_version
    assert version is not None
    found: list[Blocker] = []
    if VersionYank.objects.filter(version=version).exists():
        found.append(
            Blocker("version.yanked", Level.HARD, "That version was yanked: go back to another one.", ("nobody",))
        )
    breaking = breaking_changes(live, version) if live is not None and not acknowledge_breaking else ()
    if breaking:
        message = (
            f"Services that use what is live would break: {'; '.join(breaking)}. Send acknowledge_breaking to go on."
        )
        found.append(Blocker("contract.breaking", Level.SOFT, message, ("releasers",)))
    if not clear_quarantine and quarantined(place.prompt, place.environment).filter(digest=version.digest).exists():
        message = "That content was rolled back here before: send clear_quarantine to go back to it all the same."
        found.append(Blocker("digest.quarantined", Level.SOFT, message, ("releasers",)))
    if found:
        raise Conflict("rollback.blocked", found[0].message, blockers=[blocker.to_json() for blocker in found])


def _after_leaving(place: Place, left: Deployment | None, moved: Moved, *, quarantine: bool) -> None:
    """Quarantine what was live, unless it was not the cause, and stop the clock on scheduled promotions."""
    if quarantine and left is not None and left.version is not None:
        Quarantine.objects.bulk_create(
            [
                Quarantine(
                    environment=place.environment,
                    prompt=place.prompt,
                    digest=left.version.digest,
                    deployment=moved.deployment,
                )
            ],
            ignore_conflicts=True,
        )
    scheduled = [row for row in place.promotions if row.state == PromotionState.SCHEDULED]
    note = "what it would replace was rolled back"
    for row in Promotion.objects.filter(pk__in=[row.pk for row in scheduled], state=PromotionState.SCHEDULED):
        row.note_turn(Turn(database_now(), "suspended", "", note))
        changed = {"state": PromotionState.SUSPENDED, "stamp": F("stamp") + 1, "note": note, "turns": row.turns}
        Promotion.objects.filter(pk=row.pk).update(**changed)
        outbox.send(place.prompt.workspace_id, "promotion.suspended", {"promotion_id": row.pk, "note": note})


def _clear(actor: Actor, place: Place, digest: str, reason: str) -> int:
    return (
        quarantined(place.prompt, place.environment)
        .filter(digest=digest)
        .update(cleared_at=Now(), cleared_by_name=actor.name, clear_reason=reason)
    )


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why: it is kept with the deployment.")
    checked_text("reason", reason)
