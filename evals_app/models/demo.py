"""The mark of the demo workspace."""

from django.db import models

from prompts_app.models import Prompt
from registry.core.models import Workspace


class DemoStory(models.Model):
    """Only a workspace with this row is a demo: there the story's people act by themselves on `prompt`.

    How far the story has come is not stored: it is read from the prompt's versions, promotions and checks.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="+")
    prompt = models.OneToOneField(Prompt, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"demo in {self.workspace_id}"
