"""Every column that holds what people, models or other servers wrote is known to erasures, or here with the reason why it is not."""

from django.apps import apps
from django.db import models

from registry.core.texts import places

LEAST = 65  # a shorter column of characters holds a name, a hash or a word of ours
NAMES = "a name, changed by whoever's it is, or kept in history beside what was done"
OURS = "written by us from names, numbers and fixed words"
SECRET = "a secret, sealed or hashed"
GIVEN_UP = "deleted after a while by itself: pruning"
OWN = "emptied or deleted by the purge itself, with its digest left: evals_app.purging"
REPEATED = "repeats what another column of the row holds, which is looked at"

ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(
        (
            "User.email", "User.name", "Workspace.name", "ApiKey.name", "AuditEvent.actor_name", "Passkey.name", "Webhook.name",
            "PromptVersion.author_name", "PromptVersion.key_name", "Environment.description", "PolicyVersion.by_name",
            "Deployment.actor_name", "Quarantine.cleared_by_name", "Freeze.by_name", "Promotion.author_name", "Promotion.key_name",
            "Approval.member_name", "Comment.author_name", "Comment.resolved_by_name", "CheckDefinition.name", "CheckDefinition.title",
            "VersionCheck.name", "Purge.by_name", "Suite.title", "SuiteVersion.author_name", "SuiteVersion.key_name",
            "RunBatch.started_by_name", "Run.started_by_name", "ResultLabel.key_name", "SuiteDraft.names", "Promotion.turns",
        ),
        NAMES,
    ),
    **dict.fromkeys(("User.password", "Authenticator.secret", "Webhook.sealed_secret", "Webhook.old_secret", "PendingPrompts.sealed", "Provider.sealed_key"), SECRET),
    **dict.fromkeys(("Passkey.credential_id", "Passkey.handle", "ExternalIdentity.issuer", "ExternalIdentity.subject"), "names a device or a person to a program"),
    **dict.fromkeys(("OutboxMessage.error", "OutboxMessage.payload", "Mail.error", "Mail.subject", "Mail.text", "IdempotencyRecord.key", "IdempotencyRecord.headers", "PersonSession.agent", "ServedVersion.client", "ServedVersion.host"), GIVEN_UP),
    **dict.fromkeys(("Case.key", "Case.content", "Result.output", "Result.tool_calls", "Result.scores", "JudgeReply.output"), OWN),
    **dict.fromkeys(("DraftCase.key", "DraftCase.cluster", "Prompt.searchable", "PendingImport.columns"), REPEATED),
    **dict.fromkeys(
        (
            "Notification.url", "WebhookEvent.url", "WebhookDelivery.error", "WebhookTry.error", "Webhook.disabled_why", "PolicyVersion.policy", "Deployment.evidence",
            "Approval.subject", "Comment.path", "PendingPrompts.error", "PendingPrompts.progress", "RunChunk.error", "RunMetric.name",
            "RunSlice.metric", "JudgeReply.scorer", "ResultLabel.scorer", "ArmScore.name",
        ),
        OURS,
    ),
    **dict.fromkeys(("Observation.model", "Result.model", "JudgeReply.model", "Tryout.model", "RunUsage.model", "Run.candidate_settings", "Run.baseline_settings", "Run.judges"), "which model was asked, and how"),
    **dict.fromkeys(("Webhook.url", "Provider.base_url", "VersionCheck.url"), "an address that somebody keeps up"),
    "Purge.reason": "refused where it holds what is to go",
}  # fmt: skip


def text_columns() -> set[str]:
    """Columns of our tables that may hold a text."""
    found = set()
    for model in apps.get_models():
        if model._meta.app_label in {"core", "prompts_app", "evals_app"}:
            for field in model._meta.concrete_fields:
                is_long = isinstance(field, models.CharField) and not field.choices and (field.max_length or 0) >= LEAST
                if is_long or isinstance(field, models.TextField | models.JSONField):
                    found.add(f"{model.__name__}.{field.name}")
    return found


def test_columns__each_is_looked_through_by_erasures_or_says_why_not() -> None:
    looked_at = {f"{place.model.__name__}.{column}" for place in places() for column in place.columns}
    assert sorted(text_columns() - looked_at - ELSEWHERE.keys()) == []
    assert sorted(ELSEWHERE.keys() - text_columns()) == []
    assert sorted(ELSEWHERE.keys() & looked_at) == []
