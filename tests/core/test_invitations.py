from datetime import timedelta

import pytest
from django.db.models.functions import Now

from prompts_app.actions.founding import found_workspace
from registry.core.actions.invitations import (
    MadeInvitation,
    NewPerson,
    accept_invitation,
    create_invitation,
    found_by_invitation,
    peek_invitation,
    revoke_invitation,
)
from registry.core.actions.workspaces import (
    change_member,
    create_workspace,
    find_or_create_user,
    hand_over_keys,
    leave_workspace,
)
from registry.core.actor import Actor, Role
from registry.core.errors import Conflict, Forbidden, Gone, Invalid, Unauthenticated
from registry.core.identity import actor_of_key
from registry.core.models import ApiKey, Invitation, Member, User
from tests.builders import Cast, join

NEW = NewPerson("new@example.com", "New Person", "lanterns over a quiet harbour")


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user", "workspace").get(pk=actor.member_id)


def token_of(made: MadeInvitation) -> str:
    return made.address.rpartition("/")[2]


def accept(token: str, who: User | NewPerson = NEW) -> Member:
    return accept_invitation(token, who=who, address="127.0.0.1")


def test_invitation__accepted_by_somebody_new__makes_an_account_with_argon2_and_works_once(free: Cast) -> None:
    token = token_of(create_invitation(free.olga, role=Role.REVIEWER, note="Nina"))

    made = accept(token)

    assert (made.role, made.is_active, made.workspace_id) == ("reviewer", True, free.workspace.pk)
    assert made.user.password.startswith("argon2$argon2id$")
    assert peek_invitation(token) is None
    with pytest.raises(Gone):
        accept(token, NewPerson("other@example.com", "Other", NEW.password))
    assert not User.objects.filter(email="other@example.com").exists()
    assert token not in str(list(Invitation.objects.values()))


def test_invitation__accepted_by_somebody_with_an_account__lets_that_account_in(free: Cast) -> None:
    token = token_of(create_invitation(free.olga, role=Role.VIEWER))

    made = accept(token, member(free.linus).user)

    assert made.user.email == "linus@example.com" and made.workspace_id == free.workspace.pk


@pytest.mark.parametrize("who", [("short", "New"), ("password1234", "New"), (NEW.password, " ")])
def test_invitation__of_a_weak_password_or_no_name__is_not_used_up(free: Cast, who: tuple[str, str]) -> None:
    token = token_of(create_invitation(free.olga, role=Role.VIEWER))

    with pytest.raises(Invalid):
        accept(token, NewPerson(NEW.email, who[1], who[0]))

    assert peek_invitation(token) is not None and not User.objects.filter(email=NEW.email).exists()


def test_invitation__with_the_address_of_an_account__asks_to_sign_in_with_it(free: Cast) -> None:
    token = token_of(create_invitation(free.olga, role=Role.VIEWER))

    with pytest.raises(Invalid, match="There is an account with this address"):
        accept(token, NewPerson("LINUS@example.com", "Mallory", NEW.password))

    assert not Member.objects.filter(workspace=free.workspace, user__name="Mallory").exists()


def test_invitation__revoked_expired_or_of_a_maker_who_may_no_more__does_nothing(free: Cast) -> None:
    adam = join(free.olga, "Adam", Role.ADMIN)
    revoked, expired, orphan = (create_invitation(adam, role=Role.EDITOR) for _ in range(3))
    revoke_invitation(free.olga, revoked.row)
    Invitation.objects.filter(pk=expired.row.pk).update(expires_at=Now() - timedelta(seconds=1))
    change_member(free.olga, member(adam), role=Role.EDITOR)

    for made in (revoked, expired, orphan):
        assert peek_invitation(token_of(made)) is None
        with pytest.raises(Gone):
            accept(token_of(made))
    revoke_invitation(free.olga, revoked.row)


def test_invitation__by_whom_and_as_what__follows_the_ladder(free: Cast) -> None:
    adam = join(free.olga, "Adam", Role.ADMIN)

    for actor in (free.vera, free.ada, free.grace, free.rosa, free.key().actor):
        with pytest.raises(Forbidden):
            create_invitation(actor, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        create_invitation(adam, role=Role.OWNER)
    with pytest.raises(Invalid):
        create_invitation(adam, role=Role.VIEWER, days=31)


def test_invitation__for_a_member_or_a_former_one__is_a_conflict_and_stays_open(free: Cast) -> None:
    token = token_of(create_invitation(free.olga, role=Role.OWNER))

    with pytest.raises(Conflict, match=r"member\.exists"):
        accept(token, member(free.ada).user)
    change_member(free.olga, member(free.ada), is_active=False)
    with pytest.raises(Conflict, match=r"member\.deactivated"):
        accept(token, member(free.ada).user)

    assert peek_invitation(token) is not None and member(free.ada).role == "editor"


def test_founding__on_a_fresh_installation__is_one_link_at_a_time_and_over_with_the_first_workspace(db: None) -> None:
    first, second = (found_by_invitation().rpartition("/")[2] for _ in range(2))

    assert peek_invitation(first, founds=True) is None
    assert peek_invitation(second, founds=True) is not None
    assert peek_invitation(second) is None, "it lets nobody into a workspace"

    create_workspace("acme", name="Acme", owner=find_or_create_user("olga@example.com"))

    assert peek_invitation(second, founds=True) is None, "the operator's command made the first one meanwhile"
    with pytest.raises(Gone):
        found_workspace(second, who=NEW, name="Mine", address="127.0.0.1")
    assert not User.objects.filter(email=NEW.email).exists()


def test_founding__where_there_is_a_workspace__has_no_link(free: Cast) -> None:
    assert found_by_invitation() == ""


def test_deactivated__keys_they_answer_for__open_nothing_until_they_are_back_or_handed_over(free: Cast) -> None:
    rosa = member(free.rosa)
    key = free.key("ci", responsible=rosa)
    change_member(free.olga, rosa, is_active=False)
    with pytest.raises(Unauthenticated):
        actor_of_key(f"Bearer {key.token}")

    change_member(free.olga, rosa, is_active=True)
    assert actor_of_key(f"Bearer {key.token}").member_id == rosa.pk

    assert [one.pk for one in hand_over_keys(free.olga, rosa, to=member(free.olga))] == [key.pk]
    change_member(free.olga, rosa, is_active=False)
    assert actor_of_key(f"Bearer {key.token}").member_id == free.olga.member_id


def test_keys__handed_to_somebody_who_cannot_act_or_is_elsewhere__are_refused(free: Cast) -> None:
    key = free.key()
    change_member(free.olga, member(free.vera), is_active=False)

    for to in (free.vera, free.linus, free.olga):
        with pytest.raises(Invalid):
            hand_over_keys(free.olga, member(free.olga), to=member(to))
    with pytest.raises(Forbidden):
        hand_over_keys(free.ada, member(free.olga), to=member(free.ada))

    assert ApiKey.objects.get(pk=key.pk).responsible_id == free.olga.member_id


def test_leave__oneself__is_possible_but_for_the_last_owner_and_for_nobody_else(free: Cast) -> None:
    assert not leave_workspace(free.ada, member(free.ada)).is_active
    with pytest.raises(Conflict, match=r"member\.last_owner"):
        leave_workspace(free.olga, member(free.olga))
    with pytest.raises(Forbidden):
        leave_workspace(free.rosa, member(free.grace))
    with pytest.raises(Forbidden):
        leave_workspace(free.key().actor, member(free.olga))
