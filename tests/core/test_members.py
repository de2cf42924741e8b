import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from registry.core.actions.people import rename_person, set_password
from registry.core.actions.sessions import redeem_link
from registry.core.actions.workspaces import (
    add_member,
    change_member,
    create_workspace,
    find_member,
    find_or_create_user,
    invite,
    rename_workspace,
)
from registry.core.actor import Actor, Role
from registry.core.audit import verify_chain
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.core.identity import memberships
from registry.core.models import AuditEvent, Member, User, Workspace
from tests.builders import Cast, join, make_cast, person


def member(actor: Actor) -> Member:
    return Member.objects.select_related("user", "workspace").get(pk=actor.member_id)


def test_user__of_an_address_in_another_case__is_the_same(db: None) -> None:
    made = find_or_create_user("grace.hopper@example.com")
    assert made.name == "Grace Hopper"
    assert find_or_create_user("GRACE.Hopper@Example.com") == made
    assert not made.has_usable_password()


def test_workspace__made__has_an_owner_and_a_chain(db: None) -> None:
    workspace, owner = create_workspace("w", name="W", owner=find_or_create_user("o@example.com"))
    assert (owner.role, verify_chain(workspace.pk).rows) == (Role.OWNER, 1)


@pytest.mark.parametrize("slug", ["My Team", "", "a/b", "é", "a" * 64, "a\n"])
def test_workspace__with_a_slug_that_is_none__is_refused(db: None, slug: str) -> None:
    with pytest.raises(Invalid, match="1 to 63 letters"):
        create_workspace(slug, name="W", owner=find_or_create_user("o@example.com"))
    assert not Workspace.objects.exists()


@pytest.mark.parametrize("name", [" ", "n" * 121, "two\nlines"])
def test_workspace__with_a_name_that_no_page_shows__is_refused(db: None, name: str) -> None:
    with pytest.raises(Invalid, match="printable"):
        create_workspace("w", name=name, owner=find_or_create_user("o@example.com"))


def made_by_command(**options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("create_workspace", owner="o@example.com", stdout=out, **options)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def test_command__with_a_name_in_words__makes_the_slug_from_it_once(db: None, client: Client) -> None:
    made = made_by_command(name="My Team")
    client.force_login(User.objects.get(email="o@example.com"))
    assert (made["workspace"], Workspace.objects.get().name) == ("my-team", "My Team")
    assert client.get("/w/my-team/").status_code == 200
    assert "keys" not in made_by_command(name="My Team"), "it is there already"


@pytest.mark.parametrize(
    ("options", "slug"),
    [({"name": "Team_A"}, "Team_A"), ({"name": "acme"}, "acme"), ({"name": "東京", "slug": "tokyo"}, "tokyo")],
)
def test_command__with_a_good_slug__keeps_it_as_it_is(db: None, options: dict[str, str], slug: str) -> None:
    assert made_by_command(**options)["workspace"] == slug
    assert Workspace.objects.get().name == options["name"]


def test_command__with_what_makes_no_slug__says_what_does(db: None) -> None:
    with pytest.raises(CommandError, match="--slug"):
        made_by_command(name="東京")
    with pytest.raises(CommandError, match=r"slug: 1 to 63 letters"):
        made_by_command(name="acme", slug="a b")
    assert not User.objects.exists()


def test_workspace__renamed_from_a_slug_that_is_none__has_its_pages_again(free: Cast, client: Client) -> None:
    Workspace.objects.filter(pk=free.workspace.pk).update(slug="My Team")
    create_workspace("taken", name="T", owner=find_or_create_user("o@example.com"))

    for slug, said in (("taken", "already"), ("still bad", "letters")):
        with pytest.raises(CommandError, match=said):
            call_command("rename_workspace", workspace="My Team", slug=slug)
    call_command("rename_workspace", workspace="My Team", slug="my-team", stdout=StringIO())

    client.force_login(member(free.vera).user)
    assert client.get("/w/my-team/").status_code == 200
    event = AuditEvent.objects.filter(workspace=free.workspace).latest("sequence")
    assert (event.event, json.loads(event.detail)) == (
        "workspace.renamed",
        {"slug_before": "My Team", "slug": "my-team"},
    )
    with pytest.raises(Forbidden):
        rename_workspace(free.ada, slug="other")


def test_add__by_whom__is_an_admin_or_the_operator(free: Cast) -> None:
    user = find_or_create_user("new@example.com")
    key = free.key(scopes=["read", "write", "run", "promote", "check"]).actor
    for actor in (free.vera, free.ada, free.grace, free.rosa, key):
        with pytest.raises(Forbidden):
            add_member(actor, user, role=Role.VIEWER)
        with pytest.raises(Forbidden):
            invite(actor, "other@example.com", role=Role.VIEWER)
    assert add_member(Actor.system(free.workspace.pk, "operator"), user, role=Role.VIEWER).is_active
    assert not User.objects.filter(email="other@example.com").exists(), "a refusal leaves nothing behind"


def test_add__a_member__conflicts_and_a_former_one_comes_back(free: Cast) -> None:
    vera = member(free.vera)
    with pytest.raises(Conflict, match=r"member\.exists"):
        add_member(free.olga, vera.user, role=Role.EDITOR)
    change_member(free.olga, vera, is_active=False)
    assert memberships(vera.user) == []
    back = add_member(free.olga, vera.user, role=Role.EDITOR)
    assert (back.pk, back.role, back.is_active) == (vera.pk, "editor", True)


def test_admin__cannot__make_or_change_an_owner(free: Cast) -> None:
    admin = join(free.olga, "Adam", Role.ADMIN)
    for attempt in (
        lambda: add_member(admin, find_or_create_user("x@example.com"), role=Role.OWNER),
        lambda: change_member(admin, member(free.vera), role=Role.OWNER),
        lambda: change_member(admin, member(free.olga), role=Role.VIEWER),
        lambda: change_member(admin, member(free.olga), is_active=False),
        lambda: change_member(admin, member(free.olga), grants=["override"]),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert change_member(admin, member(free.vera), role=Role.ADMIN).role == "admin"


def test_last_owner__stays__until_there_is_another(free: Cast) -> None:
    for change in ({"role": Role.ADMIN}, {"is_active": False}):
        with pytest.raises(Conflict, match=r"member\.last_owner"):
            change_member(free.olga, member(free.olga), **change)
    second = join(free.olga, "Otto", Role.OWNER)
    change_member(free.olga, member(second), is_active=False)
    with pytest.raises(Conflict, match=r"member\.last_owner"):
        change_member(free.olga, member(free.olga), role=Role.ADMIN)
    change_member(free.olga, member(second), is_active=True)
    assert change_member(free.olga, member(free.olga), role=Role.ADMIN).role == "admin"


def test_grants__unknown__are_invalid_and_known_ones_are_carried(free: Cast) -> None:
    with pytest.raises(Invalid):
        change_member(free.olga, member(free.rosa), grants=["everything"])
    change_member(free.olga, member(free.rosa), grants=["override", "override"])
    assert person(member(free.rosa)).grants == frozenset({"override"})
    change_member(free.olga, member(free.rosa), role=Role.EDITOR)
    assert person(member(free.rosa)).grants == frozenset({"override"}), "what is left out stays"


def test_invite__only_somebody_new__gets_a_link(free: Cast) -> None:
    assert invite(free.olga, "new@example.com", role=Role.EDITOR).token
    assert invite(free.olga, "linus@example.com", role=Role.EDITOR).token == "", "it would open his own workspace"


def test_invite__while_another_workspace_holds_a_link_of_theirs__lets_nobody_in_by_it(free: Cast) -> None:
    """Whoever invited the address there would come in here by it, with the rights that are given here."""
    elsewhere = make_cast("elsewhere")
    token = invite(elsewhere.olga, "chief@example.com", role=Role.VIEWER).token
    with pytest.raises(Conflict, match=r"member\.unclaimed"):
        invite(free.olga, "chief@example.com", role=Role.ADMIN)
    chief = redeem_link(token, address="::1")
    User.objects.filter(pk=chief.pk).update(last_login=timezone.now())
    assert [one.workspace.slug for one in memberships(chief)] == ["elsewhere"]
    assert invite(free.olga, "chief@example.com", role=Role.ADMIN).token == "", "once it was used it is theirs"


def test_link__given_anew__ends_those_given_before(free: Cast) -> None:
    """Else a link that an admin kept would open what the operator lets that person into later."""
    token = invite(free.olga, "chief@example.com", role=Role.VIEWER).token
    call_command("create_member", workspace="acme", email="chief@example.com", role="owner", stdout=StringIO())
    with pytest.raises(Unauthenticated):
        redeem_link(token, address="::1")


def test_find__in_another_workspace__is_not_found(free: Cast) -> None:
    assert find_member(free.workspace.pk, "ADA@example.com").pk == free.ada.member_id
    with pytest.raises(NotFound):
        find_member(free.linus.workspace_id, "ada@example.com")
    with pytest.raises(NotFound):
        find_member(free.workspace.pk, "ada\0@example.com")


def test_every_change__is_one_audit_row__with_before_and_after(free: Cast) -> None:
    before = AuditEvent.objects.filter(workspace=free.workspace).count()
    change_member(free.olga, member(free.vera), role=Role.EDITOR)
    change_member(free.olga, member(free.vera), is_active=False)
    events = AuditEvent.objects.filter(workspace=free.workspace).order_by("sequence")[before:]
    assert [event.event for event in events] == ["member.changed", "member.deactivated"]
    assert '"role":"editor","role_before":"viewer"' in events[0].detail


def test_password__weak_or_without_the_present_one__is_invalid(free: Cast) -> None:
    user = member(free.ada).user
    for weak in ("short", "password1234", "ada@example.com"):
        with pytest.raises(Invalid):
            set_password(free.ada, user, password=weak)
    set_password(free.ada, user, password="a long and lonely road")
    with pytest.raises(Invalid):
        set_password(free.ada, user, password="another long and lonely road", current="wrong")
    set_password(free.ada, user, password="another long and lonely road", current="a long and lonely road")
    assert User.objects.get(pk=user.pk).check_password("another long and lonely road")
    assert "lonely" not in "".join(AuditEvent.objects.values_list("detail", flat=True))


def test_rename__keeps__the_old_name_on_old_rows(free: Cast) -> None:
    rename_person(free.ada, member(free.ada).user, name="Countess")
    assert person(member(free.ada)).name == "Countess"
    assert AuditEvent.objects.get(event="member.renamed").actor_name == "Ada"


@pytest.mark.parametrize("name", ["Olga\u200b", "\u202eaglO", "Olga\nSubject: x", " \t "])
def test_rename__to_what_looks_like_another_or_breaks_a_line__is_invalid(free: Cast, name: str) -> None:
    """A name stands beside approvals, in mail subjects and in chats."""
    with pytest.raises(Invalid):
        rename_person(free.ada, member(free.ada).user, name=name)
    assert person(member(free.ada)).name == "Ada"
