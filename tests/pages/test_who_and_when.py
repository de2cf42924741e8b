"""Who made what, and when: beside everything that somebody made or changed."""

import re

from django.test import Client
from django.utils import timezone

from evals_app.actions.providers import create_provider
from evals_app.actions.suites import attach_suite, create_suite
from evals_app.provider_settings import parse_provider
from prompts_app.actions.labels import set_label
from prompts_app.actions.usage import Reporter, Served, record_usage
from prompts_app.models import Environment
from registry.core.actions.webhooks import create_webhook
from registry.core.models import ApiKey, Member
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn

STAGING = '<span class="env" data-color="amber"><i class="env-mark"></i>Staging</span>'


def read(client: Client, address: str) -> str:
    """A page as it reads: each time as @, runs of blanks as one, without other tags."""
    page = client.get(address).content.decode()
    timed = re.sub(r"<time [^>]*>[^<]*</time>", "@", page)
    return " ".join(re.sub(r"<[^>]+>", "", timed).split())


def test_rules__set_up_and_changed__say_by_whom_and_when_on_both_pages(cast: Cast, as_: SignedIn) -> None:
    olga = as_(cast.olga)
    assert "Rulesas they were set up @" in read(olga, "/w/acme/environments/staging")

    scenes.policy(cast, "staging", approvals=1)
    scenes.policy(cast, "staging", approvals=2)

    assert "Ruleschanged 2 times, last by Olga @" in read(olga, "/w/acme/environments/staging")
    page = read(olga, "/w/acme/settings/environments")
    assert page.count("Made by Greenroom @") == 3
    assert page.count("· rules changed 2 times, last by Olga @") == 1


def test_keys__made_by_somebody_or_the_operator__say_when_and_by_whom_and_wear_the_environment(
    cast: Cast, as_: SignedIn
) -> None:
    cast.key("service", environment="staging")
    cast.key("ci")
    ApiKey.objects.filter(kind="ci").update(made_by=None)
    Environment.objects.filter(name="development").update(archived_at="2026-01-01T00:00Z")
    ApiKey.objects.filter(kind="ci").update(kind="service", environment="development", name="of old")

    page = as_(cast.olga).get("/w/acme/settings/keys").content.decode()
    words = read(as_(cast.olga), "/w/acme/settings/keys")

    assert f'<td data-label="May">read {STAGING}</td>' in page
    assert '<td data-label="May">read development</td>' in page
    assert words.count("made @ by Olga") == 1 and words.count("made @") == 2


def test_keys__of_somebody_who_goes__wear_the_environment_that_they_read(cast: Cast, as_: SignedIn) -> None:
    vera = Member.objects.get(pk=cast.vera.member_id)
    cast.key("service", environment="staging", responsible=vera)

    page = as_(cast.olga).get("/w/acme/settings/members/vera@example.com/deactivate").content.decode()

    assert f"reads {STAGING}" in page


def test_versions__that_services_run__wear_the_colour_of_where(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada)
    scenes.go_live(cast, made.versions.select_related("prompt").get(), "staging")
    served = Served("support/triage", 1, made.versions.get().digest, 3, timezone.now())
    record_usage(cast.key("service", environment="staging").actor, Reporter("sdk", "1", "web-1"), [served])

    page = as_(cast.vera).get("/w/acme/prompts/support/triage/versions/usage").content.decode()

    assert f"on web-1 in {STAGING}, <time" in page


def test_labels__of_a_version__say_since_when_they_point_there(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada)
    set_label(cast.ada, made.versions.select_related("prompt").get(), "candidate")

    assert "candidatepoints here since @" in read(as_(cast.vera), "/w/acme/prompts/support/triage/versions/1")


def test_suites__with_and_without_a_version__say_who_wrote_them_and_when(cast: Cast, as_: SignedIn) -> None:
    suite = building.suite(cast.ada)
    create_suite(cast.grace, "empty", title="Empty")
    attach_suite(cast.ada, suite, builders.prompt(cast.ada), required=False)
    vera = as_(cast.vera)

    page = read(vera, "/w/acme/suites")

    assert "numbers · v1 by Ada @" in page and "empty · made by Grace @" in page
    assert "for each new version · attached @" in read(vera, "/w/acme/suites/numbers")


def test_providers_and_webhooks__say_when_and_lead_to_who_changed_them(cast: Cast, as_: SignedIn) -> None:
    body = {"name": "main", "base_url": "https://models.example/v1", "models": ["m"], "api_key": "k" * 20}
    create_provider(cast.olga, parse_provider(body, allow=frozenset()))
    settings = WebhookSettings("chat", "https://example.com/hook", environments=("staging",))
    hook = create_webhook(cast.olga, WebhookInput(settings, None)).row
    olga = as_(cast.olga)

    for kind, address in (("provider", "main"), ("webhook", str(hook.pk))):
        assert "added @" in read(olga, f"/w/acme/settings/{kind}s")
        page = olga.get(f"/w/acme/settings/{kind}s/{address}").content.decode()
        [log] = re.findall(r'href="(/w/acme/settings/audit[^"]+)">who changed it', page)
        assert f"{kind}.created" in olga.get(log.replace("&amp;", "&")).content.decode()
    assert STAGING in olga.get("/w/acme/settings/webhooks").content.decode()


def test_audit__about_an_environment__wears_its_colour(cast: Cast, as_: SignedIn) -> None:
    scenes.policy(cast, "staging", approvals=1)

    page = as_(cast.olga).get("/w/acme/settings/audit?event=environment.changed").content.decode()

    assert f'<td class="free">{STAGING}</td>' in page


def test_checks__of_a_version__wear_the_colour_of_where_the_other_is_live(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada)
    scenes.go_live(cast, made.versions.select_related("prompt").get(), "staging")
    builders.version(cast.ada, made, "Hello again")
    attach_suite(cast.ada, building.suite(cast.ada), made, required=True)

    page = as_(cast.ada).get("/w/acme/prompts/support/triage/checks").content.decode()

    assert re.search(rf"against v1, live in[^/]*{re.escape(STAGING)}", page)
