"""The tables of evaluation that hold texts of people, but for cases, answers and judges' replies, which leave a digest."""

from evals_app.models import DraftCase, PendingImport, ResultLabel, Run, RunMetric, RunSlice, SuiteDraft, SuiteVersion
from registry.core.texts import Fate, Place, keep_in_mind


def offer_all() -> None:
    """Let erasures look through them; called once, when the app is ready."""
    of_suite = "suite__workspace"
    keep_in_mind(
        Place("cases of drafts", DraftCase, ("content",), Fate.DELETED, "draft__suite__workspace"),
        Place("drafts of suites", SuiteDraft, ("rules",), Fate.DELETED, of_suite),
        Place("waiting imports", PendingImport, ("text", "name"), Fate.DELETED, of_suite),
        Place("notes on answers", ResultLabel, ("note",), Fate.EMPTIED, "result__run__workspace"),
        Place("rules of suites", SuiteVersion, ("rules",), Fate.KEPT, of_suite),
        Place("summaries of runs", Run, ("summary",), Fate.EMPTIED),
        Place("sentences of runs", RunMetric, ("sentence", "settle"), Fate.EMPTIED, "run__workspace"),
        Place("what runs say by tag", RunSlice, ("tag", "sentence"), Fate.DELETED, "run__workspace"),
    )
