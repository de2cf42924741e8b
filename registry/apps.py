"""The project itself as an app: what every process needs, whatever started it."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """Makes the project's Celery the one that tasks are sent through, in web processes, commands and tests alike."""

    name = "registry"
    label = "project"

    def ready(self) -> None:
        """Without this import a task would go to Celery's default broker."""
        import registry.celery  # noqa: F401
