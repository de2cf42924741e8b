"""What this app tells outside: its events, and how a run is read for one."""

from django.urls import reverse

from evals_app.models import Run
from registry.core import events
from registry.core.canonical import JSON
from registry.core.events import URL, EventType, Happened, number, optional, text
from registry.core.outbox import Message

DID = {
    "suite.created": ("created a suite", "suite", "name"),
    "suite.saved": ("saved a version of a suite", "suite", "name"),
    "suite.attached": ("attached a suite to a prompt", "suite", "name"),
    "suite.detached": ("detached a suite from a prompt", "suite", "name"),
    "provider.created": ("added a provider", "settings_providers", ""),
    "provider.changed": ("changed a provider", "settings_providers", ""),
    "run.started": ("started a run", "run", "id"),
    "run.cancelled": ("cancelled a run", "run", "id"),
}


def offer_all() -> None:
    """Put this app's events into the catalogue."""
    finished = {
        "run": number("The run's id."),
        "prompt": text("The prompt's name."),
        "version": number("The candidate's number."),
        "digest": text("The candidate's digest."),
        "baseline": optional(number("The version it was compared with, if any.")),
        "suite": text("The suite's slug."),
        "suite_version": number("The suite's version."),
        "state": text("finished or error."),
        "verdict": text("passed, failed or inconclusive; empty where there is none."),
        "url": URL,
    }
    events.offer(EventType("run.finished", "A run ended, with a verdict or in error.", finished))
    for event, (did, page, by) in DID.items():
        events.offer_audited(event, did, page=page, by=by)


def run_finished(message: Message) -> Happened:
    """A run as it ended."""
    rows = Run.objects.select_related("workspace", "prompt", "candidate", "baseline", "suite_version__suite")
    run = rows.get(pk=message.id("run_id"))
    suite = run.suite_version.suite
    data: dict[str, JSON] = {
        "run": run.pk,
        "prompt": run.prompt.name,
        "version": run.candidate.number,
        "digest": run.candidate.digest,
        "baseline": run.baseline.number if run.baseline else None,
        "suite": suite.slug,
        "suite_version": run.suite_version.number,
        "state": run.state,
        "verdict": run.verdict,
    }
    said = f"{suite.slug} on {run.prompt.name} v{run.candidate.number}: {run.verdict or run.state}"
    return Happened("run.finished", said, reverse("run", args=[run.workspace.slug, run.pk]), data)
