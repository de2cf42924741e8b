"""What the prompts app has to be found: pages and commands, prompts, versions, promotions, environments."""

from collections.abc import Iterable
from itertools import islice

from django.db.models import Case, Q, QuerySet, Value, When
from django.db.models.functions import Length
from django.urls import reverse

from prompts_app.models import PENDING, Environment, LivePointer, Promotion, Prompt
from prompts_app.navigation import pages_of
from registry.core.actor import Actor
from registry.core.people_queries import either, people_of
from registry.core.permissions import Permission, allows
from registry.core.searching import Asked, Found, Place, offer

LONG_ENOUGH = 3
BACKWARDS = (("go", "back"), ("roll", "back"), ("rollback",))
RECENT = 5


def commands(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """`promote` or `edit` and part of a prompt's name: what to do with each that fits; `go back`, with or without a part:
    each place where one can. One query."""
    words = tuple(word.casefold() for word in asked.words)
    if backwards := next((start for start in BACKWARDS if words[: len(start)] == start), None):
        yield from _ways_back(place, asked.words[len(backwards) :], most)
        return
    verb, *rest = asked.words or ("",)
    if not rest or verb.casefold() not in {"promote", "edit"} or not allows(place.actor, Permission.WRITE):
        return
    for prompt in named(place.actor, tuple(rest)).filter(last_number__gt=0)[:most]:
        if verb.casefold() == "edit":
            yield Found(f"Edit {prompt.name}", reverse("prompt_edit", args=[place.slug, prompt.name]), "square-pen")
        else:
            number = asked.number or prompt.last_number
            address = reverse("promotion_new", args=[place.slug, prompt.name])
            yield Found(f"Promote {prompt.name} v{number}…", f"{address}?version={number}", "rocket")


def _ways_back(place: Place, words: tuple[str, ...], most: int) -> Iterable[Found]:
    """What is live and took the place of something, the highest stage and the newest first; for who may not go back,
    who may: where the prompt's page says so too. Two queries at most."""
    names: tuple[str, ...] = ()
    if not allows(place.actor, Permission.ROLL_BACK):
        names = people_of(place.actor.workspace_id).who_may(Permission.ROLL_BACK)
        if not names:
            return
    rows = Prompt.objects.in_workspace(place.actor.workspace_id).archived(False)
    for word in words:
        rows = rows.filter(name__icontains=word)
    live = LivePointer.objects.live().filter(prompt__in=rows.values("pk"), environment__archived_at=None)
    live = live.exclude(deployment__previous=None).select_related("prompt", "environment")
    for one in live.order_by("-environment__rank", "-deployment_id")[:most]:
        where = f"{one.prompt.name} in {one.environment.label}"
        if names:
            yield Found(
                f"{either(names)} can go back: {where}", reverse("prompt", args=[place.slug, one.prompt.name]), "users"
            )
        else:
            address = reverse("rollback", args=[place.slug, one.environment.name, one.prompt.name])
            yield Found(f"Go back: {where}…", address, "undo-2")


def places(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """Pages and what can be begun, by their own words, for the prompt at hand where it is about one; no query."""
    if asked.number is not None:
        return
    found = (one for one in pages_of(place.actor) if asked.fits(one.label, one.also))
    for one in islice(found, most * 2 if not asked.words else most):
        about = place.prompt if one.takes_prompt else ""
        address = reverse(one.name, args=[place.slug], query={"prompt": about} if about else None)
        yield Found(one.label, address + one.fragment, one.icon, f"for {about}" if about else "", keys=one.keys)


def prompts(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """Prompts whose name has the words, best first, then those whose text does; without words the newest changed."""
    if asked.words:
        rows = list(named(place.actor, asked.words)[:most])
        if len(rows) < most and len(asked.phrase) >= LONG_ENOUGH:
            others = Prompt.objects.in_workspace(place.actor.workspace_id).archived(False).matching(asked.phrase)
            rows += others.only("name", "last_number").exclude(pk__in=[one.pk for one in rows])[: most - len(rows)]
    elif asked.number is None:
        mine = Prompt.objects.in_workspace(place.actor.workspace_id).archived(False)
        rows = list(mine.filter(drafts__member=place.actor.member_id).order_by("-drafts__updated_at")[:RECENT])
    else:
        rows = []
    for row in rows:
        detail = f"v{row.last_number}" if row.last_number else "no version yet"
        yield Found(row.name, reverse("prompt", args=[place.slug, row.name]), "layers", detail)


def versions(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """`intent v3`: that version of each prompt that fits and has one; one query."""
    if asked.number is None or not asked.words:
        return
    for row in named(place.actor, asked.words).filter(last_number__gte=asked.number)[:most]:
        address = reverse("version", args=[place.slug, row.name, asked.number])
        yield Found(
            f"{row.name} v{asked.number}", address, "history", "newest" if asked.number == row.last_number else ""
        )


def promotions(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """By number, or those whose prompt, title or environment has the words, open ones first; one query."""
    if not asked.text:
        return
    rows = Promotion.objects.in_workspace(place.actor.workspace_id).select_related("prompt", "version", "environment")
    if asked.number is not None:
        rows = rows.filter(Q(pk=asked.number) if not asked.words else Q(version__number=asked.number))
    for word in asked.words:
        rows = rows.filter(
            Q(prompt__name__icontains=word) | Q(title__icontains=word) | Q(environment__label__icontains=word)
        )
    ended = Case(When(state__in=PENDING, then=Value(0)), default=Value(1))
    for row in rows.order_by(ended, "-pk")[:most]:
        label = f"{row.prompt.name} v{row.version.number} to {row.environment.label}"
        detail = f"#{row.pk} {row.get_state_display().lower()}"
        yield Found(label, reverse("promotion", args=[place.slug, row.pk]), "git-pull-request", detail)


def environments(place: Place, asked: Asked, most: int) -> Iterable[Found]:
    """Environments by label or name; one query."""
    if not asked.words or asked.number is not None:
        return
    rows = Environment.objects.in_workspace(place.actor.workspace_id)
    for row in [one for one in rows if asked.fits(one.label, one.name)][:most]:
        yield Found(row.label, reverse("environment", args=[place.slug, row.name]), "layers", row.name, row.colour)


def named(actor: Actor, words: tuple[str, ...]) -> QuerySet[Prompt]:
    """Prompts whose name has all the words: the name itself first, then those with a part that begins so, the shorter first."""
    rows = Prompt.objects.in_workspace(actor.workspace_id).archived(False).only("name", "last_number")
    for word in words:
        rows = rows.filter(name__icontains=word)
    first = words[0]
    begins = Q(name__istartswith=first) | Q(name__icontains=f"/{first}")
    place = Case(When(name__iexact=" ".join(words), then=Value(0)), When(begins, then=Value(1)), default=Value(2))
    return rows.order_by(place, Length("name"), "name")


def offer_all() -> None:
    """Register the sources; called once, when the app is ready."""
    offer("Commands", commands)
    offer("Versions", versions)
    offer("Prompts", prompts)
    offer("Promotions", promotions)
    offer("Go to", places)
    offer("Environments", environments)
