"""Celery's side of promotions: ids in, one action, no logic."""

from celery import shared_task
from django.db.models.functions import Now

from prompts_app.actions.applying import apply_due as apply_one_due
from prompts_app.actions.applying import apply_if_ready
from prompts_app.actions.promotions import expire_promotions
from prompts_app.models import Promotion, PromotionState


@shared_task(name="prompts.apply_due")
def apply_due() -> None:
    """Give every scheduled promotion whose time has come its turn."""
    due = Promotion.objects.filter(state=PromotionState.SCHEDULED, scheduled_for__lte=Now()).order_by("scheduled_for")
    for pk in due.values_list("pk", flat=True):
        apply_one_due(pk)


@shared_task(name="prompts.apply_ready")
def apply_ready() -> None:
    """Look again at what waits for time to pass: a soak, the end of a freeze."""
    waiting = Promotion.objects.filter(state=PromotionState.OPEN, ready_by__isnull=False)
    for pk in waiting.values_list("pk", flat=True):
        apply_if_ready(pk)


@shared_task(name="prompts.expire")
def expire() -> None:
    """End promotions that nobody has touched for two weeks."""
    expire_promotions()
