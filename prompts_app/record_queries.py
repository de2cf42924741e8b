"""The record of a promotion: one document that says what went live, on what evidence, by whose word, under which rules.

It needs nothing beside it: contents by digest and in full, the difference, checks with verdicts and runs, reviews, the
policy of that time, and the audit rows with the hashes that tie them to the chain.
"""

import json
from collections.abc import Sequence

from django.db.models import Q

from prompts_app.conversation_queries import Thread, threads_of
from prompts_app.diffing import VersionDiff, compare
from prompts_app.facts import current_policy
from prompts_app.models import Approval, Deployment, Override, PolicyVersion, Promotion, PromptVersion, VersionCheck
from registry.core.canonical import JSON, digest
from registry.core.clock import database_now
from registry.core.models import AuditEvent
from registry.core.times import rfc3339

FORMAT = "greenroom.promotion-record/1"


def record_of(promotion: Promotion) -> dict[str, JSON]:
    """The whole record; `record_digest` is the SHA-256 of the canonical JSON of all else. Ten queries."""
    base = promotion.base
    replaced = base.version if base else None
    deployment = promotion.deployment
    body: dict[str, JSON] = {
        "format": FORMAT,
        "made_at": rfc3339(database_now()),
        "promotion": _promotion(promotion),
        "candidate": _version(promotion.version),
        "replaced": {"deployment": base.pk, **_version(replaced)} if base and replaced else None,
        "deployment": _deployment(deployment) if deployment else None,
        "difference": difference_of(promotion).to_json(),
        "checks": [_check(check) for check in checks_behind(promotion)],
        "reviews": [_review(vote) for vote in promotion.approvals.all()],
        "conversation": [_thread(thread) for thread in threads_of(promotion)],
        "policy": _policies(promotion),
        "override": _override(promotion),
        "audit": [_audit(event) for event in audit_rows(promotion)],
    }
    return {**body, "record_digest": digest(body)}


def difference_of(promotion: Promotion) -> VersionDiff:
    """What the candidate changes of what was live."""
    base = promotion.base.version.load() if promotion.base and promotion.base.version else None
    return compare(base, promotion.version.load())


def checks_behind(promotion: Promotion) -> Sequence[VersionCheck]:
    """The newest answer of each check on the candidate against its base, up to when the promotion ended."""
    baseline = promotion.base.version.digest if promotion.base and promotion.base.version else None
    about = Q(baseline_digest=baseline) | Q(name__startswith="external/")
    rows = VersionCheck.objects.filter(about, prompt=promotion.prompt, digest=promotion.version.digest)
    if promotion.ended_at is not None:
        rows = rows.filter(created_at__lte=promotion.ended_at)
    return list(rows.order_by("name", "-pk").distinct("name"))


def audit_rows(promotion: Promotion) -> Sequence[AuditEvent]:
    """The links of the audit chain about it, and of its deployment, oldest first."""
    about = Q(subject_type="promotion", subject_id=str(promotion.pk))
    if promotion.deployment_id is not None:
        mark = f'"deployment":{promotion.deployment_id},'
        of_prompt = Q(subject_type="prompt", subject_id=str(promotion.prompt_id))
        about |= of_prompt & Q(detail__contains=mark)
    rows = AuditEvent.objects.filter(about, workspace_id=promotion.prompt.workspace_id)
    return list(rows.order_by("sequence"))


def _promotion(promotion: Promotion) -> dict[str, JSON]:
    return {
        "id": promotion.pk,
        "title": promotion.title,
        "prompt": promotion.prompt.name,
        "environment": promotion.environment.name,
        "state": promotion.state,
        "author": promotion.author_name,
        "key": promotion.key_name,
        "opened_at": rfc3339(promotion.created_at),
        "ended_at": rfc3339(promotion.ended_at),
        "note": promotion.note,
        "scheduled_for": rfc3339(promotion.scheduled_for),
        "acknowledges_breaking": promotion.acknowledges_breaking,
    }


def _version(version: PromptVersion) -> dict[str, JSON]:
    return {
        "version": version.number,
        "digest": version.digest,
        "author": version.author_name,
        "message": version.message,
        "created_at": rfc3339(version.created_at),
        "content": version.load().to_json(),
    }


def _deployment(deployment: Deployment) -> dict[str, JSON]:
    return {
        "id": deployment.pk,
        "kind": deployment.kind,
        "revision": deployment.revision,
        "by": deployment.actor_name,
        "at": rfc3339(deployment.created_at),
        "reason": deployment.reason,
        "evidence": json.loads(deployment.evidence),
    }


def _check(check: VersionCheck) -> dict[str, JSON]:
    return {
        "name": check.name,
        "state": check.state,
        "summary": check.summary,
        "run": check.run_id,
        "url": check.url,
        "evidence_key": check.evidence_key,
        "baseline_digest": check.baseline_digest,
        "at": rfc3339(check.created_at),
    }


def _review(vote: Approval) -> dict[str, JSON]:
    return {
        "by": vote.member_name,
        "vote": vote.vote,
        "comment": vote.comment,
        "subject_hash": vote.subject_hash,
        "subject": json.loads(vote.subject),
        "at": rfc3339(vote.created_at),
    }


def _thread(thread: Thread) -> dict[str, JSON]:
    first = thread.first
    said: list[JSON] = [
        {"by": one.author_name, "comment": one.body, "at": rfc3339(one.created_at)} for one in (first, *thread.replies)
    ]
    return {
        "path": first.path,
        "side": first.side,
        "line": first.line,
        "quote": first.quote,
        "said": said,
        "resolved_by": first.resolved_by_name,
        "resolved_at": rfc3339(first.resolved_at),
    }


def _policies(promotion: Promotion) -> dict[str, JSON]:
    """The rules when it was opened, and those in force when it ended (or now, while it has not)."""
    then = promotion.policy_opened
    rows = PolicyVersion.objects.filter(environment=promotion.environment)
    until = rows.filter(created_at__lte=promotion.ended_at) if promotion.ended_at else rows
    last = until.order_by("-number").first() or current_policy(promotion.environment)
    return {
        name: {"number": row.number, "by": row.by_name, "rules": row.load().to_json()}
        for name, row in (("when_opened", then), ("at_the_end", last))
    }


def _override(promotion: Promotion) -> dict[str, JSON] | None:
    row = Override.objects.filter(promotion=promotion).select_related("by__user", "reviewed_by__user").first()
    if row is None:
        return None
    return {
        "by": row.by.user.name,
        "reason": row.reason,
        "blockers": json.loads(row.blockers),
        "at": rfc3339(row.created_at),
        "reviewed_by": row.reviewed_by.user.name if row.reviewed_by else None,
        "reviewed_at": rfc3339(row.reviewed_at),
    }


def _audit(event: AuditEvent) -> dict[str, JSON]:
    return {
        "sequence": event.sequence,
        "event": event.event,
        "by": event.actor_name,
        "at": rfc3339(event.at),
        "before": event.before,
        "after": event.after,
        "request_id": event.request_id,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
