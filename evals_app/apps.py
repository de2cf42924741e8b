"""The evals app: suites, runs, statistics and the checks they post."""

from django.apps import AppConfig


class EvalsConfig(AppConfig):
    """Knows prompts and the core; nothing there knows it."""

    name = "evals_app"
    verbose_name = "Evaluations"

    def ready(self) -> None:
        """Listen to the prompts app's topics, and let the sweeper look after runs."""
        from evals_app import search_queries, subscriptions

        subscriptions.subscribe_all()
        search_queries.offer_all()
