"""Services tell what they serve; people see who still runs what, beside what is live."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.html import strip_tags

from prompts_app.actions.observations import Report, observe
from prompts_app.actions.rollback import withdraw
from prompts_app.actions.usage import KEPT, forget_usage
from prompts_app.models import Prompt, PromptVersion, ServedVersion
from prompts_app.usage_queries import retiring, served
from registry.core.models import AuditEvent
from tests.api.client import Api
from tests.builders import Cast, Key, prompt, version
from tests.pages.conftest import (
    SignedIn,
    as_,  # noqa: F401 - a fixture
)
from tests.scenes import go_live

NAME = "support/triage"


@pytest.fixture
def made(cast: Cast) -> Prompt:
    """Two versions, the second live in development."""
    made = prompt(cast.ada, NAME)
    version(cast.ada, made, "Second")
    return made


@pytest.fixture
def service(cast: Cast) -> Key:
    return cast.key("service", environment="development", name="shop")


def entry(made: Prompt, number: int, count: int = 1, *, ago: timedelta = timedelta(), **other: Any) -> dict[str, Any]:
    """One line of a report."""
    at = datetime.now(UTC) - ago
    digest = PromptVersion.objects.get(prompt=made, number=number).digest
    told = {"name": NAME, "version": number, "digest": digest, "count": count, "last_served_at": at.isoformat()}
    return {**told, **other}


def report(key: Key, *entries: dict[str, Any], **headers: str) -> Any:
    """What a client's report is answered with."""
    client = {"name": "greenroom-python", "version": "0.1.0", "host": "web-1"}
    return Api(key).post("usage/reports", {"client": client, "prompts": list(entries)}, **headers)


def lines(cast: Cast, query: str = "") -> list[dict[str, Any]]:
    told = Api(cast.vera).get(f"prompts/{NAME}/versions/usage{query}")
    assert told.status == 200, told.json
    found: list[dict[str, Any]] = told.json["results"]
    return found


def test_reports__of_a_key__add_up_by_version_and_leave_no_audit_row(cast: Cast, made: Prompt, service: Key):
    before = AuditEvent.objects.count()
    assert report(service, entry(made, 2, 3)).json == {"counted": 1}
    assert report(service, entry(made, 2, 4)).status == 200
    [line] = lines(cast)
    assert AuditEvent.objects.count() == before
    assert (line["environment"], line["version"], line["count"], line["live_version"]) == ("development", 2, 7, 2)
    assert (line["key"]["name"], line["client"]) == ("shop", {"name": "greenroom-python 0.1.0", "host": "web-1"})
    assert line["present"] and not line["behind"]
    assert lines(cast, "?environment=development") == [line] and lines(cast, "?environment=staging") == []


def test_report__sent_again_with_its_idempotency_key__counts_once(cast: Cast, made: Prompt, service: Key):
    line = entry(made, 2, 5)
    for _ in range(2):
        assert report(service, line, **{"Idempotency-Key": "report-0001"}).json == {"counted": 1}
    assert lines(cast)[0]["count"] == 5


def test_service__that_still_gives_out_an_older_version__is_behind_until_it_moves(
    cast: Cast, made: Prompt, service: Key
):
    other = cast.key("service", environment="development", name="mobile")
    report(service, entry(made, 1, ago=timedelta(minutes=10)), entry(made, 2))
    report(other, entry(made, 1, ago=timedelta(minutes=10)))
    by = {(line["key"]["name"], line["version"]): (line["present"], line["behind"]) for line in lines(cast)}
    assert by == {("shop", 1): (False, False), ("shop", 2): (True, False), ("mobile", 1): (True, True)}
    assert lines(cast)[0]["key"]["name"] == "mobile", "whoever is behind comes first"
    report(other, entry(made, 2))
    assert not any(line["behind"] for line in lines(cast))


def test_pages__where_services_are_behind__say_how_many_and_what_is_live(cast: Cast, made: Prompt, service: Key, as_):  # noqa: F811
    browser = as_(cast.vera)
    page = f"/w/acme/prompts/{NAME}"
    assert "No service has told yet" in browser.get(f"{page}/versions/usage").content.decode()
    for name in ("a", "b"):
        report(cast.key("service", environment="development", name=name), entry(made, 1))
    report(service, entry(made, 2))
    for address in (page, f"{page}/versions/usage"):
        assert "2 services still run v1, live is v2 in Development" in browser.get(address).content.decode()
    assert "2 services still run v1" in browser.get("/w/acme/environments/development").content.decode()
    assert "still run" not in browser.get("/w/acme/environments/staging").content.decode()
    withdraw(cast.rosa, made, cast.environment("development"), reason="over")
    assert "1 service still runs v2, nothing is live" in browser.get(page).content.decode()


def test_report__of_what_the_key_may_not_see__is_left_out_without_a_word(cast: Cast, made: Prompt, service: Key):
    staging = cast.key("service", environment="staging")
    secret = prompt(cast.linus, "theirs")
    theirs = secret.versions.get()
    foreign = {"name": "theirs", "version": 1, "digest": theirs.digest}
    assert report(staging, entry(made, 1)).json == {"counted": 0}
    wrong = (
        entry(made, 2, digest="0" * 64),
        entry(made, 1, name="support/other"),
        entry(made, 1, **foreign),
        entry(made, 1, version=99),
        entry(made, 1, ago=timedelta(days=2)),
    )
    assert report(service, *wrong).json == {"counted": 0}
    assert not ServedVersion.objects.exists()


def test_report__of_a_clock_that_is_ahead__counts_as_now(cast: Cast, made: Prompt, service: Key):
    assert report(service, entry(made, 2, ago=timedelta(days=-400))).json == {"counted": 1}
    assert datetime.fromisoformat(lines(cast)[0]["last_served_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"count": 0}, "prompts[0].count"),
        ({"count": True}, "prompts[0].count"),
        ({"version": 0}, "prompts[0].version"),
        ({"last_served_at": "soon"}, "prompts[0].last_served_at"),
        ({"extra": 1}, "prompts[0].extra"),
    ],
)
def test_report__with_a_mistake__names_the_field(
    cast: Cast, made: Prompt, service: Key, change: dict[str, Any], field: str
):
    told = report(service, entry(made, 2, **change))
    assert told.status == 422 and [one["field"] for one in told.json["errors"]] == [field]


def test_report__too_long__is_refused(cast: Cast, made: Prompt, service: Key):
    assert report(service, *[entry(made, 2)] * 501).status == 422


def test_reports__older_than_a_month__are_forgotten(cast: Cast, made: Prompt, service: Key):
    report(service, entry(made, 1), entry(made, 2))
    old = datetime.now(UTC).date() - KEPT - timedelta(days=1)
    ServedVersion.objects.filter(version__number=1).update(day=old)
    assert forget_usage() == 1
    assert [line["version"] for line in lines(cast)] == [2]


def test_page__of_what_is_in_use__answers_whether_a_version_can_be_retired(cast: Cast, made: Prompt, as_: SignedIn):  # noqa: F811
    for text in ("Third", "Fourth", "Fifth"):
        version(cast.ada, made, text)
    shop, mail, old, stale = (
        cast.key("service", environment="development", name=name) for name in ("shop", "mail", "old", "stale")
    )
    for number in (1, 2, 3, 4):
        go_live(cast, PromptVersion.objects.select_related("prompt").get(prompt=made, number=number), "development")
    report(shop, entry(made, 4))
    report(mail, entry(made, 2), entry(made, 3, ago=timedelta(hours=1)))
    report(old, entry(made, 1, ago=timedelta(hours=20)))
    ServedVersion.objects.filter(key=old.pk).update(last_served_at=datetime.now(UTC) - timedelta(days=9))
    observe(stale.actor, [Report(NAME, 3, "span", datetime.now(UTC) - timedelta(days=3))])

    found = {one.version: one for one in retiring(made, served(made), datetime.now(UTC))}

    assert {number: one.answer for number, one in found.items()} == {4: "live", 3: "unused", 2: "running", 1: "silent"}
    assert [line.key_name for line in found[2].running] == ["mail"]
    assert [line.key_name for line in found[1].silent] == ["old"]
    page = strip_tags(as_(cast.vera).get(f"/w/acme/prompts/{NAME}/versions/usage").content.decode())
    for said in ("No, it is live", "No, it still runs", "Ask first", "Yes", "mail on web-1 in Development"):
        assert said in page, said
    observe(stale.actor, [Report(NAME, 3, "later", datetime.now(UTC))])
    assert {one.version: one.answer for one in retiring(made, served(made), datetime.now(UTC))}[3] == "running"
