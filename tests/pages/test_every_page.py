"""Every page answers, on data that has everything: versions, a promotion with votes and comments, a rollback."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

import pytest
from django.test import Client

from prompts_app.actions import applying, promotions, reviews
from prompts_app.actions.environments import change_environment
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.rollback import roll_back
from prompts_app.actions.versions import create_version
from prompts_app.models import Promotion, Prompt, Vote
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn

LOOSE = {"approvals": 1, "require_predecessor": False, "require_suites": False, "min_suites": 0}


@dataclass(frozen=True)
class World:
    """What the pages are about."""

    prompt: Prompt
    chat: Prompt
    applied: Promotion
    open: Promotion


@pytest.fixture
def world(cast: Cast) -> World:
    """One prompt that went live and back in production, and a promotion that waits for a vote."""
    production = change_environment(cast.olga, cast.environment("production"), policy=LOOSE)
    prompt = builders.prompt(cast.ada, "support/triage", text="Sort <this> for {{ name }}")
    applied = [_promote(cast, prompt, number) for number in (1, 2)]
    roll_back(cast.rosa, prompt, production, reason="It was worse")
    third = builders.version(cast.ada, prompt, "Third for {{ name }} and {{ city }}")
    waiting = promotions.open_promotion(cast.ada, third, production, title="Ask for the city")
    reviews.comment(cast.grace, waiting, body="Why the city?")
    reviews.vote(
        cast.grace, waiting, Vote.REQUEST_CHANGES, stamp=None, subject_hash=promotions_subject(waiting), comment="No."
    )
    chat = create_prompt(cast.ada, "banking/intents", kind="chat", tags=["classifier"])
    create_version(
        cast.ada,
        chat,
        {
            "messages": [
                {"role": "system", "content": "Answer {{ label }}"},
                {"type": "placeholder", "name": "history"},
                {"role": "user", "content": [{"type": "text", "text": "{{ message }}"}]},
            ],
            "config": {"model": "small", "temperature": 0},
            "response_format": {"type": "json_object"},
        },
    )
    return World(prompt, chat, applied[-1], waiting)


def promotions_subject(promotion: Promotion) -> str:
    from prompts_app.facts import subject_of

    return subject_of(promotion).hash


def _promote(cast: Cast, prompt: Prompt, number: int) -> Promotion:
    version = builders.version(cast.ada, prompt, f"Number {number} for {{{{ name }}}}") if number > 1 else None
    candidate = version or prompt.versions.select_related("prompt").get(number=1)
    promotion = promotions.open_promotion(cast.ada, candidate, cast.environment("production"))
    reviews.vote(
        cast.grace, promotion, Vote.APPROVE, stamp=None, subject_hash=promotions_subject(promotion), comment="Fine"
    )
    applying.apply_promotion(cast.rosa, promotions.find_promotion(cast.workspace.pk, promotion.pk), stamp=None)
    return promotions.find_promotion(cast.workspace.pk, promotion.pk)


def addresses(world: World) -> Iterator[str]:
    yield from (
        "/w/acme/",
        "/w/acme/?q=triage",
        "/w/acme/?folder=support&tag=none",
        "/w/acme/?archived=1",
        "/w/acme/new",
    )
    for name in ("support/triage", "banking/intents"):
        prompt = f"/w/acme/prompts/{name}"
        yield from (
            prompt,
            f"{prompt}/drafts/edit",
            f"{prompt}/versions/usage",
            f"{prompt}/versions",
            f"{prompt}/versions/1",
            f"{prompt}/promotions",
        )
        yield from (f"{prompt}/diff?from=1&to=1", f"{prompt}/diff?from=1&to=1&view=split")
    yield from ("/w/acme/promotions", "/w/acme/promotions?state=applied&environment=production", "/w/acme/reviews")
    for promotion in (world.applied, world.open):
        yield from (f"/w/acme/promotions/{promotion.pk}", f"/w/acme/promotions/{promotion.pk}?view=split")
        yield f"/w/acme/promotions/{promotion.pk}?path=text&side=new&line=1"
        yield f"/w/acme/promotions/{promotion.pk}/record"
    for environment in ("development", "production"):
        yield f"/w/acme/environments/{environment}"
        yield f"/w/acme/environments/{environment}/rollback/support/triage"
    for page in ("members", "keys", "environments", "audit", "audit?check=1", "profile", "security"):
        yield f"/w/acme/settings/{page}"
    yield "/w/acme/settings/leave"
    yield "/w/acme/settings/members/ada@example.com/deactivate"
    yield "/w/acme/search"
    yield "/w/acme/search?q=triage+v2"
    yield "/w/acme/search?q=triage&palette=1"
    yield "/w/acme/import"
    yield "/w/acme/export"
    yield "/w/acme/prompts/support/triage/versions/1/prompty"
    yield "/w/acme/notifications"


def test_every_page__asked_by_the_owner__answers(cast: Cast, world: World, as_: SignedIn) -> None:
    client = as_(cast.olga)

    answers = {address: client.get(address).status_code for address in addresses(world)}

    assert {address: status for address, status in answers.items() if status != 200} == {}


def test_every_page__asked_by_a_stranger__is_not_there(cast: Cast, world: World, as_: SignedIn) -> None:
    client = as_(cast.linus)

    answers = {address: client.get(address).status_code for address in addresses(world)}

    assert {address: status for address, status in answers.items() if status != 404} == {}


def test_every_page__asked_by_a_viewer__leads_to_nothing_that_a_viewer_may_not_open(
    cast: Cast, world: World, as_: SignedIn
) -> None:
    create_prompt(cast.ada, "empty", kind="text")
    client, shown, refused = as_(cast.vera), set[str](), set[tuple[str, str]]()

    for address in (*addresses(world), "/w/acme/prompts/empty"):
        answer = client.get(address)
        if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
            continue
        found = set(re.findall(r'href="(/w/acme/[^"#]*)', answer.content.decode())) - shown
        shown |= found
        refused |= {(address, link) for link in found if client.get(unescape(link)).status_code == 403}

    assert len(shown) > 40
    assert refused == set()


def test_every_page__asked_by_nobody__leads_to_signing_in(world: World) -> None:
    client = Client()

    answers = {address: client.get(address) for address in addresses(world)}

    assert all(answer.status_code == 302 and answer["Location"].startswith("/sign-in") for answer in answers.values())


def test_every_page__shown__has_no_inline_script_handler_or_style(cast: Cast, world: World, as_: SignedIn) -> None:
    client = as_(cast.olga)

    for address in addresses(world):
        answer = client.get(address)
        if not answer["Content-Type"].startswith("text/html"):
            continue  # a file to keep
        page = b"".join(answer).decode()
        assert " style=" not in page and " onclick=" not in page and "javascript:" not in page, address
        assert "<this>" not in page, address
