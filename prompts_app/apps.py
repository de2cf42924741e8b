"""The prompts app: versions, environments, promotion and delivery."""

from django.apps import AppConfig


class PromptsConfig(AppConfig):
    """Knows the core, and nothing of evaluation."""

    name = "prompts_app"
    verbose_name = "Prompts"

    def ready(self) -> None:
        """Listen to the topics this app answers to."""
        from prompts_app import subscriptions

        subscriptions.subscribe_all()
