"""The routes of suites, runs and providers."""

from django.urls import URLPattern, path

from evals_app.api import batches, compare, exports, providers, purges, runs, scorers, suite_drafts, suites, usage

SUITE = "suites/<slug:suite>"
RUN = "runs/<int:pk>"

urlpatterns: list[URLPattern] = [
    path("suites", suites.SuitesView.as_view(), name="api_suites"),
    path(SUITE, suites.SuiteView.as_view(), name="api_suite"),
    path(f"{SUITE}/versions", suites.SuiteVersionsView.as_view(), name="api_suite_versions"),
    path(f"{SUITE}/versions/<int:number>", suites.SuiteVersionView.as_view(), name="api_suite_version"),
    path(f"{SUITE}/versions/<int:number>/diff/<int:second>", exports.SuiteDiffView.as_view(), name="api_suite_diff"),
    path(
        f"{SUITE}/versions/<int:number>/export/<slug:form>", exports.SuiteExportView.as_view(), name="api_suite_export"
    ),
    path(f"{SUITE}/draft", suite_drafts.SuiteDraftView.as_view(), name="api_suite_draft"),
    path(f"{SUITE}/draft/save", suite_drafts.SuiteDraftSaveView.as_view(), name="api_suite_draft_save"),
    path(f"{SUITE}/import", exports.SuiteReadView.as_view(), name="api_suite_read"),
    path(f"{SUITE}/history", compare.HistoryView.as_view(), name="api_suite_history"),
    path(f"{SUITE}/compare", compare.CompareVersionsView.as_view(), name="api_suite_compare"),
    path(f"{SUITE}/judges", suites.JudgesView.as_view(), name="api_suite_judges"),
    path(f"{SUITE}/attachments", suites.AttachmentsView.as_view(), name="api_attachments"),
    path(f"{SUITE}/attachments/<path:name>", suites.AttachmentView.as_view(), name="api_attachment"),
    path("runs/batches", batches.BatchesView.as_view(), name="api_batches"),
    path("runs/batches/<int:batch>", batches.BatchView.as_view(), name="api_batch"),
    path("runs/batches/<int:batch>/cancel", batches.CancelBatchView.as_view(), name="api_batch_cancel"),
    path("runs", runs.RunsView.as_view(), name="api_runs"),
    path(RUN, runs.RunView.as_view(), name="api_run"),
    path(f"{RUN}/results", runs.ResultsView.as_view(), name="api_run_results"),
    path(f"{RUN}/export/<slug:form>", exports.RunExportView.as_view(), name="api_run_export"),
    path(f"{RUN}/results/<int:result>/label", runs.ResultLabelView.as_view(), name="api_run_result_label"),
    path(f"{RUN}/tags", compare.TagsView.as_view(), name="api_run_tags"),
    path(f"{RUN}/compare/<int:other>", compare.CompareView.as_view(), name="api_run_compare"),
    path(f"{RUN}/cancel", runs.CancelRunView.as_view(), name="api_run_cancel"),
    path(f"{RUN}/resume", runs.ResumeRunView.as_view(), name="api_run_resume"),
    path(f"{RUN}/retry-errors", runs.RetryErrorsView.as_view(), name="api_run_retry_errors"),
    path("scorers", scorers.ScorersView.as_view(), name="api_scorers"),
    path("scorers/try", scorers.TryScorerView.as_view(), name="api_scorers_try"),
    path("usage", usage.UsageView.as_view(), name="api_usage"),
    path("usage/budget", usage.DefaultBudgetView.as_view(), name="api_default_budget"),
    path("retention", purges.RetentionView.as_view(), name="api_retention"),
    path("purges", purges.PurgesView.as_view(), name="api_purges"),
    path("purges/search", purges.SearchTextView.as_view(), name="api_purges_search"),
    path("providers", providers.ProvidersView.as_view(), name="api_providers"),
    path("providers/<slug:provider>", providers.ProviderView.as_view(), name="api_provider"),
]
