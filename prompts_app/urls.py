"""Addresses of the pages of this app. A prompt's name may hold slashes: what follows it is a word no name may contain."""

from django.urls import path

from prompts_app.views import (
    board,
    editor,
    environments,
    keys,
    members,
    promotions,
    prompts,
    records,
    reviews,
    settings,
    setup,
    transfer,
    usage,
    versions,
    webhooks,
)

PROMPT = "w/<slug:workspace>/prompts/<path:name>"
PROMOTION = "w/<slug:workspace>/promotions/<int:pk>"
ENVIRONMENT = "w/<slug:workspace>/environments/<slug:environment>"
SETTINGS = "w/<slug:workspace>/settings"

urlpatterns = [
    path("setup/<str:token>", setup.setup, name="setup"),
    path("w/<slug:workspace>/", board.board_page, name="board"),
    path("w/<slug:workspace>/new", prompts.prompt_new, name="prompt_new"),
    path("w/<slug:workspace>/import", transfer.import_prompts, name="prompt_import"),
    path("w/<slug:workspace>/export", transfer.export_prompts, name="prompt_export"),
    path(f"{PROMPT}/versions/<int:number>/prompty", transfer.version_prompty, name="version_prompty"),
    path(f"{PROMPT}/drafts/edit", editor.prompt_edit, name="prompt_edit"),
    path(f"{PROMPT}/drafts/draft", editor.prompt_draft, name="prompt_draft"),
    path(f"{PROMPT}/drafts/preview", editor.prompt_preview, name="prompt_preview"),
    path(f"{PROMPT}/drafts/includes", editor.prompt_includes, name="prompt_includes"),
    path(f"{PROMPT}/drafts/discard", editor.prompt_draft_discard, name="prompt_draft_discard"),
    path(f"{PROMPT}/drafts/settings", prompts.prompt_change, name="prompt_change"),
    path(f"{PROMPT}/drafts/bump", prompts.prompt_bump, name="prompt_bump"),
    path(f"{PROMPT}/drafts/follow", prompts.prompt_follow, name="prompt_follow"),
    path(f"{PROMPT}/drafts/archive", prompts.prompt_archive, name="prompt_archive"),
    path(f"{PROMPT}/versions", versions.version_list, name="prompt_versions"),
    path(f"{PROMPT}/versions/<int:number>", versions.version_page, name="version"),
    path(f"{PROMPT}/versions/<int:number>/yank", versions.version_yank, name="version_yank"),
    path(f"{PROMPT}/versions/<int:number>/labels", versions.version_label, name="version_label"),
    path(f"{PROMPT}/versions/<int:number>/restore", versions.version_restore, name="version_restore"),
    path(f"{PROMPT}/diff", versions.compare_page, name="compare"),
    path(f"{PROMPT}/promotions", promotions.promotion_new, name="promotion_new"),
    path(f"{PROMPT}/versions/usage", usage.prompt_usage, name="prompt_usage"),
    path(PROMPT, prompts.prompt_page, name="prompt"),
    path("w/<slug:workspace>/promotions", promotions.promotion_list, name="promotions"),
    path(PROMOTION, promotions.promotion_page, name="promotion"),
    path(f"{PROMOTION}/record", records.promotion_record, name="promotion_record"),
    path(f"{PROMOTION}/<slug:verb>", promotions.promotion_do, name="promotion_do"),
    path(f"{PROMOTION}/comments/<int:comment>", promotions.comment_resolve, name="promotion_comment"),
    path("w/<slug:workspace>/reviews", reviews.inbox, name="reviews"),
    path("w/<slug:workspace>/waiting", reviews.waiting, name="waiting"),
    path(ENVIRONMENT, environments.environment_page, name="environment"),
    path(f"{ENVIRONMENT}/rollback/<path:name>", environments.rollback_page, name="rollback"),
    path(f"{ENVIRONMENT}/withdraw/<path:name>", environments.withdraw_page, name="withdraw"),
    path(f"{ENVIRONMENT}/quarantine/<path:name>", environments.quarantine_clear, name="quarantine_clear"),
    path(f"{ENVIRONMENT}/policy", environments.environment_policy, name="environment_policy"),
    path(f"{ENVIRONMENT}/freezes", environments.environment_freeze, name="environment_freeze"),
    path(f"{ENVIRONMENT}/freezes/<int:pk>", environments.freeze_end, name="freeze_end"),
    path(f"{SETTINGS}/environments", settings.environment_list, name="settings_environments"),
    path(f"{SETTINGS}/environments/<slug:environment>", settings.environment_change, name="environment_change"),
    path(f"{SETTINGS}/environments/<slug:environment>/move", settings.environment_move, name="environment_move"),
    path(
        f"{SETTINGS}/environments/<slug:environment>/archive", settings.environment_archive, name="environment_archive"
    ),
    path(f"{SETTINGS}/members/<str:email>/deactivate", members.member_deactivate, name="member_deactivate"),
    path(f"{SETTINGS}/leave", members.leave, name="leave"),
    path(f"{SETTINGS}/keys", keys.keys, name="settings_keys"),
    path(f"{SETTINGS}/keys/<int:pk>/rotate", keys.key_rotate, name="key_rotate"),
    path(f"{SETTINGS}/keys/<int:pk>/revoke", keys.key_revoke, name="key_revoke"),
    path(f"{SETTINGS}/webhooks", webhooks.settings_webhooks, name="settings_webhooks"),
    path(f"{SETTINGS}/webhooks/<int:pk>", webhooks.webhook_page, name="settings_webhook"),
    path(f"{SETTINGS}/webhooks/<int:pk>/test", webhooks.webhook_test, name="webhook_test"),
    path(f"{SETTINGS}/webhooks/<int:pk>/rotate", webhooks.webhook_rotate, name="webhook_rotate"),
    path(f"{SETTINGS}/webhooks/<int:pk>/delete", webhooks.webhook_delete, name="webhook_delete"),
    path(
        f"{SETTINGS}/webhooks/<int:pk>/deliveries/<int:delivery>/redeliver",
        webhooks.webhook_redeliver,
        name="webhook_redeliver",
    ),
]
