"""Following: hearing of what happens to a prompt without having had a part in it."""

from prompts_app.models import Follow, Prompt
from registry.core.actor import Actor
from registry.core.permissions import Permission, require, require_person


def follow(actor: Actor, prompt: Prompt) -> None:
    """Hear of promotions and rollbacks of a prompt from now on; twice is the same as once."""
    require_person(actor)
    require(actor, Permission.READ)
    Follow.objects.bulk_create([Follow(prompt=prompt, member_id=actor.member_id)], ignore_conflicts=True)


def unfollow(actor: Actor, prompt: Prompt) -> None:
    """Hear of it no more."""
    require_person(actor)
    Follow.objects.filter(prompt=prompt, member_id=actor.member_id).delete()


def is_following(actor: Actor, prompt: Prompt) -> bool:
    """Whether somebody follows a prompt."""
    return Follow.objects.filter(prompt=prompt, member_id=actor.member_id).exists()
