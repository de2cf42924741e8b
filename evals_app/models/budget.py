"""What runs of a workspace may spend where nobody says it for one of them."""

from django.db import models

from registry.core.models import Workspace


class DefaultBudget(models.Model):
    """The budget of runs that name none: `cost` in US dollars, and requests; null: no limit. No row: none at all."""

    workspace = models.OneToOneField(Workspace, on_delete=models.CASCADE, related_name="default_budget")
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    requests = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return f"default budget of workspace {self.workspace_id}"
