"""Providers by hand: added, changed, tried with a real question. Keys go in and never come out."""

from django.test import override_settings

from evals_app.models import Provider
from evals_app.scripted_provider import Rule
from registry.core.secrets import unseal
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

KEY = "sk-canary-1234567890-tail"
PATH = "/w/acme/settings/providers"


def typed(**more: str) -> dict[str, str]:
    return {
        "name": "main",
        "base_url": "https://models.example.com/v1",
        "api_key": KEY,
        "models": "small\r\n\r\nlarge\r\n",
        "concurrency": "16",
        "timeout_s": "60",
        **more,
    }


def test_provider__added_and_changed__keeps_its_key_unless_told_otherwise(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    made = client.post(PATH, typed())
    provider = Provider.objects.get(name="main")
    changed = client.post(f"{PATH}/main", typed(api_key="", models="large", requests_per_minute="60", default="on"))
    provider.refresh_from_db()

    assert made["Location"] == changed["Location"] == f"{PATH}/main"
    assert (provider.model_names, provider.requests_per_minute, provider.is_default) == (["large"], 60, True)
    assert unseal(provider.sealed_key, context=provider.key_context) == KEY
    for page in (PATH, f"{PATH}/main"):
        shown = client.get(page).content.decode()
        assert "…tail" in shown and "sk-canary" not in shown

    assert client.post(f"{PATH}/main", typed(api_key="", forget_key="on", default="on")).status_code == 302
    provider.refresh_from_db()
    assert provider.sealed_key == "" and provider.key_last4 == ""


def test_provider__refused__says_why_at_the_field_and_shows_no_key(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    private = client.post(PATH, typed(base_url="http://169.254.169.254/v1"))
    nameless = client.post(PATH, typed(models=" "))
    client.post(PATH, typed())
    moved = client.post(f"{PATH}/main", typed(api_key="", base_url="https://other.example.com/v1", default="on"))

    assert private.status_code == nameless.status_code == moved.status_code == 422
    assert "OUTBOUND_ALLOW" in private.content.decode() and "http://169.254.169.254/v1" in private.content.decode()
    assert "Enter the key again" in moved.content.decode()
    assert b"sk-canary" not in private.content + nameless.content + moved.content


def test_provider__tried__shows_the_answer_or_what_came_instead(cast: Cast, as_: SignedIn) -> None:
    client, path = as_(cast.olga), f"{PATH}/scripted/test"
    with building.scripted() as provider:
        building.add_provider(cast, provider)
        good = client.post(path, headers={"HX-Request": "true"}).content.decode()
        provider.script(Rule(status=401))
        rejected = client.post(path).content.decode()
        provider.script(Rule(fault="html"))
        garbage = client.post(path, {"model": "no-such"}).content.decode()
        port = provider.port
    with override_settings(OUTBOUND_ALLOW=frozenset({f"127.0.0.1:{port}"})):
        gone = client.post(path).content.decode()
    refused = client.post(path).content.decode()

    assert "scripted answered" in good and "<html" not in good
    assert "HTTP 401" in rejected and "look at the key" in rejected and "<html" in rejected
    assert "no chat completion" in garbage
    assert "Nobody answers" in gone
    assert "OUTBOUND_ALLOW" in refused


@override_settings(LOCAL_MODEL_URL="http://127.0.0.1:8833/v1")
def test_providers__where_a_small_model_runs__offer_it_until_there_is_one(cast: Cast, as_: SignedIn) -> None:
    client = as_(cast.olga)

    offered = client.get(PATH).content.decode()
    client.post(PATH, typed())
    later = client.get(PATH).content.decode()

    assert "A small model runs beside this server" in offered and 'value="http://127.0.0.1:8833/v1"' in offered
    assert 'name="timeout_s" value="300"' in offered and 'name="concurrency" value="1"' in offered
    assert "A small model runs beside this server" not in later and 'value="http://127.0.0.1:8833/v1"' not in later
