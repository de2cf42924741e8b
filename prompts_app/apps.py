"""The prompts app: versions, environments, promotion and delivery."""

from django.apps import AppConfig


class PromptsConfig(AppConfig):
    """Knows the core, and nothing of evaluation."""

    name = "prompts_app"
    verbose_name = "Prompts"

    def ready(self) -> None:
        """Listen to the topics this app answers to; be found, also by an erasure; refuse clients of other products in their own words."""
        from prompts_app import search_queries, subscriptions, text_places, wholeness
        from prompts_app.compat.langfuse import refusals
        from registry.core import metrics
        from registry.core.api import problems

        subscriptions.subscribe_all()
        search_queries.offer_all()
        text_places.offer_all()
        metrics.register(wholeness.families)
        problems.speak(refusals.PREFIX, refusals.refusal)
