"""The core app: what every other app stands on."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Workspaces, members, keys, audit, outbox and jobs."""

    name = "registry.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        """Register the deploy checks, the rows that the sweeper looks after, and what operators are told."""
        from registry.core import checks, metric_queries, metrics, search_queries, subscriptions, text_places
        from registry.core.api import openapi  # noqa: F401

        checks.refuse_unsafe_start()
        subscriptions.subscribe_all()
        search_queries.offer_all()
        text_places.offer_all()
        metrics.register(metric_queries.core_families)
