"""What the evals app has to be found: suites and runs."""

from collections.abc import Iterable

from django.db.models import Q
from django.urls import reverse

from evals_app.models import Run, Suite
from registry.core.searching import Asked, Found, Place, offer


def suites(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """Suites whose slug or title has the words; one query."""
    if not asked.words or asked.number is not None:
        return
    rows = Suite.objects.in_workspace(place.actor.workspace_id)
    for word in asked.words:
        rows = rows.filter(Q(slug__icontains=word) | Q(title__icontains=word))
    for row in rows[:most]:
        detail = f"{row.slug} v{row.last_number}" if row.last_number else row.slug
        yield Found(row.title, reverse("suite", args=[place.slug, row.slug]), "list-checks", detail)


def runs(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """By number, or the newest whose prompt or suite has the words; one query."""
    if not asked.text:
        return
    rows = Run.objects.filter(workspace=place.actor.workspace_id)
    if asked.number is not None:
        rows = rows.filter(Q(pk=asked.number) if not asked.words else Q(candidate__number=asked.number))
    for word in asked.words:
        suite = Q(suite_version__suite__slug__icontains=word) | Q(suite_version__suite__title__icontains=word)
        rows = rows.filter(Q(prompt__name__icontains=word) | suite)
    for row in rows.select_related("prompt", "candidate", "suite_version__suite").order_by("-pk")[:most]:
        label = f"{row.suite_version.suite.title} on {row.prompt.name} v{row.candidate.number}"
        detail = f"#{row.pk} {(row.verdict or row.state)}"
        yield Found(label, reverse("run", args=[place.slug, row.pk]), "flask-conical", detail)


def offer_all() -> None:
    """Register the sources; called once, when the app is ready."""
    offer("Suites", suites)
    offer("Runs", runs)
