import base64

import pytest

from registry.core.errors import Unavailable
from registry.core.secrets import SecretUnreadable, is_sealed_with_newest_key, seal, unseal

OLD, NEW = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


def test_secret__sealed_and_opened_for_the_same_record__comes_back(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk-very-secret-é", context="provider:7")
    assert "secret" not in sealed and unseal(sealed, context="provider:7") == "sk-very-secret-é"


def test_secret__moved_to_another_record__does_not_open(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk", context="provider:7")
    with pytest.raises(SecretUnreadable) as refused:
        unseal(sealed, context="provider:8")
    assert refused.value.code == "secrets.damaged"


def test_secret__key_rotated__old_ones_open_and_show_as_not_newest(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk", context="x")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert unseal(sealed, context="x") == "sk" and not is_sealed_with_newest_key(sealed)
    assert is_sealed_with_newest_key(seal("sk", context="x"))


def test_secret__its_key_is_gone__names_the_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    sealed = seal("sk", context="x")
    settings.ENCRYPTION_KEYS = [NEW]
    with pytest.raises(SecretUnreadable, match=sealed.split(".")[1]):
        unseal(sealed, context="x")
    settings.ENCRYPTION_KEYS = []
    with pytest.raises(Unavailable):
        seal("sk", context="x")


@pytest.mark.parametrize("damage", ["", "v1", "v1.abc", "nonsense", "v1.{id}.!!!", "v1.{id}.AAAA"])
def test_secret__damaged__is_a_clear_refusal(settings, damage: str):
    settings.ENCRYPTION_KEYS = [OLD]
    with pytest.raises(SecretUnreadable):
        unseal(damage.replace("{id}", seal("sk", context="x").split(".")[1]), context="x")
