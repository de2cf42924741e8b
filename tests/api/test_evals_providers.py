"""`/providers`: keys go in and never come out; where they are sent is the operator's and the admin's to say."""

from typing import Any

import pytest

from tests.api.client import Api
from tests.builders import Cast

KEY = "sk-canary-1234567890-tail"
BODY: dict[str, Any] = {"name": "main", "base_url": "https://models.example.com/v1", "models": ["small", "large"]}


def test_provider__added__shows_the_end_of_its_key_and_nothing_more(cast: Cast) -> None:
    olga = Api(cast.olga)

    made = olga.post("providers", BODY | {"api_key": KEY})

    assert made.status == 201 and made.json["api_key"] == "…tail"
    assert made.json["default"] and made.json["concurrency"] == 16 and made.json["requests_per_minute"] is None
    for answer in (made, olga.get("providers"), olga.get("providers/main"), olga.get("audit")):
        assert KEY.encode() not in answer.body and b"sk-canary" not in answer.body


def test_provider__changed__keeps_what_was_left_out(cast: Cast) -> None:
    olga = Api(cast.olga)
    olga.post("providers", BODY | {"api_key": KEY, "requests_per_minute": 60})

    changed = olga.patch("providers/main", {"models": ["small"], "requests_per_minute": None})

    assert changed.status == 200
    assert (changed.json["models"], changed.json["requests_per_minute"]) == (["small"], None)
    assert changed.json["api_key"] == "…tail"
    assert olga.patch("providers/main", {"api_key": ""}).json["api_key"] == ""


def test_provider__given_another_address__needs_its_key_again(cast: Cast) -> None:
    olga = Api(cast.olga)
    olga.post("providers", BODY | {"api_key": KEY})
    elsewhere = {"base_url": "https://other.example.com/v1"}

    refused = olga.patch("providers/main", elsewhere)

    assert refused.status == 422 and refused.json["errors"][0]["field"] == "api_key"
    assert olga.patch("providers/main", elsewhere | {"api_key": KEY}).status == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:8833/v1", "http://169.254.169.254/latest", "ftp://x.example.com"])
def test_provider__at_an_address_nobody_allowed__is_refused(cast: Cast, url: str) -> None:
    refused = Api(cast.olga).post("providers", BODY | {"base_url": url})

    assert refused.status == 422 and refused.json["errors"][0]["field"] == "base_url"


def test_providers__asked_by_others__are_the_admins_business(cast: Cast) -> None:
    Api(cast.olga).post("providers", BODY)

    for actor in (cast.vera, cast.ada, cast.rosa):
        assert Api(actor).get("providers").status == 403
        assert Api(actor).patch("providers/main", {}).status == 403
    assert Api(cast.key("ci")).get("providers").status == 403
    assert Api(cast.linus).patch("providers/main", {}).status == 404
    assert Api(cast.olga).post("providers", BODY).status == 409
