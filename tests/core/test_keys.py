import base64
from datetime import timedelta

import pytest

from evals_app.provider_settings import ProviderInput, ProviderSettings
from prompts_app.actions.keys import issue_key
from prompts_app.transfer.pulling import Source
from registry.core.actions.invitations import NewPerson
from registry.core.actions.keys import IssuedKey, create_key, find_key, revoke_key, rotate_key
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, KeyKind
from registry.core.clock import database_now
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from registry.core.identity import actor_of_key
from registry.core.keys import KeyToken
from registry.core.models import ApiKey, AuditEvent, Member
from registry.core.oidc import Journey
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.builders import Cast
from tests.scenes import let_pass


def test_key__made__is_shown_once_and_kept_as_a_hash(free: Cast) -> None:
    issued = issue_key(free.olga, kind=KeyKind.CI, name="CI")
    row = ApiKey.objects.get(pk=issued.row.pk)
    assert issued.token.token.startswith("gr_")
    stored = " ".join(str(getattr(row, field.attname)) for field in ApiKey._meta.concrete_fields)
    assert issued.token.secret not in stored
    assert issued.token.secret not in "".join(AuditEvent.objects.values_list("detail", flat=True))
    assert (row.last4, row.responsible_id) == (issued.token.token[-4:], free.olga.member_id)
    assert set(row.scopes) == {"read", "write", "run", "check"}, "all but promote"


def test_actor__by_bearer_and_by_basic__is_the_same_with_its_responsible_member(free: Cast) -> None:
    grace = Member.objects.get(pk=free.grace.member_id)
    issued = issue_key(free.olga, kind=KeyKind.CI, name="CI", scopes=["promote"], responsible=grace)
    bearer = actor_of_key(f"Bearer {issued.token.token}")
    basic = actor_of_key("Basic " + base64.b64encode(":".join(issued.token.basic).encode()).decode())
    assert bearer == basic
    assert (bearer.kind, bearer.id, bearer.member_id, bearer.scopes) == (
        "key",
        issued.row.pk,
        grace.pk,
        frozenset({"promote"}),
    )
    row = ApiKey.objects.get(pk=issued.row.pk)
    assert row.last_used_at is not None


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer gr_", "Bearer gr_" + "a" * 50, "Basic !!!", "Basic YTpi", "Token x", "Bearer é"]
)
def test_actor__of_what_is_no_key__is_unauthenticated(db: None, header: str) -> None:
    with pytest.raises(Unauthenticated):
        actor_of_key(header)


@pytest.mark.parametrize("odd", ["\0", "\n", " ", "-", "\x7f"])
def test_actor__of_a_pair_with_characters_that_no_key_has__is_unauthenticated(db: None, odd: str) -> None:
    """Base64 carries what no header could; the checksum is anybody's to compute."""
    pair = ":".join(KeyToken(odd + "a" * 11, "b" * 31 + odd).basic)
    assert KeyToken.parse_basic(base64.b64encode(pair.encode()).decode()) is None
    with pytest.raises(Unauthenticated):
        actor_of_key("Basic " + base64.b64encode(pair.encode()).decode())


def test_actor__of_a_wrong_secret_or_unknown_id__is_unauthenticated(free: Cast) -> None:
    issued = issue_key(free.olga, kind=KeyKind.CI, name="CI")
    for token in (KeyToken(issued.token.public_id, KeyToken.generate().secret), KeyToken.generate()):
        with pytest.raises(Unauthenticated, match=r"key\.unknown"):
            actor_of_key(f"Bearer {token.token}")


def test_revoked_or_expired__opens_nothing_more(free: Cast) -> None:
    first, second = free.key(name="a"), free.key(name="b", expires_at=database_now() + timedelta(hours=1))
    revoke_key(free.olga, ApiKey.objects.get(pk=first.pk))
    assert second.actor
    let_pass(ApiKey.objects.get(pk=second.pk), timedelta(hours=2), "expires_at")
    for key in (first, second):
        with pytest.raises(Unauthenticated):
            key.actor  # noqa: B018
        with pytest.raises(Conflict, match=r"key\.ended"):
            rotate_key(free.olga, ApiKey.objects.get(pk=key.pk))
    events = AuditEvent.objects.count()
    revoke_key(free.olga, ApiKey.objects.get(pk=first.pk))
    assert AuditEvent.objects.count() == events


def test_rotate__both_work__until_the_old_one_is_revoked(free: Cast) -> None:
    old = free.key("service", environment="staging")
    new = rotate_key(free.olga, ApiKey.objects.get(pk=old.pk))
    assert actor_of_key(f"Bearer {new.token.token}").environment == old.actor.environment == "staging"
    assert new.row.rotated_from_id == old.pk
    revoke_key(free.olga, ApiKey.objects.get(pk=old.pk))
    assert actor_of_key(f"Bearer {new.token.token}")


def test_rotate__of_a_key_that_ends_soon__gives_one_for_as_long_again(free: Cast) -> None:
    key = free.key("service", environment="staging", expires_at=database_now() + timedelta(days=90))
    old = ApiKey.objects.get(pk=key.pk)
    let_pass(old, timedelta(days=89), "created_at", "expires_at")
    new = rotate_key(free.olga, old).row
    assert timedelta(days=89) < new.expires_at - database_now() <= timedelta(days=90)
    assert rotate_key(free.olga, ApiKey.objects.get(pk=free.key().pk)).row.expires_at is None


def test_issue__what_cannot_be__is_invalid(free: Cast) -> None:
    linus = Member.objects.get(pk=free.linus.member_id)
    former = Member.objects.select_related("user").get(pk=free.vera.member_id)
    change_member(free.olga, former, is_active=False)
    for fields in (
        {"kind": KeyKind.SERVICE},
        {"kind": KeyKind.SERVICE, "environment": "mars"},
        {"kind": KeyKind.SERVICE, "environment": "staging", "scopes": ["read"]},
        {"kind": KeyKind.CI, "environment": "staging"},
        {"kind": KeyKind.CI, "scopes": ["everything"]},
        {"kind": KeyKind.CI, "responsible": linus},
        {"kind": KeyKind.CI, "responsible": former},
        {"kind": KeyKind.CI, "name": ""},
        {"kind": KeyKind.CI, "name": "x" * 121},
        {"kind": KeyKind.CI, "name": "a\nb"},
    ):
        with pytest.raises(Invalid):
            issue_key(free.olga, **{"name": "k"} | fields)
    assert not ApiKey.objects.exists()


def test_keys__by_anybody_but_an_admin__are_forbidden(free: Cast) -> None:
    key = free.key(scopes=["read", "write", "run", "promote", "check"])
    row = ApiKey.objects.get(pk=key.pk)
    for actor in (free.vera, free.ada, free.grace, free.rosa, key.actor):
        for attempt in (
            lambda actor=actor: create_key(actor, kind=KeyKind.CI, name="no"),
            lambda actor=actor: rotate_key(actor, row),
            lambda actor=actor: revoke_key(actor, row),
        ):
            with pytest.raises(Forbidden):
                attempt()
    assert ApiKey.objects.count() == 1


def test_operator__names_who_answers__and_may(free: Cast) -> None:
    operator = Actor.system(free.workspace.pk, "operator")
    olga = Member.objects.get(pk=free.olga.member_id)
    assert issue_key(operator, kind=KeyKind.CI, name="CI", responsible=olga).row.responsible == olga


def test_find__in_another_workspace__is_not_found(free: Cast) -> None:
    key = free.key()
    with pytest.raises(NotFound):
        find_key(free.linus.workspace_id, key.pk)


def test_secrets__of_things_that_travel__are_not_in_what_python_says_of_them() -> None:
    token = KeyToken.generate()
    told = [
        token,
        IssuedKey(ApiKey(name="k"), token),
        NewPerson("a@b.c", "A", token.secret),
        ProviderInput(ProviderSettings(), token.secret),
        WebhookInput(WebhookSettings("hook", "https://a.example/"), token.secret),
        Source("https://a.example", "pk", token.secret),
        Journey("s", "n", token.secret),
    ]
    assert [one for one in map(repr, told) if token.secret in one] == []
