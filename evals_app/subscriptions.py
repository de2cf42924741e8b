"""Which topics this app answers to, and which rows the sweeper looks after for it."""

from evals_app.actions.demo_story import TOPIC as DEMO_CONTINUES
from evals_app.actions.demo_story import call_story, continue_story
from evals_app.engine.triggers import start_missing_checks, start_runs_for_version
from evals_app.event_queries import offer_all, run_finished
from evals_app.models import Provider, RunChunk
from evals_app.tasks import run_chunk
from prompts_app.asked_evidence import NEEDS_CHECKS
from prompts_app.models import Promotion
from registry.core import jobs, outbox, secrets
from registry.core.actions.telling_outside import listen
from registry.core.hints import hint_by
from registry.core.outbox import Message


def subscribe_all() -> None:
    """Register the handlers; called once, when the app is ready. Each bears repeats: runs are reused, not repeated."""
    jobs.register(RunChunk, hint_by(run_chunk))
    outbox.subscribe("version.created", on_version_created)
    outbox.subscribe(NEEDS_CHECKS, on_promotion_needs_checks)
    outbox.subscribe("check.finished", on_check_finished)
    outbox.subscribe(DEMO_CONTINUES, on_demo_continues)
    offer_all()
    secrets.keep_in(Provider, "sealed_key", lambda row: str(row.key_context))
    listen("run.finished", run_finished)


def on_version_created(message: Message) -> None:
    """Replay the suites that run on new versions."""
    start_runs_for_version(message.id("version_id"))


def on_promotion_needs_checks(message: Message) -> None:
    """Gather the evidence that a promotion lacks."""
    rows = Promotion.objects.select_related("prompt", "version__prompt", "environment", "policy_opened")
    promotion = rows.filter(pk=message.id("promotion_id")).first()
    if promotion is not None:
        start_missing_checks(promotion)


def on_check_finished(message: Message) -> None:
    """In the demo, let its people see the verdict; by a message of its own, so that nothing else waits for them."""
    call_story(message.workspace_id)


def on_demo_continues(message: Message) -> None:
    """Take the demo's next step."""
    continue_story(message.workspace_id)
