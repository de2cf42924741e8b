"""Celery's side of promotions: ids in, one action, no logic."""

from collections.abc import Callable

import structlog
from celery import shared_task
from django.db.models import QuerySet
from django.db.models.functions import Now

from prompts_app.actions.applying import apply_due as apply_one_due
from prompts_app.actions.applying import apply_if_ready
from prompts_app.actions.promotions import expire_promotions
from prompts_app.actions.pulls import give_up_pull, run_pull
from prompts_app.actions.usage import forget_usage
from prompts_app.digest_queries import damaged_versions
from prompts_app.models import Promotion, PromotionState
from registry.core.tasks import worker_name
from registry.core.triggers import missing_triggers

log = structlog.get_logger(__name__)


@shared_task(name="prompts.apply_due")
def apply_due() -> None:
    """Give every scheduled promotion whose time has come its turn."""
    due = Promotion.objects.filter(state=PromotionState.SCHEDULED, scheduled_for__lte=Now()).order_by("scheduled_for")
    _each(due, apply_one_due)


@shared_task(name="prompts.apply_ready")
def apply_ready() -> None:
    """Look again at what waits for time to pass: a soak, the end of a freeze."""
    waiting = Promotion.objects.filter(state=PromotionState.OPEN, ready_by__isnull=False).order_by("pk")
    _each(waiting, apply_if_ready)


@shared_task(name="prompts.verify_contents")
def verify_contents() -> None:
    """Say in the log, every night, which versions are not what they were and which triggers are not in force."""
    for version in damaged_versions():
        log.error("version.damaged", version=str(version), id=version.pk, digest=version.digest)
    for name in missing_triggers():
        log.error("history.trigger_missing", trigger=name)


def _each(promotions: QuerySet[Promotion], action: Callable[[int], object]) -> None:
    """One after the other; one that fails is logged and tried again next time, and keeps no other from its turn."""
    for pk in promotions.values_list("pk", flat=True):
        try:
            action(pk)
        except Exception:
            log.exception("promotion.turn_failed", promotion=pk)


@shared_task(name="prompts.forget_usage")
def forget() -> None:
    """Forget what services said they served, after a month."""
    forget_usage()


@shared_task(name="prompts.expire")
def expire() -> None:
    """End promotions that nobody has touched for two weeks."""
    expire_promotions()


@shared_task(name="prompts.pull_langfuse")
def pull_langfuse(pk: int, opener: str = "") -> None:
    """Read another server for a waiting import; without the opener of its keys only see whether it was given up."""
    if opener:
        run_pull(pk, opener, owner=worker_name())
    else:
        give_up_pull(pk)
