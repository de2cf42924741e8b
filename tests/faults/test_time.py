"""Times that are odd: F21. Kept in UTC, told in any zone, refused where no calendar has them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery.schedules import crontab
from django.template import Context, Template
from django.test import Client
from django.utils import timezone

from prompts_app.models import Freeze
from registry.celery import app
from registry.core import signing, totp
from registry.core.models import Member
from registry.core.times import rfc3339
from tests.api.client import Api
from tests.builders import Cast, signed_in

pytestmark = pytest.mark.injects("F21 daylight saving, leap days, 2038, zones")
PLACE = "environments/staging/freezes"
# As sent, as kept.
MOMENTS = {
    "in the hour that daylight saving leaves out": ("2030-03-31T02:30:00+01:00", "2030-03-31T01:30:00.000000Z"),
    "in the first of two like hours": ("2030-10-27T02:30:00+02:00", "2030-10-27T00:30:00.000000Z"),
    "in the second of two like hours": ("2030-10-27T02:30:00+01:00", "2030-10-27T01:30:00.000000Z"),
    "leap day": ("2028-02-29T23:59:59.999999Z", "2028-02-29T23:59:59.999999Z"),
    "leap day somewhere else": ("2028-03-01T08:00:00+14:00", "2028-02-29T18:00:00.000000Z"),
    "past 2038": ("2038-01-19T03:14:08Z", "2038-01-19T03:14:08.000000Z"),
    "past 2106": ("2106-02-07T06:28:16Z", "2106-02-07T06:28:16.000000Z"),
    "no zone": ("2030-07-01T12:00:00", "2030-07-01T12:00:00.000000Z"),
    "three quarters of an hour": ("2030-07-01T12:00:00+05:45", "2030-07-01T06:15:00.000000Z"),
    "the last one": ("2999-12-31T23:59:59Z", "2999-12-31T23:59:59.000000Z"),
}
NONE = {
    "no leap day": "2100-02-29T00:00:00Z",
    "a leap second": "2028-12-31T23:59:60Z",
    "the end of times": "9999-12-31T23:59:59-12:00",
    "before all time": "0001-01-01T00:00:00+14:00",
    "before computers": "1969-12-31T23:59:59Z",
    "hour 25": "2030-01-31T25:00:00Z",
    "words": "tomorrow",
}
ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns", "Europe/Berlin", "Asia/Kathmandu")


@pytest.mark.parametrize(("sent", "kept"), MOMENTS.values(), ids=MOMENTS.keys())
def test_moment__odd_but_real__is_kept_in_utc_and_shown_in_every_zone(cast: Cast, sent: str, kept: str) -> None:
    olga = Api(cast.olga)
    starts = "1970-01-01T00:00:00Z"
    made = olga.post(PLACE, {"starts_at": starts, "ends_at": sent, "reason": "x"})
    assert (made.status, made.json["ends_at"]) == (201, kept)
    assert rfc3339(Freeze.objects.get().ends_at) == kept
    user = Member.objects.select_related("user").get(pk=cast.olga.member_id).user
    for zone in ZONES:
        type(user).objects.filter(pk=user.pk).update(time_zone=zone)
        page = signed_in(Client(), user).get("/w/acme/environments/staging")
        assert page.status_code == 200 and f'datetime="{kept[:19]}Z"' in page.content.decode()


@pytest.mark.parametrize("sent", NONE.values(), ids=NONE.keys())
def test_moment__of_no_calendar__is_refused_over_the_api_and_on_the_page(cast: Cast, sent: str) -> None:
    refused = Api(cast.olga).post(PLACE, {"ends_at": sent, "reason": "x"})
    assert refused.status == 422 and refused.json["errors"][0]["field"] == "ends_at"
    user = Member.objects.select_related("user").get(pk=cast.olga.member_id).user
    typed = {"starts_at": "2030-01-01T00:00", "ends_at": sent, "reason": "x"}
    page = signed_in(Client(), user).post("/w/acme/environments/staging/freezes", typed)
    assert page.status_code == 422 and not Freeze.objects.exists()


def test_like_hours__of_the_night_when_clocks_go_back__are_told_apart() -> None:
    first, second = datetime(2030, 10, 27, 0, 30, tzinfo=UTC), datetime(2030, 10, 27, 1, 30, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        words = [Template("{% load ui %}{% moment at %}").render(Context({"at": at})) for at in (first, second)]
    assert "02:30 CEST</time>" in words[0] and "02:30 CET</time>" in words[1]


@pytest.mark.parametrize("month", ["2028-02", "2038-02", "1969-12", "9999-12", "0001-01", "2030-13"])
def test_month__any__is_shown_or_refused(cast: Cast, month: str) -> None:
    is_one = month.startswith("20") and not month.endswith("13")
    assert Api(cast.olga).get(f"usage?month={month}").status == (200 if is_one else 422)
    user = Member.objects.select_related("user").get(pk=cast.olga.member_id).user
    assert signed_in(Client(), user).get(f"/w/acme/usage?month={month}").status_code == (200 if is_one else 404)


def test_clock__past_2038__codes_signatures_and_keys_go_on(cast: Cast) -> None:
    with time_machine.travel(datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC) + timedelta(days=1), tick=False):
        now, secret = timezone.now().timestamp(), totp.new_secret()
        assert totp.step_of(secret, totp.code_at(secret, int(now) // totp.STEP_S), at=now) == int(now) // totp.STEP_S
        headers = signing.headers([signing.generate_secret()], message_id="m", timestamp=int(now), body=b"{}")
        assert int(headers["webhook-timestamp"]) > 2**31
        user = Member.objects.select_related("user").get(pk=cast.olga.member_id).user
        assert signed_in(Client(), user).get("/w/acme/").status_code == 200
        asked: dict[str, Any] = {"kind": "service", "name": "late", "environment": "staging"}
        made = Api(cast.olga).post("keys", {**asked, "expires_at": "2040-02-29T00:00:00Z"})
        assert made.status == 201, made.json


def test_schedule__of_what_runs_by_the_clock__knows_no_daylight_saving() -> None:
    assert app.conf.timezone == "UTC" and app.conf.enable_utc
    nightly = [one["schedule"] for one in app.conf.beat_schedule.values() if isinstance(one["schedule"], crontab)]
    assert nightly
    for one in nightly:
        last = datetime(2030, 3, 30, 12, tzinfo=UTC)
        with time_machine.travel(last, tick=False):
            due_in = one.remaining_estimate(last)
        assert due_in < timedelta(hours=24)
