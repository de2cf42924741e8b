"""Rows as the API tells of them: plain values in the order of the contract."""

import json
from collections.abc import Sequence

from prompts_app.check_queries import CountedCheck
from prompts_app.models import (
    Deployment,
    Draft,
    Environment,
    Freeze,
    Override,
    PolicyVersion,
    Prompt,
    PromptVersion,
    Quarantine,
    VersionCheck,
    VersionYank,
)
from registry.core.actions.keys import IssuedKey
from registry.core.canonical import JSON
from registry.core.models import ApiKey
from registry.core.times import rfc3339


def show_prompt(prompt: Prompt, live: Sequence[Deployment]) -> dict[str, JSON]:
    """A prompt; its maker must be loaded, `live` holds its deployments with versions and environments."""
    return {
        "name": prompt.name,
        "kind": prompt.kind,
        "description": prompt.description,
        "tags": list(prompt.tags),
        "archived": prompt.is_archived,
        "newest_version": prompt.last_number or None,
        "live": [
            {"environment": row.environment.name, "version": row.version.number, "digest": row.version.digest}
            for row in live
            if row.version is not None
        ],
        "created_by": prompt.created_by.user.email,
        "created_at": rfc3339(prompt.created_at),
    }


def show_served_version(version: PromptVersion) -> dict[str, JSON]:
    """A version as services get it."""
    return {
        "name": version.prompt.name,
        "version": version.number,
        "digest": version.digest,
        "kind": version.prompt.kind,
        **version.to_json(),
        "created_at": rfc3339(version.created_at),
    }


def show_version(version: PromptVersion, live_in: Sequence[str]) -> dict[str, JSON]:
    """A version as people get it; prompt, author and yank must be loaded."""
    served = show_served_version(version)
    created_at = served.pop("created_at")
    return {
        **served,
        "message": version.message,
        "author": version.author.user.email,
        "based_on": version.based_on,
        "created_at": created_at,
        "yanked": is_yanked(version),
        "live_in": list(live_in),
    }


def is_yanked(version: PromptVersion) -> bool:
    """Whether the version was withdrawn; its yank must be loaded."""
    return hasattr(version, "yank")


def show_yank(version: PromptVersion, yank: VersionYank, by: str) -> dict[str, JSON]:
    """A version just withdrawn."""
    return {
        "name": version.prompt.name,
        "version": version.number,
        "yanked": True,
        "reason": yank.reason,
        "by": by,
        "at": rfc3339(yank.at),
    }


def show_draft(draft: Draft) -> dict[str, JSON]:
    """A person's draft."""
    return {
        "content": json.loads(draft.content),
        "message": draft.message,
        "based_on": draft.based_on,
        "updated_at": rfc3339(draft.updated_at),
    }


def show_check(check: VersionCheck) -> dict[str, JSON]:
    """A check as it was posted."""
    return show_counted_check(CountedCheck(check.name, check.state, False, check))


def show_counted_check(counted: CountedCheck) -> dict[str, JSON]:
    """A check as it counts somewhere."""
    check = counted.check
    return {
        "name": counted.name,
        "state": counted.state,
        "url": check.url if check else "",
        "summary": check.summary if check else "",
        "baseline_digest": check.baseline_digest if check else None,
        "run": check.run_id if check else None,
        "created_at": rfc3339(check.created_at) if check else None,
        "required": counted.required,
    }


def show_environment(environment: Environment, policy: PolicyVersion) -> dict[str, JSON]:
    """An environment with its policy; its counter must be loaded."""
    return {
        "name": environment.name,
        "label": environment.label,
        "colour": environment.colour,
        "rank": environment.rank,
        "description": environment.description,
        "revision": environment.counter.n,
        "policy": policy.load().to_json(),
        "policy_number": policy.number,
        "created_at": rfc3339(environment.created_at),
    }


def show_freeze(freeze: Freeze) -> dict[str, JSON]:
    """A freeze."""
    return {
        "id": freeze.pk,
        "starts_at": rfc3339(freeze.starts_at),
        "ends_at": rfc3339(freeze.ends_at),
        "reason": freeze.reason,
        "by": freeze.by_name,
        "cancelled_at": rfc3339(freeze.cancelled_at),
    }


def show_deployment(row: Deployment) -> dict[str, JSON]:
    """A deployment; prompt, environment, version and override must be loaded."""
    return {
        "id": row.pk,
        "prompt": row.prompt.name,
        "environment": row.environment.name,
        "kind": row.kind,
        "version": row.version.number if row.version else None,
        "digest": row.version.digest if row.version else None,
        "previous": row.previous_id,
        "promotion": row.promotion_id,
        "revision": row.revision,
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.actor_name},
        "reason": row.reason,
        "created_at": rfc3339(row.created_at),
        "override": _override(row.override) if hasattr(row, "override") else None,
    }


def show_quarantine(row: Quarantine) -> dict[str, JSON]:
    """A quarantine; prompt and deployment must be loaded."""
    return {
        "id": row.pk,
        "prompt": row.prompt.name,
        "digest": row.digest,
        "deployment": row.deployment_id,
        "reason": row.deployment.reason,
        "created_at": rfc3339(row.created_at),
        "cleared_at": rfc3339(row.cleared_at),
        "cleared_by": row.cleared_by_name,
        "clear_reason": row.clear_reason,
    }


def show_key(key: ApiKey) -> dict[str, JSON]:
    """A key without its secret; its responsible member must be loaded."""
    return {
        "id": key.pk,
        "kind": key.kind,
        "name": key.name,
        "environment": key.environment or None,
        "scopes": list(key.scopes),
        "responsible": key.responsible.user.email,
        "is_stopped": not key.responsible.can_act,
        "prefix": f"gr_{key.public_id}",
        "last4": key.last4,
        "created_at": rfc3339(key.created_at),
        "expires_at": rfc3339(key.expires_at),
        "last_used_at": rfc3339(key.last_used_at),
        "revoked_at": rfc3339(key.revoked_at),
        "rotated_from": key.rotated_from_id,
    }


def show_issued_key(issued: IssuedKey) -> dict[str, JSON]:
    """A key just made, with its secret."""
    public_key, secret_key = issued.token.basic
    return {
        **show_key(issued.row),
        "secret": issued.token.token,
        "basic": {"public_key": public_key, "secret_key": secret_key},
    }


def _override(override: Override) -> dict[str, JSON]:
    return {
        "by": override.by.user.email,
        "reason": override.reason,
        "blockers": json.loads(override.blockers),
        "reviewed_by": override.reviewed_by.user.email if override.reviewed_by else None,
        "reviewed_at": rfc3339(override.reviewed_at),
    }
