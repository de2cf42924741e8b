"""Requirements 33 and 59: which changes ask again who one is, and which have to be quick."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from evals_app.actions.providers import create_provider, settings_of, update_provider
from evals_app.provider_settings import parse_provider
from prompts_app.actions.environments import (
    archive_environment,
    change_environment,
    create_environment,
    end_freeze,
    freeze_environment,
    move_environment,
)
from registry.core.actions.invitations import create_invitation, revoke_invitation
from registry.core.actions.webhooks import change_webhook, create_webhook, delete_webhook, rotate_webhook_secret
from registry.core.actions.workspaces import add_member, change_member, find_or_create_user, invite
from registry.core.actor import Actor, Role
from registry.core.errors import ConfirmationNeeded
from registry.core.models import Invitation, Member, User
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.api.client import Api
from tests.builders import Cast, signed_in
from tests.security.test_sessions import PASSWORD, hidden, stale

HOOK = WebhookInput(WebhookSettings("hook", "https://example.com/"), None)
PROVIDER = {"name": "p", "base_url": "https://models.example/v1", "models": ["m"], "api_key": "k" * 20}


def member(cast: Cast, name: str = "vera") -> Member:
    return Member.objects.select_related("user", "workspace").get(pk=getattr(cast, name).member_id)


def changes(cast: Cast, olga: Actor) -> dict[str, Callable[[], Any]]:
    """What gives somebody or something more, by an owner whose session may be old."""
    hook = create_webhook(cast.olga, HOOK).row
    provider = create_provider(cast.olga, parse_provider(PROVIDER, allow=frozenset()))
    staging, now = cast.environment("staging"), timezone.now()
    freeze = freeze_environment(cast.olga, staging, starts_at=now, ends_at=now + timedelta(days=1), reason="Holidays")

    def provided(**fields: Any) -> Any:
        return parse_provider(fields, base=settings_of(provider), allow=frozenset())

    return {
        "a member added": lambda: add_member(olga, find_or_create_user("n@example.com"), role=Role.VIEWER),
        "a member invited": lambda: invite(olga, "n@example.com", role=Role.VIEWER),
        "a link to come in by": lambda: create_invitation(olga, role=Role.VIEWER),
        "another role": lambda: change_member(olga, member(cast), role=Role.ADMIN),
        "other grants": lambda: change_member(olga, member(cast, "rosa"), grants=("override",)),
        "a member let back in": lambda: change_member(olga, member(cast), is_active=True),
        "a webhook": lambda: create_webhook(olga, HOOK),
        "another webhook": lambda: change_webhook(olga, hook, HOOK),
        "a webhook's new secret": lambda: rotate_webhook_secret(olga, hook),
        "a provider": lambda: create_provider(olga, parse_provider({**PROVIDER, "name": "q"}, allow=frozenset())),
        "a provider's key": lambda: update_provider(olga, provider, provided(api_key="x" * 20)),
        "a provider's address": lambda: update_provider(olga, provider, provided(base_url="https://other.example/v1")),
        "the order of stages": lambda: move_environment(olga, staging, up=True),
        "a stage's rank": lambda: change_environment(olga, staging, rank=9),
        "a stage before another": lambda: create_environment(olga, "easy", rank=staging.rank),
        "no stage before another": lambda: archive_environment(olga, staging),
        "the end of a freeze": lambda: end_freeze(olga, freeze),
        # What ends or narrows something is not asked about.
        "quick: a member gone": lambda: change_member(olga, member(cast), is_active=False),
        "quick: a link revoked": lambda: revoke_invitation(olga, Invitation.objects.get()),
        "quick: a webhook gone": lambda: delete_webhook(olga, hook),
        "quick: a provider's pace": lambda: update_provider(olga, provider, provided(concurrency=2)),
        "quick: a stage after all others": lambda: create_environment(olga, "canary"),
        "quick: a label": lambda: change_environment(olga, staging, label="S"),
    }


def test_33__changes_in_an_old_session__ask_where_they_give_more_and_not_where_they_end_something(cast: Cast) -> None:
    create_invitation(cast.olga, role=Role.VIEWER)
    tried, asked = changes(cast, replace(cast.olga, is_confirmed=False)), []
    for name, change in tried.items():
        try:
            change()
        except ConfirmationNeeded:
            asked.append(name)
    assert asked == [name for name in tried if not name.startswith("quick")]


def test_33__role_changed_in_an_old_session__goes_on_after_the_answer(cast: Cast) -> None:
    client, address = stale(cast), "/w/acme/settings/members/vera@example.com"

    asked = client.post(address, {"role": "editor"})
    before = member(cast).role
    wrong = client.post(address, {**hidden(asked.content.decode()), "confirm_password": "of somebody else"})
    client.post(address, {**hidden(asked.content.decode()), "confirm_password": PASSWORD})

    assert wrong.status_code == 422 and "That is not your password." in wrong.content.decode()
    assert asked.status_code == 403 and "Confirm that it is you" in asked.content.decode()
    assert (before, member(cast).role) == (Role.VIEWER, Role.EDITOR)


def test_33__asked_and_not_answered__one_goes_back_to_where_one_was_and_nowhere_else(cast: Cast) -> None:
    client, address = stale(cast), "/w/acme/settings/members/vera@example.com"

    def cancel(referer: str) -> str:
        page = client.post(address, {"role": "editor"}, headers={"Referer": referer}).content.decode()
        [found] = re.findall(r'href="([^"]*)">Cancel<', page)
        return str(found)

    asked = client.post(
        address, {"role": "editor"}, headers={"Referer": "http://testserver/w/acme/settings/members?page=2"}
    )
    given = {**hidden(asked.content.decode()), "confirm_password": "of somebody else"}
    again = client.post(address, given, headers={"Referer": f"http://testserver{address}"}).content.decode()

    assert cancel("http://testserver/w/acme/settings/members?page=2") == "/w/acme/settings/members?page=2"
    assert 'href="/w/acme/settings/members?page=2">Cancel<' in again, "also after a wrong answer"
    assert [cancel(one) for one in ("", "https://evil.example/", "http://testserver//evil.example/x")] == ["/"] * 3


def test_33__role_changed_over_the_api_in_an_old_session__is_refused_and_a_member_can_still_be_stopped(
    cast: Cast,
) -> None:
    api = Api(cast.olga)
    signed_in(api.http, User.objects.get(email="olga@example.com"), minutes_ago=16)

    refused = api.patch("members/vera@example.com", {"role": "admin"})
    stopped = api.call("DELETE", "members/vera@example.com", None)

    assert (refused.status, refused.code, stopped.status) == (403, "session.unconfirmed", 204)
    assert (member(cast).role, member(cast).is_active) == (Role.VIEWER, False)
    assert Client().get("/w/acme/").status_code == 302
