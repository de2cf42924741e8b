"""The demo workspace, made once: its people, forty prompts with their histories, and the beginning of the story."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.db import transaction

from evals_app.actions.demo_story import write_version
from evals_app.actions.providers import create_provider, settings_of, update_provider
from evals_app.actions.suites import attach_suite, create_suite, save_suite_version
from evals_app.demo import banking, people
from evals_app.demo.library import LibraryPrompt, library
from evals_app.models import DemoStory, Provider
from evals_app.provider_settings import ProviderInput
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import create_default_environments, find_environment
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version, find_version
from registry.core.actions.workspaces import add_member, create_workspace, find_member, find_or_create_user
from registry.core.actor import Actor
from registry.core.identity import actor_of_member
from registry.core.models import Workspace

type Cast = Mapping[people.Person, Actor]


@dataclass(frozen=True)
class SeededDemo:
    """What seeding came to: `is_new` is False where a workspace of that name was there, which is then left alone."""

    workspace: Workspace
    is_new: bool


@transaction.atomic
def seed_demo(*, provider: ProviderInput | None) -> SeededDemo:
    """Make the demo, all or nothing; without a provider its runs end in error, and say why.

    The operator's command, so nobody's right is asked; all inside it is done by the demo's people, who need theirs. What
    takes answers of a model goes on in the background (`demo_story`).
    """
    existing = Workspace.objects.filter(slug=people.WORKSPACE).first()
    if existing is not None:
        return SeededDemo(existing, is_new=False)
    workspace, cast = _settle()
    if provider is not None:
        create_provider(cast[people.ROSA], provider)
    _begin_story(workspace, cast)
    for prompt in library():
        _bring_in(prompt, cast)
    return SeededDemo(workspace, is_new=True)


def follow_model(workspace: Workspace, provider: ProviderInput) -> bool:
    """Let the demo's provider point to where its model listens now, as Rosa; True where it had moved.

    Its earlier evidence is stale then, like after any change of who answers.
    """
    row = Provider.objects.in_workspace(workspace.pk).filter(name=provider.settings.name).first()
    is_demo = DemoStory.objects.filter(workspace=workspace).exists()
    if row is None or not is_demo or row.base_url == provider.settings.base_url:
        return False
    rosa = actor_of_member(find_member(workspace.pk, people.ROSA.email))
    moved = replace(settings_of(row), base_url=provider.settings.base_url)
    update_provider(rosa, row, ProviderInput(moved, api_key=None))
    return True


def _settle() -> tuple[Workspace, Cast]:
    owner = find_or_create_user(people.ROSA.email, name=people.ROSA.name)
    workspace, member = create_workspace(people.WORKSPACE, name=people.WORKSPACE_NAME, owner=owner)
    create_default_environments(Actor.system(workspace.pk, "operator"))
    rosa = actor_of_member(member)
    others = {
        person: actor_of_member(add_member(rosa, find_or_create_user(person.email, name=person.name), role=person.role))
        for person in (people.ADA, people.GRACE)
    }
    return workspace, {people.ROSA: rosa, **others}


def _begin_story(workspace: Workspace, cast: Cast) -> None:
    """The prompt, the suite its versions must pass, and version 1 with its promotions, which wait for the suite's run."""
    ada = cast[people.ADA]
    prompt = create_prompt(ada, banking.PROMPT, kind="chat", description=banking.DESCRIPTION, tags=banking.TAGS)
    DemoStory.objects.create(workspace=workspace, prompt=prompt)
    suite = create_suite(ada, banking.SUITE, title=banking.SUITE_TITLE)
    save_suite_version(ada, suite, banking.suite_content())
    attach_suite(ada, suite, prompt, required=True)
    write_version(ada, prompt, 1)


def _bring_in(given: LibraryPrompt, cast: Cast) -> None:
    """A prompt with all its versions, dated as they were written; one of them goes on to staging."""
    ada = cast[people.ADA]
    prompt = create_prompt(
        ada,
        given.name,
        kind="text",
        description=given.title,
        tags=given.tags,
        written_at=given.versions[0].written_at,
    )
    for version in given.versions:
        create_version(
            ada,
            prompt,
            given.content(version),
            message=f"As in commit {version.commit}",
            written_at=version.written_at,
        )
    if given.in_staging:
        staging = find_environment(prompt.workspace_id, "staging")
        asked = open_promotion(ada, find_version(prompt, given.in_staging), staging)
        apply_promotion(cast[people.ROSA], asked, stamp=None)
