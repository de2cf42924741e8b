"""The evals app: suites, runs, statistics and the checks they post."""

from django.apps import AppConfig


class EvalsConfig(AppConfig):
    """Knows prompts and the core; nothing there knows it."""

    name = "evals_app"
    verbose_name = "Evaluations"

    def ready(self) -> None:
        """Listen to the prompts app's topics, let the sweeper look after runs, offer what search and the editor ask for."""
        from evals_app import metric_queries, search_queries, subscriptions, text_places
        from evals_app.tryout_queries import for_the_editor
        from prompts_app.evaluation import tell_by
        from registry.core import metrics

        subscriptions.subscribe_all()
        search_queries.offer_all()
        text_places.offer_all()
        tell_by(for_the_editor())
        metrics.register(metric_queries.run_families)
