"""The one code path by which what is live changes: promotion, rollback and withdrawal all end here.

Locks are taken in one order everywhere: prompt → live pointers → pending promotions → environment revisions → audit head.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Now

from prompts_app.models import (
    Deployment,
    DeploymentKind,
    Environment,
    EnvironmentRevision,
    LivePointer,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
)
from registry.core import audit, outbox
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.canonical import JSON
from registry.core.errors import NotFound


@dataclass
class Place:
    """A prompt in an environment, its pointer and pending promotions locked until commit."""

    prompt: Prompt
    environment: Environment
    pointer: LivePointer
    promotions: list[Promotion]

    @property
    def live(self) -> Deployment | None:
        """What is live here: a deployment with a version, or None."""
        deployment = self.pointer.deployment
        return deployment if deployment is not None and deployment.version_id is not None else None

    @property
    def live_version(self) -> PromptVersion | None:
        """The version that is live here."""
        return self.live.version if self.live else None

    def promotion(self, pk: int) -> Promotion | None:
        """A pending promotion of this place, as it is under the lock."""
        return next((promotion for promotion in self.promotions if promotion.pk == pk), None)


def lock_places(prompt: Prompt, environments: Sequence[Environment]) -> list[Place]:
    """Lock what a move in these environments touches, in the one order; returns them by rank.

    The audit head is locked too, so facts that people or keys change stand still until commit. Raises NotFound when one
    of the environments was archived meanwhile.
    """
    ordered = sorted(environments, key=lambda environment: environment.pk)
    LivePointer.objects.bulk_create(
        [LivePointer(prompt=prompt, environment=environment) for environment in ordered], ignore_conflicts=True
    )
    pointers = list(
        LivePointer.objects.filter(prompt=prompt, environment__in=ordered)
        .order_by("environment_id")
        .select_for_update(of=("self",), no_key=True)
    )
    deployments = Deployment.objects.select_related("version__prompt").in_bulk(
        [pointer.deployment_id for pointer in pointers]
    )
    promotions = list(
        Promotion.objects.pending()
        .filter(prompt=prompt, environment__in=ordered)
        .order_by("pk")
        .select_for_update(of=("self",), no_key=True)
    )
    list(EnvironmentRevision.objects.filter(environment__in=ordered).order_by("pk").select_for_update(no_key=True))
    audit.lock(prompt.workspace_id)
    if Environment.objects.filter(pk__in=[one.pk for one in ordered]).exclude(archived_at=None).exists():
        raise NotFound("environment.not_found", "This environment is no longer in use.")
    by_environment = {environment.pk: environment for environment in ordered}
    places = []
    for pointer in pointers:
        pointer.deployment = deployments.get(pointer.deployment_id) if pointer.deployment_id else None
        mine = [promotion for promotion in promotions if promotion.environment_id == pointer.environment_id]
        places.append(Place(prompt, by_environment[pointer.environment_id], pointer, mine))
    return sorted(places, key=lambda place: place.environment.rank)


@dataclass(frozen=True)
class Moved:
    """A change of what is live, as callers are told of it."""

    deployment: Deployment
    revision: int


def move(
    place: Place,
    version: PromptVersion | None,
    *,
    kind: DeploymentKind,
    actor: Actor,
    reason: str = "",
    promotion: Promotion | None = None,
    evidence: Mapping[str, JSON] | None = None,
    detail: Mapping[str, JSON] | None = None,
) -> Moved:
    """Make `version` (or nothing) live at a locked place: deployment, pointer, revision, audit and outbox, all or none."""
    revision = _raise_revision(place.environment)
    before = place.live_version
    deployment = Deployment(
        prompt=place.prompt,
        environment=place.environment,
        kind=kind,
        version=version,
        previous=place.pointer.deployment,
        promotion=promotion,
        revision=revision,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        reason=reason,
        evidence=json.dumps(dict(evidence or {}), ensure_ascii=False),
    )
    deployment.save(force_insert=True)
    LivePointer.objects.filter(pk=place.pointer.pk).update(deployment=deployment)
    place.pointer.deployment = deployment
    _record(actor, place, deployment, before, detail or {})
    payload: dict[str, JSON] = {
        "deployment_id": deployment.pk,
        "promotion_id": promotion.pk if promotion else None,
    }
    outbox.send(place.prompt.workspace_id, "deployment.created", payload)
    announce(
        "live",
        workspace_id=place.prompt.workspace_id,
        environment=place.environment.name,
        environment_id=place.environment.pk,
        prompt=place.prompt.name,
        revision=revision,
    )
    _supersede(actor, place, version, applied=promotion)
    return Moved(deployment, revision)


EVENTS = {
    DeploymentKind.PROMOTION: "version.promoted",
    DeploymentKind.ROLLBACK: "version.rolled_back",
    DeploymentKind.WITHDRAWAL: "prompt.withdrawn",
}


def _record(
    actor: Actor, place: Place, deployment: Deployment, before: PromptVersion | None, detail: Mapping[str, JSON]
) -> None:
    version = deployment.version
    audit.record(
        actor,
        EVENTS[DeploymentKind(deployment.kind)],
        subject_type="prompt",
        subject_id=place.prompt.pk,
        subject_name=place.prompt.name,
        before=before.digest if before else "",
        after=version.digest if version else "",
        detail={
            "environment": place.environment.name,
            "version": version.number if version else None,
            "previous_version": before.number if before else None,
            "deployment": deployment.pk,
            "revision": deployment.revision,
            "reason": deployment.reason,
            **detail,
        },
    )


def _raise_revision(environment: Environment) -> int:
    counters = EnvironmentRevision.objects.filter(environment=environment)
    counters.update(n=F("n") + 1)
    return counters.get().n


def _supersede(actor: Actor, place: Place, version: PromptVersion | None, *, applied: Promotion | None) -> None:
    """End the other promotions whose content is live now: there is nothing left to promote."""
    if version is None:
        return
    digests = dict(
        PromptVersion.objects.filter(pk__in=[promotion.version_id for promotion in place.promotions]).values_list(
            "pk", "digest"
        )
    )
    ended = [
        promotion
        for promotion in place.promotions
        if promotion != applied and digests[promotion.version_id] == version.digest
    ]
    Promotion.objects.filter(pk__in=[promotion.pk for promotion in ended]).update(
        state=PromotionState.SUPERSEDED,
        ended_at=Now(),
        stamp=F("stamp") + 1,
        ready_by=None,
        note="its content went live otherwise",
    )
    for promotion in ended:
        told: dict[str, JSON] = {"promotion_id": promotion.pk, "by": actor.person_id}
        outbox.send(place.prompt.workspace_id, "promotion.ended", told)
