"""Rows of the audit table that are about people: invitations, sessions, leaving, what they choose for themselves."""

import json
import time
from collections.abc import Callable
from typing import Any

from prompts_app.actions import environments
from registry.core.actions import (
    exporting,
    invitations,
    notifications,
    passkeys,
    people,
    restoring,
    second_factors,
    sessions,
    webhooks,
    workspaces,
)
from registry.core.actor import Role
from registry.core.audit_queries import AuditChoice
from registry.core.models import Invitation, Member, Passkey, PersonSession, User, Webhook
from registry.core.relying_party import creation_options, new_ceremony, new_handle, origin
from registry.core.totp import code_at
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.builders import Cast
from tests.security.authenticator import Device


def _member(cast: Cast, name: str = "vera") -> Member:
    return Member.objects.select_related("user", "workspace").get(pk=getattr(cast, name).member_id)


def _invitation(cast: Cast) -> invitations.MadeInvitation:
    return invitations.create_invitation(cast.olga, role=Role.EDITOR)


def _accept(cast: Cast) -> Callable[[], Any]:
    token = _invitation(cast).address.rpartition("/")[2]
    who = invitations.NewPerson("new@example.com", "New", "lanterns over a quiet harbour")
    return lambda: invitations.accept_invitation(token, who=who, address="")


def _revoke(cast: Cast) -> Callable[[], Any]:
    row: Invitation = _invitation(cast).row
    return lambda: invitations.revoke_invitation(cast.olga, row)


def _session(user: User, key: str) -> PersonSession:
    sessions.note_session(user, key, address="127.0.0.1", agent="a browser")
    return PersonSession.objects.get(session_key=key)


def _end_session(cast: Cast) -> Callable[[], Any]:
    user = _member(cast).user
    row = _session(user, "a")
    return lambda: sessions.end_session(cast.vera, user, row.pk)


def _end_others(cast: Cast) -> Callable[[], Any]:
    user = _member(cast).user
    for key in ("a", "b", "c"):
        _session(user, key)
    return lambda: sessions.end_other_sessions(cast.vera, user, but="a")


def _equipped(cast: Cast) -> User:
    """Olga, with an authenticator."""
    user = _member(cast, "olga").user
    secret = second_factors.begin_authenticator(user)
    second_factors.add_authenticator(cast.olga, user, code=code_at(secret, int(time.time()) // 30))
    return user


def _add_authenticator(cast: Cast) -> Callable[[], Any]:
    user = _member(cast).user
    secret = second_factors.begin_authenticator(user)
    return lambda: second_factors.add_authenticator(cast.vera, user, code=code_at(secret, int(time.time()) // 30))


def _remove_authenticator(cast: Cast) -> Callable[[], Any]:
    user = _equipped(cast)
    return lambda: second_factors.remove_authenticator(cast.olga, user)


def _renew_recovery_codes(cast: Cast) -> Callable[[], Any]:
    user = _equipped(cast)
    return lambda: second_factors.renew_recovery_codes(cast.olga, user)


def _remove_second_factors(cast: Cast) -> Callable[[], Any]:
    user = _equipped(cast)
    return lambda: second_factors.remove_second_factors(cast.olga, user)


def _add_passkey(cast: Cast) -> Callable[[], Any]:
    user, ceremony = _member(cast).user, new_ceremony(handle=new_handle())
    asked = json.loads(creation_options(ceremony, account="vera", person="Vera", known=()))
    made = Device(origin=origin()).create(asked)
    return lambda: passkeys.add_passkey(cast.vera, user, name="Phone", answer=made, ceremony=ceremony)


def _with_passkey(act: Callable[[Cast, Passkey], Any]) -> Callable[[Cast], Callable[[], Any]]:
    def prepare(cast: Cast) -> Callable[[], Any]:
        row = _add_passkey(cast)().row
        return lambda: act(cast, row)

    return prepare


def _require_second_factor(cast: Cast) -> Callable[[], Any]:
    _equipped(cast)
    return lambda: workspaces.require_second_factor(cast.olga, required=True)


HOOK = WebhookInput(WebhookSettings("hook", "http://127.0.0.1:9/"), None)


def _hook(cast: Cast) -> Webhook:
    return webhooks.create_webhook(cast.olga, HOOK).row


def _with_hook(act: Callable[[Cast, Webhook], Any]) -> Callable[[Cast], Callable[[], Any]]:
    def prepare(cast: Cast) -> Callable[[], Any]:
        row = _hook(cast)
        return lambda: act(cast, row)

    return prepare


def _redeliver(cast: Cast) -> Callable[[], Any]:
    sent = webhooks.send_test_event(cast.olga, _hook(cast))
    return lambda: webhooks.redeliver(cast.olga, sent)


PEOPLE: dict[str, Callable[[Cast], Callable[[], Any]]] = {
    "core.restoring.mark_restored": lambda cast: lambda: restoring.mark_restored(cast.workspace, taken_at=None),
    "core.exporting.export_audit": lambda cast: lambda: exporting.export_audit(cast.olga, AuditChoice(), form="csv"),
    "core.invitations.create_invitation": lambda cast: lambda: _invitation(cast),
    "core.invitations.revoke_invitation": _revoke,
    "core.invitations.accept_invitation": _accept,
    "core.workspaces.leave_workspace": lambda cast: lambda: workspaces.leave_workspace(cast.vera, _member(cast)),
    "core.workspaces.hand_over_keys": lambda cast: (
        lambda: workspaces.hand_over_keys(cast.olga, _member(cast, "olga"), to=_member(cast))
    ),
    "core.people.set_time_zone": lambda cast: (
        lambda: people.set_time_zone(cast.vera, _member(cast).user, time_zone="Europe/Oslo")
    ),
    "core.notifications.choose_news": lambda cast: (
        lambda: notifications.choose_news(cast.vera, _member(cast), {"promotion.voted": "off"})
    ),
    "core.second_factors.add_authenticator": _add_authenticator,
    "core.second_factors.remove_authenticator": _remove_authenticator,
    "core.second_factors.renew_recovery_codes": _renew_recovery_codes,
    "core.second_factors.remove_second_factors": _remove_second_factors,
    "core.passkeys.add_passkey": _add_passkey,
    "core.passkeys.rename_passkey": _with_passkey(
        lambda cast, row: passkeys.rename_passkey(cast.vera, row.user, row.pk, name="Old phone")
    ),
    "core.passkeys.remove_passkey": _with_passkey(
        lambda cast, row: passkeys.remove_passkey(cast.vera, row.user, row.pk)
    ),
    "core.workspaces.require_second_factor": _require_second_factor,
    "core.sessions.end_session": _end_session,
    "core.sessions.end_other_sessions": _end_others,
    "core.webhooks.create_webhook": lambda cast: lambda: webhooks.create_webhook(cast.olga, HOOK),
    "core.webhooks.change_webhook": _with_hook(lambda cast, row: webhooks.change_webhook(cast.olga, row, HOOK)),
    "core.webhooks.rotate_webhook_secret": _with_hook(lambda cast, row: webhooks.rotate_webhook_secret(cast.olga, row)),
    "core.webhooks.delete_webhook": _with_hook(lambda cast, row: webhooks.delete_webhook(cast.olga, row)),
    "core.webhooks.send_test_event": _with_hook(lambda cast, row: webhooks.send_test_event(cast.olga, row)),
    "core.webhooks.redeliver": _redeliver,
    "prompts.environments.move_environment": lambda cast: (
        lambda: environments.move_environment(cast.olga, cast.environment("staging"), up=True)
    ),
}
