"""Situations around promotions, made by calling the actions; and the few things no action may do: turn back time."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.checks import define_check, record_check, require_check
from prompts_app.actions.environments import change_environment
from prompts_app.actions.promotions import find_promotion, open_promotion
from prompts_app.actions.reviews import vote
from prompts_app.facts import judge, live_deployment, subject_of
from prompts_app.gates import Blocker, evidence_key
from prompts_app.models import (
    Approval,
    CheckDefinition,
    CheckState,
    Deployment,
    Environment,
    Promotion,
    Prompt,
    PromptVersion,
    VersionCheck,
    Vote,
)
from registry.core.actor import Actor
from registry.core.clock import database_now
from tests.builders import Cast

RECIPE = hashlib.sha256(b"recipe").hexdigest()


def policy(cast: Cast, environment: str, **fields: Any) -> Environment:
    """Change an environment's rules, as its owner."""
    return change_environment(cast.olga, cast.environment(environment), policy=fields)


def go_live(cast: Cast, version: PromptVersion, environment: str = "production") -> Deployment:
    """Make a version live where nothing stands in the way: Vera's place is taken by Rosa, who opens and applies."""
    asked = open_promotion(cast.rosa, version, cast.environment(environment), acknowledge_breaking=True)
    return apply_promotion(cast.rosa, asked, stamp=None).deployment


def fresh(promotion: Promotion) -> Promotion:
    """The promotion as it is in the database."""
    return find_promotion(promotion.prompt.workspace_id, promotion.pk)


def found(promotion: Promotion, actor: Actor) -> dict[str, Blocker]:
    """The blockers by code, as `actor` meets them."""
    return {blocker.code: blocker for blocker in judge(fresh(promotion), actor).blockers}


def codes(promotion: Promotion, actor: Actor) -> set[str]:
    """Their codes."""
    return set(found(promotion, actor))


def approve(actor: Actor, promotion: Promotion, choice: Vote = Vote.APPROVE) -> Approval:
    """Vote on the promotion as it is now."""
    now = fresh(promotion)
    return vote(actor, now, choice, stamp=None, subject_hash=subject_of(now).hash)


def valid(promotion: Promotion, actor: Actor) -> set[str]:
    """Names of those whose approval counts now."""
    return {fact.name for fact in judge(fresh(promotion), actor).facts.valid_approvals()}


def suite(
    actor: Actor, prompt: Prompt, name: str = "suite/intents", *, recipe: str = RECIPE, is_safety: bool = False
) -> CheckDefinition:
    """A suite attached as required, saved by a person."""
    made = define_check(actor, name, title=name, recipe=recipe, is_safety=is_safety, changed_by_person=True)
    require_check(actor, prompt, name, required=True)
    return made


def post(
    version: PromptVersion,
    environment: Environment,
    state: CheckState = CheckState.PASSED,
    *,
    name: str = "suite/intents",
    recipe: str | None = None,
) -> VersionCheck:
    """What a run would post: evidence on a version against what is live in an environment."""
    live = live_deployment(version.prompt, environment)
    baseline = live.version.digest if live and live.version else None
    known = CheckDefinition.objects.get(workspace=version.prompt.workspace_id, name=name).recipe
    return record_check(
        version.prompt,
        digest=version.digest,
        name=name,
        baseline_digest=baseline,
        evidence_key=evidence_key(version.digest, baseline, recipe or known),
        state=state,
    )


@contextmanager
def as_superuser() -> Iterator[Any]:
    """A cursor that walks past roles and triggers, for what only time or an attacker does."""
    with transaction.atomic(), connection.cursor() as cursor:  # an error rolls the settings back too
        cursor.execute("SELECT current_role")
        (role,) = cursor.fetchone()
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute(f"SET LOCAL ROLE {role}")


def let_pass(row: Any, span: timedelta, *fields: str) -> None:
    """Move times of a row back, as if `span` had passed since; append-only rows too."""
    sets = ", ".join(f"{field} = {field} - %s" for field in fields or ("created_at",))
    with as_superuser() as cursor:
        cursor.execute(f"UPDATE {row._meta.db_table} SET {sets} WHERE id = %s", [span] * len(fields or "1") + [row.pk])
    row.refresh_from_db()


def in_minutes(minutes: float) -> datetime:
    """A time from now, by the database's clock."""
    return database_now() + timedelta(minutes=minutes)
