"""The audit log taken out as a file."""

import csv
import io
import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.core import audit_queries
from registry.core.actions.people import set_time_zone
from registry.core.models import AuditEvent, Member
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.pages.conftest import SignedIn

EXPORT = "/w/acme/settings/audit/export"


def taken(client: Client, **chosen: str) -> str:
    """The file that the page sends for what was chosen."""
    answer = client.post(EXPORT, chosen)
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    return b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def test_export__as_csv__has_what_fits_the_filter_in_cells_that_no_spreadsheet_runs(cast: Cast, as_: SignedIn) -> None:
    cast.key(name='=HYPERLINK("x")')
    builders.prompt(cast.ada, "support/triage")
    client = as_(cast.olga)
    page = client.get("/w/acme/settings/audit?event=key.").content.decode()
    assert '<input type="hidden" name="event" value="key.">' in page

    rows = list(csv.DictReader(io.StringIO(taken(client, event="key.", form="csv"), newline="")))

    assert [row["event"] for row in rows] == ["key.created"]
    assert rows[0]["subject_name"] == '\'=HYPERLINK("x")'
    assert rows[0]["hash"] == AuditEvent.objects.get(event="key.created").hash


def test_export__as_json_lines__has_in_order_what_the_api_tells_and_leaves_a_row_itself(
    cast: Cast, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_queries, "EVENTS_AT_ONCE", 3)
    told = Api(cast.olga).get("audit?limit=200").json["results"]

    client = as_(cast.olga)
    with CaptureQueriesContext(connection) as asked:
        lines = taken(client, form="jsonl", actor="", subject="")

    assert len(told) > 6 and [json.loads(line) for line in lines.splitlines()] == told[::-1]
    assert sum("LIMIT 3" in query["sql"] for query in asked) == len(told) // 3 + 1
    left = AuditEvent.objects.filter(workspace=cast.workspace)[0]
    assert (left.event, left.actor_name, left.facts) == ("audit.exported", "Olga", {"form": "jsonl", "chosen": {}})
    assert left.sequence == told[0]["sequence"] + 1


def test_export__of_one_day__goes_by_the_zone_of_the_reader_as_the_page_does(cast: Cast, as_: SignedIn) -> None:
    is_late = timezone.now().astimezone(UTC).hour >= 10
    zone = "Pacific/Kiritimati" if is_late else "Pacific/Pago_Pago"  # where it is another day now
    set_time_zone(cast.olga, Member.objects.get(pk=cast.olga.member_id).user, time_zone=zone)
    client, today = as_(cast.olga), f"{datetime.now(ZoneInfo(zone)):%Y-%m-%d}"
    elsewhere = f"{datetime.now(UTC):%Y-%m-%d}"

    assert "member.added" in taken(client, form="csv", since=today, until=today)
    assert "member.added" not in taken(client, form="csv", since=elsewhere, until=elsewhere)
    page = client.get(f"/w/acme/settings/audit?since={today}&until={today}").content.decode()
    assert "member.added" in page
    assert AuditEvent.objects.filter(event="audit.exported")[0].facts["chosen"].keys() == {"since", "before"}  # type: ignore[union-attr]


def test_export__of_a_form_that_there_is_not__is_refused_and_leaves_nothing(cast: Cast, as_: SignedIn) -> None:
    assert as_(cast.olga).post(EXPORT, {"form": "xlsx"}).status_code == 422
    assert not AuditEvent.objects.filter(event="audit.exported").exists()


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "never"])
def test_filter__with_a_day_that_there_is_not__says_so_and_narrows_nothing(cast: Cast, as_: SignedIn, day: str) -> None:
    page = as_(cast.olga).get(f"/w/acme/settings/audit?until={day}&since={day}").content.decode()
    assert "member.added" in page and 'aria-invalid="true"' in page
