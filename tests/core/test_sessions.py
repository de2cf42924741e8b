from datetime import timedelta

import pytest

from registry.core.actions.people import set_password
from registry.core.actions.sessions import check_credentials, create_sign_in_link, peek_link, redeem_link
from registry.core.errors import TooManyRequests, Unauthenticated, Unavailable
from registry.core.models import Member, PersonSession, SignInLink, User
from tests.builders import Cast
from tests.scenes import let_pass

PASSWORD = "a long and lonely road"


@pytest.fixture
def ada(free: Cast) -> User:
    """Ada, with a password."""
    user = Member.objects.select_related("user").get(pk=free.ada.member_id).user
    set_password(free.ada, user, password=PASSWORD)
    return User.objects.get(pk=user.pk)


def test_link__used_once__opens_nothing_more(ada: User) -> None:
    token = create_sign_in_link(ada)
    assert token not in SignInLink.objects.get().token_hash
    assert peek_link(token) == ada
    assert redeem_link(token, address="127.0.0.1") == ada
    assert peek_link(token) is None
    with pytest.raises(Unauthenticated):
        redeem_link(token, address="127.0.0.1")


def test_link__older_than_a_week_or_unknown_or_of_somebody_deactivated__is_refused(ada: User) -> None:
    old, other = create_sign_in_link(ada), create_sign_in_link(ada)
    let_pass(SignInLink.objects.order_by("pk").first(), timedelta(days=8), "expires_at")
    User.objects.filter(pk=ada.pk).update(is_active=False)
    for token in (old, other, "nonsense"):
        with pytest.raises(Unauthenticated):
            redeem_link(token, address="127.0.0.2")


def test_password__right_wrong_and_unknown__the_same_refusal(ada: User) -> None:
    assert check_credentials("ADA@example.com", PASSWORD, address="127.0.0.3") == ada
    said = set()
    for email, password in ((ada.email, "wrong"), ("nobody@example.com", PASSWORD), ("grace@example.com", "")):
        with pytest.raises(Unauthenticated) as refused:
            check_credentials(email, password, address="127.0.0.3")
        said.add((refused.value.code, refused.value.detail))
    assert len(said) == 1
    User.objects.filter(pk=ada.pk).update(is_active=False)
    with pytest.raises(Unauthenticated):
        check_credentials(ada.email, PASSWORD, address="127.0.0.3")


def test_password__tried_too_often__is_slowed_down(ada: User) -> None:
    def attempt() -> None:
        for _ in range(25):  # a minute may turn meanwhile
            with pytest.raises(Unauthenticated):
                check_credentials("mallory@example.com", "guess", address="127.0.0.4")

    with pytest.raises(TooManyRequests) as refused:
        attempt()
    assert 0 < refused.value.extra["retry_after"] <= 60


def test_password__without_the_counter__is_closed_not_open(
    ada: User, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    from registry.core import limits

    def gone() -> None:
        raise redis.ConnectionError("down")

    monkeypatch.setattr(limits.valkey, "client", gone)
    with pytest.raises(Unavailable):
        check_credentials(ada.email, PASSWORD, address="127.0.0.5")


@pytest.mark.parametrize(
    ("agent", "program"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.5", "curl/8.5"),
        ("", "An unnamed program"),
    ],
)
def test_session__of_some_program__is_called_as_people_call_it(agent: str, program: str) -> None:
    assert PersonSession(agent=agent).program == program
