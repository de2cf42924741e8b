"""Environments, their policies and their freezes."""

import json
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from prompts_app.actions.prompts import checked_text
from prompts_app.facts import current_policy
from prompts_app.models import PENDING, Environment, EnvironmentRevision, Freeze, LivePointer, PolicyVersion, Promotion
from prompts_app.policy import DEFAULTS, OPEN, Policy, parse_policy
from registry.core import audit
from registry.core.actions.workspaces import require_administration
from registry.core.actor import Actor
from registry.core.broadcast import announce
from registry.core.canonical import JSON
from registry.core.errors import Conflict, NotFound, invalid_field
from registry.core.permissions import require_confirmed

COLOURS = ("slate", "blue", "teal", "green", "amber", "orange", "red", "violet")
MAX_LABEL, MAX_RANK = 63, 1000
DEFAULT_COLOURS = {"development": "blue", "staging": "amber", "production": "violet"}


@transaction.atomic
def create_environment(
    actor: Actor,
    name: str,
    *,
    label: str = "",
    colour: str = "slate",
    rank: int | None = None,
    description: str = "",
    policy: Policy = OPEN,
) -> Environment:
    """A new stage; without a rank it comes last, before another one it asks again who one is. Raises Conflict
    `environment.exists`."""
    require_administration(actor)
    if (
        not name
        or len(name) > 63
        or not all(c.islower() or c.isdigit() or c in "-_" for c in name)
        or not name.isascii()
    ):
        raise invalid_field("name", "format", "Lower-case letters, digits, - and _, up to 63 characters.")
    _check(label=label, colour=colour, rank=rank)
    if rank is None:
        last = Environment.objects.in_workspace(actor.workspace_id).last()
        rank = last.rank + 1 if last else 0
    _confirm_order(actor, rank)
    environment = Environment(
        workspace_id=actor.workspace_id,
        name=name,
        label=label or name.replace("-", " ").capitalize(),
        colour=colour,
        rank=rank,
        description=checked_text("description", description),
    )
    try:
        with transaction.atomic():
            environment.save(force_insert=True)
    except IntegrityError:
        raise Conflict("environment.exists", f"There is an environment {name} already.") from None
    EnvironmentRevision.objects.create(environment=environment)
    _write_policy(actor, environment, policy, number=1)
    _record(actor, "environment.created", environment, {"rank": rank, "policy": policy.to_json()})
    announce("environment", workspace_id=environment.workspace_id, environment=environment.name)
    return environment


def create_default_environments(actor: Actor, *, is_open: bool = False) -> list[Environment]:
    """development → staging → production; `is_open` asks nothing of a promotion and protects nothing."""
    return [
        create_environment(actor, name, colour=DEFAULT_COLOURS[name], rank=rank, policy=OPEN if is_open else policy)
        for rank, (name, policy) in enumerate(DEFAULTS.items())
    ]


@transaction.atomic
def change_environment(
    actor: Actor,
    environment: Environment,
    *,
    label: str | None = None,
    colour: str | None = None,
    rank: int | None = None,
    description: str | None = None,
    policy: Mapping[str, JSON] | None = None,
) -> Environment:
    """Relabel, recolour, reorder, or change rules; what is left out stays. A changed policy is a new policy version."""
    require_administration(actor)
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    _check(label=label, colour=colour, rank=rank)
    if rank is not None and rank != environment.rank:
        require_confirmed(actor)
    checked_text("description", description or "")
    detail: dict[str, JSON] = {}
    for field, value in (("label", label), ("colour", colour), ("rank", rank), ("description", description)):
        if value is not None and value != getattr(environment, field):
            detail[field] = [getattr(environment, field), value]
            setattr(environment, field, value)
    environment.save(update_fields=["label", "colour", "rank", "description"])
    if policy is not None:
        now = current_policy(environment)
        wanted = parse_policy(dict(policy), now.load())
        if wanted != now.load():
            require_confirmed(actor)
            _write_policy(actor, environment, wanted, number=now.number + 1)
            detail["policy"] = [now.load().to_json(), wanted.to_json()]
    if detail:
        _record(actor, "environment.changed", environment, detail)
    return environment


@transaction.atomic
def move_environment(actor: Actor, environment: Environment, *, up: bool) -> Environment:
    """Change places with the stage before it (`up`: it comes earlier) or after it; at the end nothing changes.

    Ranks become 0, 1, 2 … on the way, since two stages may have had the same.
    """
    require_administration(actor)
    require_confirmed(actor)
    rows = list(Environment.objects.in_workspace(environment.workspace_id).select_for_update(no_key=True))
    before = [row.name for row in rows]
    at = before.index(environment.name)
    to = at - 1 if up else at + 1
    if not 0 <= to < len(rows):
        return rows[at]
    rows[at], rows[to] = rows[to], rows[at]
    for rank, row in enumerate(rows):
        row.rank = rank
    Environment.objects.bulk_update(rows, ["rank"])
    _record(
        actor,
        "environment.moved",
        rows[to],
        {"before": ", ".join(before), "order": ", ".join(row.name for row in rows)},
    )
    return rows[to]


@transaction.atomic
def archive_environment(actor: Actor, environment: Environment) -> Environment:
    """Take an environment out of use; raises Conflict while something is live or pending there."""
    require_administration(actor)
    environment = Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    _confirm_order(actor, environment.rank)
    audit.lock(environment.workspace_id)  # whoever is promoting or opening a promotion here holds it
    if LivePointer.objects.live().filter(environment=environment).exists():
        raise Conflict("environment.in_use", "Prompts are live here: take them out first.")
    if Promotion.objects.filter(environment=environment, state__in=PENDING).exists():
        raise Conflict("environment.in_use", "Promotions to it are open: close them first.")
    if environment.archived_at is None:
        Environment.objects.filter(pk=environment.pk).update(archived_at=Now())
        environment.refresh_from_db()
        _record(actor, "environment.archived", environment, {})
        announce("environment", workspace_id=environment.workspace_id, environment=environment.name)
    return environment


@transaction.atomic
def freeze_environment(
    actor: Actor, environment: Environment, *, starts_at: datetime, ends_at: datetime, reason: str
) -> Freeze:
    """Stop promotions from `starts_at` up to, not including, `ends_at`."""
    require_administration(actor)
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why nothing may be promoted.")
    if ends_at <= starts_at:
        raise invalid_field("ends_at", "range", "A freeze ends after it starts.")
    freeze = Freeze.objects.create(
        environment=environment,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=checked_text("reason", reason),
        by_name=actor.name,
    )
    _record(
        actor,
        "environment.frozen",
        environment,
        {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat(), "reason": reason},
    )
    return freeze


@transaction.atomic
def end_freeze(actor: Actor, freeze: Freeze) -> Freeze:
    """Lift a freeze before its end; lifting it twice is the same as once."""
    require_administration(actor)
    require_confirmed(actor)
    if Freeze.objects.filter(pk=freeze.pk, cancelled_at=None).update(cancelled_at=Now()):
        _record(actor, "environment.unfrozen", freeze.environment, {"freeze": freeze.pk})
    freeze.refresh_from_db()
    return freeze


def find_environment(workspace_id: int, name: str) -> Environment:
    """The environment of that name, unless archived; raises NotFound."""
    environment = Environment.objects.in_workspace(workspace_id).filter(name=name).first()
    if environment is None:
        raise NotFound("environment.not_found", "This workspace has no environment of that name.")
    return environment


def find_freeze(environment: Environment, pk: int) -> Freeze:
    """One freeze of the environment; raises NotFound."""
    freeze = Freeze.objects.filter(environment=environment, pk=pk).select_related("environment").first()
    if freeze is None:
        raise NotFound("freeze.not_found", "This environment has no such freeze.")
    return freeze


def _confirm_order(actor: Actor, rank: int) -> None:
    """Which stage comes before which is a rule too: whoever puts one before another, or takes it from there, says who they are."""
    if Environment.objects.in_workspace(actor.workspace_id).filter(rank__gt=rank).exists():
        require_confirmed(actor)


def _check(*, label: str | None, colour: str | None, rank: int | None) -> None:
    checked_text("label", label or "", most=MAX_LABEL)
    if colour is not None and colour not in COLOURS:
        raise invalid_field("colour", "choice", f"One of: {', '.join(COLOURS)}.")
    if rank is not None and not 0 <= rank <= MAX_RANK:
        raise invalid_field("rank", "range", f"A whole number from 0 to {MAX_RANK}.")


def _write_policy(actor: Actor, environment: Environment, policy: Policy, *, number: int) -> PolicyVersion:
    return PolicyVersion.objects.create(
        environment=environment, number=number, policy=json.dumps(policy.to_json()), by_name=actor.name
    )


def _record(actor: Actor, event: str, environment: Environment, detail: dict[str, JSON]) -> None:
    audit.record(
        actor,
        event,
        subject_type="environment",
        subject_id=environment.pk,
        subject_name=environment.name,
        detail=detail,
    )
