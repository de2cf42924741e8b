"""Where models are asked."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from registry.core.models import Workspace


class ProviderQuerySet(models.QuerySet["Provider"]):
    """Providers, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "ProviderQuerySet":
        """The providers of one workspace, by name."""
        return self.filter(workspace_id=workspace_id).order_by("name")


class Provider(models.Model):
    """An endpoint that speaks the OpenAI chat-completions protocol, its key, and what it bears.

    `sealed_key` opens only with this row's id (`key_context`). The first of `model_names` is asked where none is named.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="providers")
    name = models.SlugField(max_length=63)
    base_url = models.CharField(max_length=500)
    sealed_key = models.TextField(blank=True, default="")
    key_last4 = models.CharField(max_length=4, blank=True, default="")
    model_names = ArrayField(models.CharField(max_length=200))
    is_default = models.BooleanField(default=False)
    concurrency = models.PositiveSmallIntegerField(default=16)
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True)
    timeout_s = models.PositiveSmallIntegerField(default=60)
    streams = models.BooleanField(default=False, db_default=False)
    fallback = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = ProviderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "name"], name="provider_name_once_per_workspace"),
            models.UniqueConstraint(
                fields=["workspace"], condition=Q(is_default=True), name="one_default_provider_per_workspace"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key_context(self) -> str:
        """What the key is sealed to: moved to another row it does not open."""
        return f"provider:{self.pk}"

    @property
    def default_model(self) -> str:
        """The model asked where neither version nor run names one."""
        return self.model_names[0]
