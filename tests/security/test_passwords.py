"""Requirement 29: how passwords are kept, and which are refused."""

import pytest

from registry.core.actions.people import refuse_weak, set_password
from registry.core.errors import Invalid, TooManyRequests
from registry.core.models import Member, User
from tests.builders import Cast


@pytest.fixture
def ada(cast: Cast) -> User:
    return Member.objects.select_related("user").get(pk=cast.ada.member_id).user


def test_29__a_password_is_kept_as_argon2id(cast: Cast, ada: User) -> None:
    set_password(cast.ada, ada, password="lanterns over a quiet harbour")
    assert User.objects.get(pk=ada.pk).password.startswith("argon2$argon2id$")


@pytest.mark.parametrize("password", ["elevenchars", "1234567890123", "administrator", "ada@example.com"])
def test_29__short_common_and_own_words__are_refused(ada: User, password: str) -> None:
    with pytest.raises(Invalid) as said:
        refuse_weak(password, ada)
    assert said.value.code == "password.weak"


def test_29__ones_own_name__is_refused() -> None:
    with pytest.raises(Invalid):
        refuse_weak("Bartholomew-Featherstone", User(email="bf@example.com", name="Bartholomew Featherstone"))


@pytest.mark.parametrize(
    "password", ["twelve chars", "x" * 20 + "y" * 44, "ключ под старым мостом", " blanks at both ends "]
)
def test_29__long_ones_of_any_characters__are_taken(ada: User, password: str) -> None:
    refuse_weak(password, ada)


def test_29__present_password__is_not_to_be_guessed_from_an_open_session(cast: Cast, ada: User) -> None:
    set_password(cast.ada, ada, password="lanterns over a quiet harbour")
    said = set()
    for n in range(25):  # a minute may turn meanwhile
        with pytest.raises((Invalid, TooManyRequests)) as refused:
            set_password(cast.ada, ada, password="another road through hills", current=f"guess {n}")
        said.add(refused.type)
    assert TooManyRequests in said
