"""Addresses of the pages of this app. They come before those of prompts, whose names may hold slashes."""

from django.urls import path

from evals_app.views import (
    add_to_suite,
    batch_new,
    batches,
    compare,
    evidence,
    exports,
    labels,
    providers,
    retention,
    run_new,
    runs,
    suite_diff,
    suite_edit,
    suite_import,
    suites,
    tries,
    usage,
)

SUITE = "w/<slug:workspace>/suites/<slug:suite>"
BATCHES = "w/<slug:workspace>/runs/batches"
RUN = "w/<slug:workspace>/runs/<int:pk>"
PROMPT = "w/<slug:workspace>/prompts/<path:name>"
PROMOTION = "w/<slug:workspace>/promotions/<int:pk>"
RETENTION = "w/<slug:workspace>/settings/retention"
PROVIDERS = "w/<slug:workspace>/settings/providers"

urlpatterns = [
    path("w/<slug:workspace>/suites", suites.suites_page, name="suites"),
    path("w/<slug:workspace>/new-suite", suites.suite_new, name="suite_new"),
    path(SUITE, suites.suite_page, name="suite"),
    path(f"{SUITE}/edit", suite_edit.suite_edit, name="suite_edit"),
    path(f"{SUITE}/history", compare.suite_history_page, name="suite_history"),
    path(f"{SUITE}/compare", compare.suite_compare, name="suite_compare"),
    path(f"{SUITE}/draft", suite_edit.suite_draft, name="suite_draft"),
    path(f"{SUITE}/draft/discard", suite_edit.suite_draft_discard, name="suite_draft_discard"),
    path(f"{SUITE}/import", suite_import.suite_import, name="suite_import"),
    path(f"{SUITE}/diff", suite_diff.suite_diff, name="suite_diff"),
    path(f"{SUITE}/judge", suites.suite_judge, name="suite_judge"),
    path(f"{SUITE}/versions/<int:number>/export/<slug:form>", exports.suite_export, name="suite_export"),
    path(f"{SUITE}/attach", suites.suite_attach, name="suite_attach"),
    path(f"{SUITE}/detach", suites.suite_detach, name="suite_detach"),
    path("w/<slug:workspace>/runs", runs.runs_page, name="runs"),
    path("w/<slug:workspace>/usage", usage.usage_page, name="usage"),
    path("w/<slug:workspace>/usage/budget", usage.usage_budget, name="usage_budget"),
    path("w/<slug:workspace>/runs/new", run_new.run_new, name="run_new"),
    path(BATCHES, batches.batches_page, name="batches"),
    path(f"{BATCHES}/new", batch_new.batch_new, name="batch_new"),
    path(f"{BATCHES}/<int:pk>", batches.batch_page, name="batch"),
    path(f"{BATCHES}/<int:pk>/progress", batches.batch_progress, name="batch_progress"),
    path(f"{BATCHES}/<int:pk>/cancel", batches.batch_cancel, name="batch_cancel"),
    path(RUN, runs.run_page, name="run"),
    path(f"{RUN}/events", runs.run_events, name="run_events"),
    path(f"{RUN}/results", runs.run_results, name="run_results"),
    path(f"{RUN}/figures", runs.run_figures, name="run_figures"),
    path(f"{RUN}/export/<slug:form>", exports.run_export, name="run_export"),
    path(f"{RUN}/cases/<int:number>", runs.run_case, name="run_case"),
    path(f"{RUN}/cases/<int:number>/answers/<int:result>", runs.run_answer, name="run_answer"),
    path(f"{RUN}/cases/<int:number>/add", add_to_suite.run_case_add, name="run_case_add"),
    path(f"{RUN}/cases/<int:number>/label", labels.run_label, name="run_label"),
    path(f"{RUN}/cases/<int:number>/purge", retention.run_case_purge, name="run_case_purge"),
    path(f"{RUN}/tags", runs.run_tags, name="run_tags"),
    path(f"{RUN}/compare", compare.run_compare_choose, name="run_compare_choose"),
    path(f"{RUN}/compare/<int:other>", compare.run_compare, name="run_compare"),
    path(f"{RUN}/cancel", runs.run_cancel, name="run_cancel"),
    path(f"{RUN}/resume", runs.run_resume, name="run_resume"),
    path(f"{RUN}/retry", runs.run_retry, name="run_retry"),
    path(RETENTION, retention.retention_page, name="settings_retention"),
    path(f"{RETENTION}/search", retention.retention_search, name="retention_search"),
    path(f"{RETENTION}/erase", retention.retention_erase, name="retention_erase"),
    path(PROVIDERS, providers.settings_providers, name="settings_providers"),
    path(f"{PROVIDERS}/<slug:provider>", providers.provider_page, name="provider"),
    path(f"{PROVIDERS}/<slug:provider>/test", providers.provider_test, name="provider_test"),
    path(f"{PROMPT}/drafts/try", tries.prompt_try, name="prompt_try"),
    path(f"{PROMPT}/drafts/try/run", tries.prompt_try_run, name="prompt_try_run"),
    path(f"{PROMPT}/drafts/try/add", tries.prompt_try_add, name="prompt_try_add"),
    path(f"{PROMPT}/versions/<int:number>/checks", evidence.prompt_checks_panel, name="prompt_checks_panel"),
    path(f"{PROMPT}/versions/<int:number>/checks/run", evidence.prompt_checks_run, name="prompt_checks_run"),
    path(f"{PROMPT}/checks", evidence.prompt_checks_panel, name="prompt_checks_panel"),
    path(f"{PROMPT}/checks/attach", evidence.prompt_checks_attach, name="prompt_checks_attach"),
    path(f"{PROMPT}/diff/evidence", evidence.compare_evidence, name="compare_evidence"),
    path(f"{PROMOTION}/evidence", evidence.promotion_evidence, name="promotion_evidence"),
    path(f"{PROMOTION}/evidence/run", evidence.promotion_evidence_run, name="promotion_evidence_run"),
]
