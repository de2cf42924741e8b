"""How the demo's story goes on by itself: one step for each thing that has happened, as the person who would take it.

Each step is judged from facts, under a lock on the story's row, and taken through the action that a page would call. So
a repeat finds nothing to do; a verdict that fits no step ends the story, and so does a visitor who saves a version or
takes a right away from its people.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import transaction

from evals_app.demo import banking, people
from evals_app.models import DemoStory
from prompts_app.actions.applying import apply_promotion
from prompts_app.actions.environments import find_environment
from prompts_app.actions.promotions import close, find_promotion, open_promotion
from prompts_app.actions.reviews import comment, vote
from prompts_app.actions.versions import create_version
from prompts_app.facts import approvers, judge, live_deployment, subject_of
from prompts_app.gates import standing
from prompts_app.models import Promotion, Prompt, PromptVersion, Vote
from registry.core import outbox
from registry.core.actions.notifications import mark_read
from registry.core.actions.workspaces import find_member
from registry.core.actor import Actor
from registry.core.errors import Forbidden, RegistryError
from registry.core.identity import actor_of_member

log = structlog.get_logger(__name__)

TOPIC = "demo.continue"
STAGING, PRODUCTION = "staging", "production"
REFUSED = f"check.suite/{banking.SUITE}.failed"


def write_version(ada: Actor, prompt: Prompt, number: int) -> None:
    """Save the story's version of that number, and ask for it to go to staging and to production."""
    message = banking.MESSAGES[number - 1]
    version = create_version(ada, prompt, banking.content(number), message=message).version
    for name in (STAGING, PRODUCTION):
        open_promotion(ada, version, find_environment(prompt.workspace_id, name))


def call_story(workspace_id: int) -> None:
    """Let the story look whether it can go on; nothing in a workspace that is no demo."""
    if DemoStory.objects.filter(workspace=workspace_id).exists():
        outbox.send(workspace_id, TOPIC, {})


@transaction.atomic
def continue_story(workspace_id: int) -> str:
    """Take the next step if its time has come; its name, or empty where there is nothing to do (now, or any more)."""
    rows = DemoStory.objects.select_for_update(of=("self",)).select_related("prompt")
    story = rows.filter(workspace=workspace_id).first()
    if story is None:
        return ""
    scene = _Scene(story.prompt, tuple(story.prompt.versions.order_by("number")))
    if tuple(version.message for version in scene.versions) != banking.MESSAGES[: len(scene.versions)]:
        return ""
    try:
        with transaction.atomic():
            taken = next((step for step in STEPS if step(scene)), None)
    except RegistryError as refusal:
        log.info("demo.story_ended", workspace=workspace_id, because=refusal.detail)
        return ""
    if taken is None:
        return ""
    outbox.send(workspace_id, TOPIC, {})
    return taken.__name__.lstrip("_")


@dataclass(frozen=True)
class _Scene:
    """The story's prompt and its versions, oldest first: all of them the story's own."""

    prompt: Prompt
    versions: tuple[PromptVersion, ...]

    def actor(self, person: people.Person) -> Actor:
        member = find_member(self.prompt.workspace_id, person.email)
        if not member.can_act:
            raise Forbidden("member.inactive", f"{person.name} can no longer act here.")
        return actor_of_member(member)

    def pending(self, number: int, environment: str) -> Promotion | None:
        """The promotion of a version that is still open there."""
        rows = Promotion.objects.pending().filter(prompt=self.prompt, environment__name=environment)
        found = rows.filter(version__number=number).values_list("pk", flat=True).first()
        return find_promotion(self.prompt.workspace_id, found) if found else None

    def in_the_way(self, promotion: Promotion) -> set[str]:
        """Codes of what keeps Rosa from applying it."""
        return {blocker.code for blocker in standing(judge(promotion, self.actor(people.ROSA)).blockers)}

    def is_live(self, number: int, environment: str) -> bool:
        deployment = live_deployment(self.prompt, find_environment(self.prompt.workspace_id, environment))
        return deployment is not None and deployment.version == self.versions[number - 1]


def _promote_to_staging(scene: _Scene) -> bool:
    """Rosa takes to staging what has passed."""
    promotion = scene.pending(len(scene.versions), STAGING)
    if promotion is None or scene.in_the_way(promotion):
        return False
    apply_promotion(scene.actor(people.ROSA), promotion, stamp=None)
    return True


def _approve_the_first(scene: _Scene) -> bool:
    """Grace approves version 1 for production once nothing but that is missing."""
    promotion = scene.pending(1, PRODUCTION)
    if promotion is None or scene.in_the_way(promotion) != {"approvals.insufficient"}:
        return False
    grace = scene.actor(people.GRACE)
    if grace.member_id in approvers(promotion):
        return False
    subject_hash = subject_of(promotion).hash
    vote(grace, promotion, Vote.APPROVE, stamp=None, subject_hash=subject_hash, comment=banking.APPROVAL)
    return True


def _promote_the_first(scene: _Scene) -> bool:
    """Rosa takes the approved version 1 to production."""
    promotion = scene.pending(1, PRODUCTION)
    if promotion is None or scene.in_the_way(promotion):
        return False
    apply_promotion(scene.actor(people.ROSA), promotion, stamp=None)
    return True


def _add_examples(scene: _Scene) -> bool:
    """Ada writes version 2 over the live version 1; by then everybody has read what forty new prompts brought."""
    if len(scene.versions) != 1 or not scene.is_live(1, PRODUCTION):
        return False
    for person in people.PEOPLE:
        mark_read(find_member(scene.prompt.workspace_id, person.email).user, scene.prompt.workspace_id)
    write_version(scene.actor(people.ADA), scene.prompt, 2)
    return True


def _change_the_layout(scene: _Scene) -> bool:
    """Ada sees version 2 refused and writes version 3."""
    promotion = scene.pending(2, PRODUCTION) if len(scene.versions) == 2 else None
    if promotion is None or REFUSED not in scene.in_the_way(promotion):
        return False
    ada = scene.actor(people.ADA)
    comment(ada, promotion, body=banking.AFTER_REFUSAL)
    write_version(ada, scene.prompt, 3)
    return True


def _give_up_the_second(scene: _Scene) -> bool:
    """Ada withdraws version 2 from staging, where version 3 has taken its place; in production it shows what was refused."""
    promotion = scene.pending(2, STAGING) if len(scene.versions) == 3 and scene.is_live(3, STAGING) else None
    if promotion is None:
        return False
    close(scene.actor(people.ADA), promotion, stamp=None, reason=banking.GIVEN_UP)
    return True


STEPS: tuple[Callable[[_Scene], bool], ...] = (
    _promote_to_staging,
    _approve_the_first,
    _promote_the_first,
    _add_examples,
    _change_the_layout,
    _give_up_the_second,
)
