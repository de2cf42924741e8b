import pytest
from django.conf import settings

from evals_app.actions.providers import create_provider, find_provider, settings_of, update_provider
from evals_app.models import Provider
from evals_app.provider_settings import ProviderInput, parse_provider
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.models import AuditEvent
from registry.core.secrets import unseal
from tests.builders import Cast

KEY = "sk-canary-abcdef-0123456789"


def given(**fields: object) -> ProviderInput:
    body = {"name": "main", "base_url": "https://models.example.com/v1", "models": ["small", "large"], **fields}
    return parse_provider(body, allow=frozenset())  # type: ignore[arg-type]


def changed(provider: Provider, **fields: object) -> ProviderInput:
    return parse_provider(fields, base=settings_of(provider), allow=frozenset())  # type: ignore[arg-type]


def test_create__with_a_key__seals_it_and_keeps_it_out_of_the_audit(cast: Cast):
    provider = create_provider(cast.olga, given(api_key=KEY))
    assert unseal(provider.sealed_key, context=provider.key_context) == KEY
    assert KEY not in provider.sealed_key and provider.key_last4 == "6789"
    [event] = AuditEvent.objects.filter(subject_type="provider")
    assert event.event == "provider.created" and "canary" not in event.detail
    assert settings.ENCRYPTION_KEYS


def test_create__first_of_the_workspace__is_the_default_and_a_later_one_can_take_over(cast: Cast):
    first = create_provider(cast.olga, given())
    second = create_provider(cast.olga, given(name="second"))
    third = create_provider(cast.olga, given(name="third", default=True))
    states = {row.name: row.is_default for row in Provider.objects.all()}
    assert states == {"main": False, "second": False, "third": True}
    assert first.is_default and not second.is_default and third.is_default
    with pytest.raises(Invalid, match="another provider"):
        update_provider(cast.olga, third, changed(third, default=False))


def test_create__name_taken__is_a_conflict(cast: Cast):
    create_provider(cast.olga, given())
    with pytest.raises(Conflict):
        create_provider(cast.olga, given())


def test_change__new_address_without_the_key__is_refused(cast: Cast):
    provider = create_provider(cast.olga, given(api_key=KEY))
    elsewhere = "https://elsewhere.example.com/v1"
    with pytest.raises(Invalid) as refused:
        update_provider(cast.olga, provider, changed(provider, base_url=elsewhere))
    assert refused.value.errors[0].field == "api_key"
    moved = update_provider(cast.olga, provider, changed(provider, base_url=elsewhere, api_key="sk-other-0123456789"))
    assert moved.base_url == elsewhere and unseal(moved.sealed_key, context=moved.key_context) == "sk-other-0123456789"


def test_change__without_a_key_to_protect__moves_freely_and_keeps_what_is_left_out(cast: Cast):
    provider = create_provider(cast.olga, given(requests_per_minute=60))
    moved = update_provider(cast.olga, provider, changed(provider, base_url="https://b.example.com", timeout_s=10))
    assert (moved.requests_per_minute, moved.timeout_s, moved.model_names) == (60, 10, ["small", "large"])
    free = update_provider(cast.olga, moved, changed(moved, requests_per_minute=None))
    assert free.requests_per_minute is None


def test_change__key_moved_to_another_row__does_not_open(cast: Cast):
    one = create_provider(cast.olga, given(api_key=KEY))
    other = create_provider(cast.olga, given(name="other"))
    with pytest.raises(Exception, match="does not belong"):
        unseal(one.sealed_key, context=other.key_context)


def test_provider__others_than_admins__may_not(cast: Cast):
    provider = create_provider(cast.olga, given())
    for actor in (cast.rosa, cast.ada, cast.vera, cast.key().actor):
        with pytest.raises(Forbidden):
            create_provider(actor, given(name="mine"))
        with pytest.raises(Forbidden):
            update_provider(actor, provider, changed(provider, timeout_s=5))
    with pytest.raises(NotFound):
        find_provider(cast.linus.workspace_id, "main")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Has Blanks"), ("name", ""), ("base_url", "http://127.0.0.1:8833/v1"), ("base_url", "ftp://x.example"),
        ("models", []), ("models", ["a", "a"]), ("models", [""]), ("models", "small"), ("concurrency", 0),
        ("requests_per_minute", 0), ("timeout_s", 301), ("api_key", "two words"), ("default", "yes"), ("spare", 1),
    ],
)  # fmt: skip
def test_settings__unacceptable__name_the_field(field: str, value: object):
    with pytest.raises(Invalid) as refused:
        given(**{field: value})
    assert [error.field for error in refused.value.errors] == [field]


def test_settings__all_mistakes_at_once__are_all_named():
    with pytest.raises(Invalid) as refused:
        parse_provider({"timeout_s": 0, "other": 1}, allow=frozenset())
    assert {error.field for error in refused.value.errors} == {"name", "base_url", "models", "timeout_s", "other"}
