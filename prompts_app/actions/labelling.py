"""What clients do in one call that takes several actions here: save and label a version, move labels, take a prompt away.

All of it or none: each is one transaction, and its locks are taken in the one order before the first action writes.
A label that is an environment's name is moved by a promotion, under the same rules as everywhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.labels import set_label
from prompts_app.actions.moving import Place, lock_places
from prompts_app.actions.promotions import acknowledge_breaking, find_promotion, open_promotion, rebase
from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.facts import current_policy
from prompts_app.models import Environment, EnvironmentRevision, Promotion, Prompt, PromptVersion, VersionYank
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Forbidden, invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission, require

TRIES = 5
DELETED = "Deleted by a client."


@dataclass(frozen=True)
class NewVersion:
    """A version to be saved under a name, and its labels. `tags` None: those of the prompt stay as they are."""

    name: str
    kind: str
    content: Mapping[str, JSON]
    labels: Collection[str] = ()
    tags: Sequence[str] | None = None
    message: str = ""


class _MadeMeanwhileError(Exception):
    """Somebody else made the prompt just now."""


def save_labelled(actor: Actor, new: NewVersion) -> PromptVersion:
    """Save the next version, making or unarchiving the prompt where needed, and set its labels; or nothing of it.

    Content equal to the newest version's is that version. Raises Invalid for a prompt of another kind, Forbidden for a
    label that may not be moved, and whatever the actions raise.
    """
    require(actor, Permission.WRITE)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return _save(actor, new)
        except _MadeMeanwhileError:
            continue
    raise Conflict("prompt.exists", "Others make a prompt of this name at the same time: try again.")


def move_labels(actor: Actor, version: PromptVersion, names: Collection[str]) -> None:
    """Let these labels point at a version: free ones as bookmarks, environments by a promotion each; all or none."""
    require(actor, Permission.CURATE)
    with transaction.atomic():
        Prompt.objects.select_for_update(no_key=True).get(pk=version.prompt_id)
        _label(actor, version, names)


def withdraw_and_archive(actor: Actor, prompt: Prompt) -> None:
    """Take a prompt out of use: out of every environment it is live in, none of which is protected, then archived."""
    require(actor, Permission.CURATE)
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
        for place in _live_unprotected(prompt):
            withdraw(actor, prompt, place.environment, reason=DELETED)
        change_prompt(actor, prompt, archived=True)


def withdraw_and_yank(actor: Actor, version: PromptVersion) -> None:
    """Take one version out of use: out of every environment it is live in, none of which is protected, then yanked."""
    require(actor, Permission.CURATE)
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update(no_key=True).get(pk=version.prompt_id)
        for place in _live_unprotected(prompt, version):
            withdraw(actor, prompt, place.environment, reason=DELETED)
        if not VersionYank.objects.filter(version=version).exists():
            yank_version(actor, version, reason=DELETED)


def _save(actor: Actor, new: NewVersion) -> PromptVersion:
    environments = list(Environment.objects.in_workspace(actor.workspace_id))
    prompt = Prompt.objects.in_workspace(actor.workspace_id).filter(name=new.name).first()
    if prompt is None:
        prompt = _make(actor, new, environments)
    else:
        prompt = Prompt.objects.select_for_update(no_key=True).get(pk=prompt.pk)
    lock_places(prompt, environments)
    if prompt.kind != new.kind:
        raise invalid_field("type", "fixed", f"{new.name} is a {prompt.kind} prompt, for good: take another name.")
    if prompt.is_archived:
        prompt = change_prompt(actor, prompt, archived=False)
    if new.tags is not None and list(new.tags) != prompt.tags:
        prompt = change_prompt(actor, prompt, tags=new.tags)
    version = create_version(actor, prompt, new.content, message=new.message).version
    _label(actor, version, new.labels)
    return version


def _make(actor: Actor, new: NewVersion, environments: Sequence[Environment]) -> Prompt:
    """The prompt, under the locks of what its first version may move: its own row is nobody else's yet."""
    counters = EnvironmentRevision.objects.filter(environment__in=environments)
    list(counters.order_by("pk").select_for_update(no_key=True))
    try:
        return create_prompt(actor, new.name, kind=new.kind, tags=new.tags or ())
    except Conflict:
        raise _MadeMeanwhileError from None


def _label(actor: Actor, version: PromptVersion, names: Collection[str]) -> None:
    environments = list(Environment.objects.in_workspace(actor.workspace_id))
    wanted = [environment for environment in environments if environment.name in names]
    places = lock_places(version.prompt, wanted) if wanted else []
    for place in places:
        if current_policy(place.environment).load().protected:
            address = _address("promotion_new", actor, version.prompt.name)
            raise Forbidden(
                "label.protected",
                f"Label '{place.environment.name}' is protected: open a promotion at "
                f"{address}?environment={place.environment.name}",
            )
    for place in places:
        _promote(actor, version, place)
    taken = {environment.name for environment in wanted}
    for name in names:
        if name not in taken:
            set_label(actor, version, name)


def _promote(actor: Actor, version: PromptVersion, place: Place) -> None:
    """Open and apply a promotion over what is live now; one that asks for the same already is taken to the same point."""
    live = place.live_version
    if live is not None and live.digest == version.digest:
        return
    require(actor, Permission.APPLY)
    asked = next((row for row in place.promotions if row.version_id == version.pk), None)
    try:
        if asked is None:
            promotion = open_promotion(actor, version, place.environment, acknowledge_breaking=True)
        else:
            promotion = _brought_up_to_date(actor, asked)
        apply_promotion(actor, promotion, stamp=None)
    except Conflict as refused:
        raise _blocked(place.environment, refused) from None


def _brought_up_to_date(actor: Actor, asked: Promotion) -> Promotion:
    promotion = rebase(actor, find_promotion(actor.workspace_id, asked.pk), stamp=None)
    if actor.member_id == promotion.author_id and not promotion.acknowledges_breaking:
        acknowledge_breaking(actor, promotion, stamp=None)
    return find_promotion(actor.workspace_id, asked.pk)


def _blocked(environment: Environment, refused: Conflict) -> Forbidden:
    blockers = refused.extra.get("blockers")
    listed = blockers if isinstance(blockers, list) else []
    why = "; ".join(
        f"{one['code']}: {one['message']}" for one in listed if isinstance(one, dict) and one["level"] != "advisory"
    )
    detail = f"Label '{environment.name}' cannot be moved there: {why or refused.detail}"
    return Forbidden("label.blocked", detail, blockers=listed)


def _live_unprotected(prompt: Prompt, version: PromptVersion | None = None) -> list[Place]:
    """Where the prompt (this version of it) is live, under the locks; raises Forbidden where one is protected."""
    places = lock_places(prompt, list(Environment.objects.in_workspace(prompt.workspace_id)))
    found = [place for place in places if place.live and version in {None, place.live_version}]
    for place in found:
        if current_policy(place.environment).load().protected:
            slug = Workspace.objects.get(pk=prompt.workspace_id).slug
            address = reverse("withdraw", args=[slug, place.environment.name, prompt.name])
            raise Forbidden(
                "label.protected",
                f"It is live in '{place.environment.name}', which is protected: take it out first at "
                f"{settings.PUBLIC_URL}{address}",
            )
    return found


def _address(page: str, actor: Actor, name: str) -> str:
    slug = Workspace.objects.get(pk=actor.workspace_id).slug
    return f"{settings.PUBLIC_URL}{reverse(page, args=[slug, name])}"
