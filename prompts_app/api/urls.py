"""The routes of prompts, environments and promotions. A prompt's name ends before a word that no name may contain."""

from django.urls import URLPattern, path, register_converter

from prompts_app.api import (
    delivery,
    environments,
    imports,
    keys,
    labels,
    places,
    promotion_changes,
    promotions,
    prompts,
    transfer,
    usage,
    versions,
)
from prompts_app.api.converters import PromptName

register_converter(PromptName, "prompt")

VERSION = "prompts/<prompt:name>/versions/<int:number>"
PROMOTION = "promotions/<int:pk>"
ENVIRONMENT = "environments/<slug:env>"
PLACE = f"{ENVIRONMENT}/prompts/<prompt:name>"

urlpatterns: list[URLPattern] = [
    path("prompts", prompts.PromptsView.as_view(), name="api_prompts"),
    path("prompts/<prompt:name>/versions", versions.VersionsView.as_view(), name="api_versions"),
    path(VERSION, versions.VersionView.as_view(), name="api_version"),
    path(f"{VERSION}/yank", versions.YankView.as_view(), name="api_version_yank"),
    path("prompts/<prompt:name>/versions/labels", labels.LabelsView.as_view(), name="api_labels"),
    path(f"{VERSION}/labels/<str:label>", labels.LabelView.as_view(), name="api_label"),
    path(f"{VERSION}/checks", versions.ChecksView.as_view(), name="api_version_checks"),
    path("prompts/<prompt:name>/digests/<str:digest>", versions.DigestView.as_view(), name="api_digest"),
    path("prompts/<prompt:name>/diff", prompts.DifferenceView.as_view(), name="api_diff"),
    path("prompts/<prompt:name>/drafts/mine", prompts.DraftView.as_view(), name="api_draft"),
    path("prompts/<prompt:name>/usage", usage.PromptUsageView.as_view(), name="api_prompt_usage"),
    path("usage/reports", usage.UsageReportsView.as_view(), name="api_usage_reports"),
    path("prompts/<prompt:name>", prompts.PromptView.as_view(), name="api_prompt"),
    path("preview", versions.PreviewView.as_view(), name="api_preview"),
    path("export/bundle", transfer.ExportBundleView.as_view(), name="api_export_bundle"),
    path("import/prompty", transfer.ImportPromptyView.as_view(), name="api_import_prompty"),
    path(f"{VERSION}/prompty", transfer.ExportPromptyView.as_view(), name="api_export_prompty"),
    path("import/langfuse", imports.ImportLangfuseView.as_view(), name="api_import_langfuse"),
    path("import/pending", imports.PendingImportView.as_view(), name="api_import_pending"),
    path("import/pending/take", imports.TakeImportView.as_view(), name="api_import_take"),
    path("import/bundle", transfer.ImportBundleView.as_view(), name="api_import_bundle"),
    path("promotions", promotions.PromotionsView.as_view(), name="api_promotions"),
    path(PROMOTION, promotions.PromotionView.as_view(), name="api_promotion"),
    path(f"{PROMOTION}/approve", promotions.ApproveView.as_view(), name="api_promotion_approve"),
    path(f"{PROMOTION}/request-changes", promotions.RequestChangesView.as_view(), name="api_promotion_request_changes"),
    path(f"{PROMOTION}/withdraw-vote", promotions.WithdrawVoteView.as_view(), name="api_promotion_withdraw_vote"),
    path(f"{PROMOTION}/comments", promotions.CommentsView.as_view(), name="api_promotion_comments"),
    path(
        f"{PROMOTION}/comments/<int:comment_id>/resolve",
        promotions.ResolveCommentView.as_view(),
        name="api_promotion_comment_resolve",
    ),
    path(f"{PROMOTION}/record", promotions.PromotionRecordView.as_view(), name="api_promotion_record"),
    path(f"{PROMOTION}/apply", promotion_changes.ApplyView.as_view(), name="api_promotion_apply"),
    path(f"{PROMOTION}/override", promotion_changes.OverrideView.as_view(), name="api_promotion_override"),
    path(
        f"{PROMOTION}/review-override",
        promotion_changes.ReviewOverrideView.as_view(),
        name="api_promotion_review_override",
    ),
    path(f"{PROMOTION}/schedule", promotion_changes.ScheduleView.as_view(), name="api_promotion_schedule"),
    path(f"{PROMOTION}/unschedule", promotion_changes.UnscheduleView.as_view(), name="api_promotion_unschedule"),
    path(f"{PROMOTION}/resume", promotion_changes.ResumeView.as_view(), name="api_promotion_resume"),
    path(f"{PROMOTION}/rebase", promotion_changes.RebaseView.as_view(), name="api_promotion_rebase"),
    path(f"{PROMOTION}/close", promotion_changes.CloseView.as_view(), name="api_promotion_close"),
    path(f"{PROMOTION}/ready", promotion_changes.ReadyView.as_view(), name="api_promotion_ready"),
    path(f"{PROMOTION}/reopen", promotion_changes.ReopenView.as_view(), name="api_promotion_reopen"),
    path(
        f"{PROMOTION}/acknowledge-breaking",
        promotion_changes.AcknowledgeBreakingView.as_view(),
        name="api_promotion_acknowledge_breaking",
    ),
    path(f"{PROMOTION}/dismiss", promotion_changes.DismissView.as_view(), name="api_promotion_dismiss"),
    path("environments", environments.EnvironmentsView.as_view(), name="api_environments"),
    path(ENVIRONMENT, environments.EnvironmentView.as_view(), name="api_environment"),
    path(f"{ENVIRONMENT}/freezes", environments.FreezesView.as_view(), name="api_freezes"),
    path(f"{ENVIRONMENT}/freezes/<int:freeze_id>", environments.FreezeView.as_view(), name="api_freeze"),
    path(f"{ENVIRONMENT}/deployments", environments.DeploymentsView.as_view(), name="api_deployments"),
    path(f"{ENVIRONMENT}/quarantines", environments.QuarantinesView.as_view(), name="api_quarantines"),
    path(
        f"{ENVIRONMENT}/quarantines/<int:quarantine_id>/clear",
        environments.ClearQuarantineView.as_view(),
        name="api_quarantine_clear",
    ),
    path(f"{ENVIRONMENT}/snapshot", delivery.SnapshotView.as_view(), name="api_snapshot"),
    path(f"{ENVIRONMENT}/changes", delivery.ChangesView.as_view(), name="api_changes"),
    path(f"{ENVIRONMENT}/stream", delivery.StreamView.as_view(), name="api_stream"),
    path(f"{PLACE}/deployments", environments.PromptDeploymentsView.as_view(), name="api_prompt_deployments"),
    path(f"{PLACE}/render", delivery.RenderView.as_view(), name="api_render"),
    path(f"{PLACE}/rollback", places.RollBackView.as_view(), name="api_rollback"),
    path(f"{PLACE}/withdraw", places.WithdrawView.as_view(), name="api_withdraw"),
    path(PLACE, delivery.FetchView.as_view(), name="api_fetch"),
    path("keys", keys.KeysView.as_view(), name="api_keys"),
    path("keys/<int:pk>", keys.KeyView.as_view(), name="api_key"),
    path("keys/<int:pk>/rotate", keys.RotateKeyView.as_view(), name="api_key_rotate"),
]
