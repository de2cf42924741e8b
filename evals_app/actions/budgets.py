"""The workspace's default budget: what a run may spend where nobody says it."""

from django.db import transaction

from evals_app.budget_queries import default_budget
from evals_app.budgets import Budget
from evals_app.models import DefaultBudget
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.models import Workspace
from registry.core.permissions import Permission, require


@transaction.atomic
def set_default_budget(actor: Actor, budget: Budget) -> Budget:
    """From now on runs that name no budget have this one; an empty one takes the default away. Runs that are there keep theirs."""
    require(actor, Permission.ADMINISTER)
    Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    before = default_budget(actor.workspace_id)
    if budget == before:
        return before
    if budget.is_empty:
        DefaultBudget.objects.filter(workspace_id=actor.workspace_id).delete()
    else:
        values = {"cost": budget.cost, "requests": budget.requests}
        DefaultBudget.objects.update_or_create(workspace_id=actor.workspace_id, defaults=values)
    detail: dict[str, JSON] = {"before": _told(before), "after": _told(budget)}
    audit.record(
        actor,
        "budget.changed",
        subject_type="workspace",
        subject_id=actor.workspace_id,
        subject_name="default budget",
        detail=detail,
    )
    return budget


def _told(budget: Budget) -> dict[str, JSON]:
    """For the audit trail, which holds no fractions but as text."""
    return {"cost": None if budget.cost is None else str(budget.cost), "requests": budget.requests}
