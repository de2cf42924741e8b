"""`manage.py seed_demo`: the demo workspace, once."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from evals_app.actions.demo import follow_model, seed_demo
from evals_app.demo.people import WORKSPACE
from evals_app.local_model import IN_FLIGHT, MODEL_NAME, PATIENCE_S
from evals_app.provider_settings import ProviderInput, parse_provider
from evals_app.scripted_provider import MODEL_NAME as SCRIPTED
from registry.core.canonical import JSON
from registry.core.models import Workspace


class Command(BaseCommand):
    """Idempotent by the workspace's name: a second call changes nothing, and `--follow` only lets it follow its model."""

    help = "Make the demo workspace, unless a workspace of that name is there; its story goes on in the workers."

    def add_arguments(self, parser: CommandParser) -> None:
        """--follow."""
        parser.add_argument(
            "--follow", action="store_true", help="make nothing; let the demo follow a model that moved"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Say in one line what was done; takes a few seconds."""
        provider, who_answers = _provider()
        if options["follow"]:
            workspace = Workspace.objects.filter(slug=WORKSPACE).first()
            if workspace is not None and provider is not None and follow_model(workspace, provider):
                self.stdout.write("The model listens elsewhere now: the demo follows it, and its evidence is stale.")
            return
        if seed_demo(provider=provider).is_new:
            self.stdout.write(f"Made the workspace {WORKSPACE}. {who_answers} Its story goes on in the background.")
        else:
            self.stdout.write(f"There is a workspace {WORKSPACE} already: nothing was changed.")


def _provider() -> tuple[ProviderInput | None, str]:
    """Who answers in the demo, and that in words."""
    if settings.LOCAL_MODEL_URL:
        given = _input("local", settings.LOCAL_MODEL_URL, MODEL_NAME, timeout_s=PATIENCE_S)
        return given, f"A small local model answers ({MODEL_NAME})."
    if settings.SCRIPTED_PROVIDER_URL:
        given = _input("scripted", settings.SCRIPTED_PROVIDER_URL, SCRIPTED)
        return given, "No language model could be installed here: a script answers, from answers recorded before."
    return None, "Neither LOCAL_MODEL_URL nor SCRIPTED_PROVIDER_URL is set, so its runs end in error."


def _input(name: str, url: str, model: str, **more: JSON) -> ProviderInput:
    body: dict[str, JSON] = {
        "name": name,
        "base_url": url,
        "models": [model],
        "concurrency": IN_FLIGHT,
        "default": True,
    }
    return parse_provider(body | more, allow=settings.OUTBOUND_ALLOW)
