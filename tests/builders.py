"""Data for tests, made by calling the actions."""

from dataclasses import dataclass
from typing import Any

from django.test import Client
from django.utils import timezone

from prompts_app.actions.environments import create_default_environments, find_environment
from prompts_app.actions.keys import issue_key
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Environment, Prompt, PromptVersion
from registry.core import outbox
from registry.core.actions.workspaces import add_member, create_workspace, find_or_create_user
from registry.core.actor import Actor, KeyKind, Role
from registry.core.identity import actor_of_key, actor_of_member
from registry.core.models import JobState, Member, OutboxMessage, User, Workspace
from registry.core.signing_in import CONFIRMED, SEEN, SIGNED_IN


@dataclass(frozen=True)
class Cast:
    """The people of a test, as actors, and their workspace."""

    workspace: Workspace
    olga: Actor
    ada: Actor
    grace: Actor
    rosa: Actor
    vera: Actor
    linus: Actor

    def environment(self, name: str) -> Environment:
        """One of development, staging, production."""
        return find_environment(self.workspace.pk, name)

    def key(self, kind: str = "ci", **kwargs: Any) -> "Key":
        """A fresh API key; its responsible member is Olga unless named."""
        issued = issue_key(self.olga, kind=KeyKind(kind), name=kwargs.pop("name", kind), **kwargs)
        return Key(issued.token.token, issued.row.pk)


@dataclass(frozen=True)
class Key:
    """An API key as a client holds it."""

    token: str
    pk: int

    @property
    def actor(self) -> Actor:
        """The actor it authenticates as."""
        return actor_of_key(f"Bearer {self.token}")

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends."""
        return {"Authorization": f"Bearer {self.token}"}


def make_cast(slug: str = "acme", *, is_open: bool = False) -> Cast:
    """Olga owns, Ada edits, Grace reviews, Rosa releases, Vera views; Linus owns another workspace."""
    olga = find_or_create_user("olga@example.com", name="Olga")
    workspace, owner = create_workspace(slug, name=slug.capitalize(), owner=olga)
    create_default_environments(Actor.system(workspace.pk), is_open=is_open)
    boss = person(owner)
    return Cast(
        workspace=workspace,
        olga=boss,
        ada=join(boss, "Ada", Role.EDITOR),
        grace=join(boss, "Grace", Role.REVIEWER),
        rosa=join(boss, "Rosa", Role.RELEASER),
        vera=join(boss, "Vera", Role.VIEWER),
        linus=outsider(f"not-{slug}"),
    )


def join(boss: Actor, name: str, role: Role, *, grants: tuple[str, ...] = ()) -> Actor:
    """Another member, as an actor."""
    user = find_or_create_user(f"{name.lower()}@example.com", name=name)
    return person(add_member(boss, user, role=role, grants=grants))


def outsider(slug: str) -> Actor:
    """Linus, who owns a workspace of his own."""
    workspace, owner = create_workspace(slug, name=slug, owner=find_or_create_user("linus@example.com", name="Linus"))
    create_default_environments(Actor.system(workspace.pk))
    return person(owner)


def person(member: Member) -> Actor:
    """The member as an actor, as they are in the database now."""
    return actor_of_member(Member.objects.select_related("user", "workspace").get(pk=member.pk))


def signed_in(client: Client, user: User, *, minutes_ago: float = 0) -> Client:
    """The client with a session of that person, as one begins by signing in."""
    client.force_login(user)
    session = client.session
    session[SEEN] = timezone.now().timestamp()
    session[SIGNED_IN] = session[CONFIRMED] = session[SEEN] - minutes_ago * 60
    session.save()
    return client


def again(actor: Actor) -> Actor:
    """The same member, read again: role and grants as they are now."""
    return person(Member.objects.get(pk=actor.member_id))


def prompt(actor: Actor, name: str = "support/triage", *, text: str | None = "Hello {{ name }}") -> Prompt:
    """A text prompt, with a first version unless `text` is None."""
    made = create_prompt(actor, name, kind="text")
    if text is not None:
        version(actor, made, text)
    return made


def version(actor: Actor, of: Prompt, text: str, **fields: Any) -> PromptVersion:
    """The next version of a text prompt."""
    return create_version(actor, of, {"text": text, **fields}).version


def deliver() -> int:
    """Hand every waiting outbox message to its handlers, and what they send in turn; returns how many."""
    delivered = 0
    while waiting := list(
        OutboxMessage.objects.filter(state=JobState.QUEUED).order_by("pk").values_list("pk", flat=True)
    ):
        for pk in waiting:
            assert outbox.dispatch(pk, owner="test"), OutboxMessage.objects.get(pk=pk).error
            delivered += 1
    return delivered
