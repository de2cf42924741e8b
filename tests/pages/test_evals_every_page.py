"""Every page of suites, runs, evidence and providers answers, to those who may know of it and nobody else."""

from collections.abc import Iterator

import pytest
from django.test import Client

from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated


def addresses(world: Evaluated) -> Iterator[str]:
    prompt = "/w/acme/prompts/numbers/echo"
    yield from (
        "/w/acme/suites",
        "/w/acme/new-suite",
        "/w/acme/runs",
        "/w/acme/runs?state=open&suite=shape&prompt=echo",
    )
    for suite in ("numbers", "shape"):
        yield from (
            f"/w/acme/suites/{suite}",
            f"/w/acme/suites/{suite}?version=1&tag=odd",
            f"/w/acme/suites/{suite}/edit",
            f"/w/acme/suites/{suite}/edit?page=2",
            f"/w/acme/suites/{suite}/import",
            f"/w/acme/suites/{suite}/diff?from=1&to=1",
            f"/w/acme/suites/{suite}/versions/1/export/jsonl",
        )
    for run in (world.run.pk, world.waiting.pk):
        yield f"/w/acme/runs/{run}/cases/1/add"
        yield f"/w/acme/runs/{run}/export/csv"
        yield from (
            f"/w/acme/runs/{run}",
            f"/w/acme/runs/{run}/cases/1/add",
            f"/w/acme/runs/{run}/cases/1",
            f"/w/acme/runs/{run}/figures",
            f"/w/acme/runs/{run}/cases/60?status=failed",
        )
        for query in (
            "status=flipped",
            "status=failed&tag=odd",
            "status=error",
            "status=critical",
            "page=2",
            "status=x",
        ):
            yield f"/w/acme/runs/{run}?{query}"
    same = f"/w/acme/runs/{world.run.pk}/compare/{world.run.pk}"
    yield from (
        f"/w/acme/runs/{world.run.pk}/compare",
        f"/w/acme/runs/{world.run.pk}/tags",
        same,
        f"{same}?old_arm=baseline&flips=worse&page=2",
    )
    yield "/w/acme/suites/numbers/history?prompt=numbers/echo"
    yield from ("/w/acme/usage", "/w/acme/usage?month=2026-01")
    yield "/w/acme/suites/shape/compare?prompt=numbers/echo&from=1&to=2"
    yield from ("/w/acme/runs/new", "/w/acme/runs/new?prompt=numbers/echo&suite=shape&baseline=version:1")
    yield from (f"{prompt}/drafts/try", f"{prompt}/drafts/try?version=1&version=2&case=numbers/case-3")
    yield from (f"{prompt}/checks", f"{prompt}/versions/1/checks", f"{prompt}/versions/2/checks")
    yield from (f"{prompt}/diff/evidence?from=1&to=2", f"/w/acme/promotions/{world.promotion.pk}/evidence")
    yield from ("/w/acme/settings/providers", "/w/acme/settings/providers/scripted")


def test_every_page__asked_by_the_owner__answers(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client = as_(cast.olga)

    answers = {address: client.get(address).status_code for address in addresses(world)}

    assert {address: status for address, status in answers.items() if status != 200} == {}


def test_every_page__asked_by_a_stranger__is_not_there(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client = as_(cast.linus)

    answers = {address: client.get(address).status_code for address in addresses(world)}

    assert {address: status for address, status in answers.items() if status != 404} == {}


def test_every_page__asked_by_nobody__leads_to_signing_in(world: Evaluated) -> None:
    client = Client()

    for address in addresses(world):
        answer = client.get(address)
        assert answer.status_code == 302 and answer["Location"].startswith("/sign-in"), address


def test_every_page__shown__has_no_inline_code_and_no_markup_of_a_model(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client = as_(cast.olga)

    for address in addresses(world):
        answer = client.get(address)
        page = b"".join(answer).decode()
        if not answer["Content-Type"].startswith("text/html"):
            continue
        assert " style=" not in page and " onclick=" not in page and "javascript:" not in page, address
        assert "<b>bold</b>" not in page, address
        for part in page.split("<a ")[1:]:
            assert "hx-get" not in part.partition(">")[0] or "href=" in part.partition(">")[0], address


@pytest.mark.parametrize("path", ["results"])
def test_fragment_of_a_run__opened_as_a_page__leads_to_the_run(
    cast: Cast, world: Evaluated, as_: SignedIn, path: str
) -> None:
    answer = as_(cast.vera).get(f"/w/acme/runs/{world.run.pk}/{path}")

    assert (answer.status_code, answer["Location"]) == (302, f"/w/acme/runs/{world.run.pk}")


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", "/w/acme/prompts/a%00b"),
        ("get", "/w/acme/prompts/a%00b/checks"),
        ("get", "/w/acme/runs/new?prompt=a%00b"),
        ("get", "/w/acme/promotions?state=%00"),
        ("get", "/w/acme/prompts/numbers/echo/promotions?environment=a%00b"),
        ("get", "/w/acme/?unknown=%00"),
        ("get", "/w/acme/suites/numbers?version=9999999999"),
        ("get", "/w/acme/suites/numbers?version=\N{SUPERSCRIPT TWO}"),
        ("get", "/w/acme/runs/99999999999999999999/cases/1"),
        ("post", "/w/acme/suites/numbers/detach?prompt=a"),
        ("post", "/w/acme/prompts/numbers/echo/checks/attach"),
    ],
)
def test_page__at_an_address_that_cannot_be_stored__is_not_there(
    cast: Cast, as_: SignedIn, method: str, address: str
) -> None:
    building.suite(cast.ada)
    builders.prompt(cast.ada, "numbers/echo")
    client = as_(cast.olga)

    answer = getattr(client, method)(address, {"prompt": "a\0b", "suite": "a\0b"} if method == "post" else {})

    assert answer.status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/w/acme/runs/{other}",
        "/w/acme/runs/{other}/cases/1",
        "/w/acme/suites/theirs",
        "/w/acme/promotions/{other}/evidence",
    ],
)
def test_page__of_another_workspaces_thing__is_not_there(
    cast: Cast, world: Evaluated, as_: SignedIn, address: str
) -> None:
    assert as_(cast.olga).get(address.format(other=10**9)).status_code == 404


def test_providers__asked_by_an_editor__are_refused(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client = as_(cast.ada)

    for address in ("/w/acme/settings/providers", "/w/acme/settings/providers/scripted"):
        assert client.get(address).status_code == 403
    assert client.post("/w/acme/settings/providers/scripted/test").status_code == 403
