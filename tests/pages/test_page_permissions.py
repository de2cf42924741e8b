"""Pages of people and settings, by the lowest role that may; whoever may not gets 403, and a stranger 404."""

import pytest
from django.db import transaction

from registry.core.actions.invitations import create_invitation
from registry.core.actor import Actor, Role
from tests import builders
from tests.builders import Cast, join
from tests.pages.conftest import SignedIn

ROWS = """
GET  search                                      viewer
GET  notifications                               viewer
POST notifications                               viewer
GET  settings/profile                            viewer
POST settings/profile/news                       viewer
POST settings/profile/look                       viewer
POST settings/profile/sessions/0                 viewer
GET  settings/security                           viewer
POST settings/security/begin                     viewer
POST settings/security/passkey                   viewer
POST settings/security/require                   admin
POST hints/steps                                 viewer
GET  settings/leave                              viewer
POST prompts/support/triage/drafts/follow        viewer
POST prompts/support/triage/drafts/bump          editor
GET  settings/members                            admin
GET  settings/members/vera@example.com/deactivate admin
POST settings/members/vera@example.com/deactivate admin
POST settings/members/vera@example.com/activity  admin
POST settings/invitations                        admin
POST settings/invitations/{invitation}/revoke    admin
GET  settings/environments                       admin
POST settings/environments/staging/move          admin
POST settings/environments/staging/archive       admin
GET  settings/keys                               admin
GET  settings/webhooks                           admin
POST settings/webhooks                           admin
GET  settings/audit                              admin
POST settings/audit/export                       admin
"""
TABLE = [tuple(line.split()) for line in ROWS.strip().splitlines()]


@pytest.fixture
def people(cast: Cast) -> dict[Role, Actor]:
    """One member of each role."""
    adam = join(cast.olga, "Adam", Role.ADMIN)
    return dict(zip(Role, (cast.vera, cast.ada, cast.grace, cast.rosa, adam, cast.olga), strict=True))


def test_pages__asked_by_every_role_and_a_stranger__answer_as_the_table_says(
    cast: Cast, people: dict[Role, Actor], as_: SignedIn
) -> None:
    builders.prompt(cast.ada, "support/triage")
    invitation = create_invitation(cast.olga, role=Role.VIEWER).row.pk
    clients = {role: as_(actor) for role, actor in people.items()}
    stranger, wrong = as_(cast.linus), []

    def status(client: object, method: str, path: str) -> int:
        with transaction.atomic():
            answer = client.get(path) if method == "GET" else client.post(path)  # type: ignore[attr-defined]
            transaction.set_rollback(True)
        return int(answer.status_code)

    for method, tail, lowest in TABLE:
        path = f"/w/acme/{tail.format(invitation=invitation)}"
        for role, client in clients.items():
            found = status(client, method, path)
            if (found == 403) is not (role.rank < Role(lowest).rank) or found in {404, 405, 500}:
                wrong.append((method, path, str(role), found))
        if (found := status(stranger, method, path)) != 404:
            wrong.append((method, path, "stranger", found))
    assert wrong == []
