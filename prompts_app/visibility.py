"""What a caller may know of: all of the workspace, or to a service key what is or was live in its environment.

What is not visible does not exist for the caller: these raise NotFound, never Forbidden.
"""

from django.db.models import Exists, OuterRef, QuerySet

from prompts_app.actions.environments import find_environment
from prompts_app.actions.prompts import find_prompt
from prompts_app.delivery.bodies import LiveVersion
from prompts_app.delivery.reading import find_live
from prompts_app.errors import another_environment
from prompts_app.models import Deployment, Environment, Prompt, PromptVersion
from prompts_app.models.prompt import PromptVersionQuerySet
from registry.core.actor import Actor, KeyKind
from registry.core.errors import NotFound


def sees_only_live(actor: Actor) -> bool:
    """True for a service key."""
    return actor.key_kind is KeyKind.SERVICE


def visible_environment(actor: Actor, name: str) -> Environment:
    """The environment of that name; a service key sees its own and no other."""
    _refuse_another(actor, name)
    return find_environment(actor.workspace_id, name)


def visible_live(actor: Actor, environment: str, name: str) -> LiveVersion:
    """What is live of a prompt; NotFound is `not_deployed`, the same whether there is such a prompt or not. One query."""
    _refuse_another(actor, environment)
    live = find_live(actor.workspace_id, environment, name)
    if live is None:
        find_environment(actor.workspace_id, environment)
        raise NotFound("not_deployed", f"Nothing of that name is live in {environment}.")
    return live


def visible_prompt(actor: Actor, name: str) -> Prompt:
    """The prompt of that name, archived or not; a service key sees those that are or were live in its environment."""
    prompt = find_prompt(actor.workspace_id, name)
    if sees_only_live(actor) and not _was_live(actor).filter(prompt=prompt).exists():
        raise NotFound("prompt.not_found", "This workspace has no prompt of that name.")
    return prompt


def visible_version(actor: Actor, name: str, number: int) -> PromptVersion:
    """One version by its number, its prompt and yank loaded; one query."""
    version = _visible(actor, name).filter(number=number).first()
    if version is None:
        raise NotFound("version.not_found", f"There is no version {number} of a prompt of that name here.")
    return version


def visible_digest(actor: Actor, name: str, digest: str) -> PromptVersion:
    """The version of that content; where several say the same, the first, so that the answer stays what it was."""
    rows = _visible(actor, name, digest=digest)
    version = rows.order_by("number").first()
    if version is None:
        raise NotFound("version.not_found", "No version of a prompt of that name has this digest here.")
    return version


def served_by(actor: Actor, wanted: set[tuple[str, int]]) -> dict[tuple[str, int], PromptVersion]:
    """Of these names and numbers the versions that a service key may see; one query."""
    rows = PromptVersion.objects.in_workspace(actor.workspace_id).filter(
        Exists(_was_live(actor).filter(prompt=OuterRef("prompt"), version__digest=OuterRef("digest"))),
        prompt__name__in={name for name, _ in wanted},
        number__in={number for _, number in wanted},
    )
    found = rows.select_related("prompt").only("prompt__name", "number", "digest")
    return {place: one for one in found if (place := (one.prompt.name, one.number)) in wanted}


def _visible(actor: Actor, name: str, *, digest: str = "") -> PromptVersionQuerySet:
    rows = PromptVersion.objects.in_workspace(actor.workspace_id).filter(prompt__name=name)
    rows = rows.filter(digest=digest) if digest else rows
    if sees_only_live(actor):
        # By digest it is the content that must have been live, whichever number it had then.
        same = {"version__digest": digest} if digest else {"version": OuterRef("pk")}
        rows = rows.filter(Exists(_was_live(actor).filter(prompt=OuterRef("prompt"), **same)))
    return rows.select_related("prompt", "yank", "author__user")


def _refuse_another(actor: Actor, environment: str) -> None:
    if sees_only_live(actor) and environment != actor.environment:
        raise another_environment(actor.environment)


def _was_live(actor: Actor) -> QuerySet[Deployment]:
    return Deployment.objects.filter(
        environment__workspace_id=actor.workspace_id, environment__name=actor.environment, version__isnull=False
    )
