"""Whatever stands in the query of a page or in a field of its forms: it is answered, and nothing of it is an error of ours."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import transaction
from django.test import Client

from tests import tally
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.screens import SCREENS, STATES, furnished

HOSTILE = (
    "\x00",
    "9" * 40,
    "-1",
    "²",
    "\u202e",
    "a" * 10_001,
    "[" * 3_000,
    "NaN",
    "9999-12-31T23:59:59-14:00",
    "%",
    "{{ 9**9 }}",
)
# What pages read of their addresses.
IN_QUERIES = """
q tag folder archived mine drift state environment page status from to view path side line version suite case prompt month baseline
old_arm flips after event actor next palette check kind subject first text
"""


@dataclass
class Form:
    """A form of a page: where it goes, and what its fields hold."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[str, tuple[str, ...]]:
        """Two forms of one shape are one: the same address without its numbers, the same fields."""
        address = "/".join("n" if part.isdecimal() else part for part in self.action.split("/"))
        return address, tuple(sorted({name for name, _ in self.fields}))


class Forms(HTMLParser):
    """The forms of a page that change something."""

    def __init__(self, address: str, html: str) -> None:
        super().__init__()
        self.address, self.found, self._is_text = address, list[Form](), ""
        self._open: Form | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self._open = Form(given.get("action") or self.address)
            self.found.append(self._open)
        elif self._open is not None and tag in {"input", "select", "textarea", "button"} and given.get("name"):
            self._open.fields.append((given["name"], given.get("value", "")))
            if given.get("formaction"):
                self.found.append(Form(given["formaction"], self._open.fields))

    def handle_endtag(self, tag: str) -> None:
        self._open = None if tag == "form" else self._open


@pytest.mark.attack
@pytest.mark.django_db
@pytest.mark.parametrize("half", [0, 1])
def test_pages__with_anything_in_queries_and_forms__never_fail(
    cast: Cast, as_: SignedIn, settings: Any, half: int
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1_000_000_000
    wrong: list[str] = []
    with furnished(cast) as house:
        client = as_(cast.olga)
        client.raise_request_exception = False
        forms: dict[tuple[str, tuple[str, ...]], Form] = {}
        for pattern in {**SCREENS, **STATES}.values():
            address = house.address(pattern)
            page = client.get(address)
            for form in Forms(urlsplit(address).path, page.content.decode()).found:
                forms.setdefault(form.shape, form)
        paths = sorted({house.address(pattern).partition("?")[0] for pattern in SCREENS.values()})
        for path in paths[half::2]:
            wrong += asked(client, path)
        for form in [forms[shape] for shape in sorted(forms)][half::2]:
            wrong += sent(client, form)
        assert client.get("/w/acme/").status_code == 200, "still signed in"
    tally.note("contract: findings on pages", len(wrong))
    assert wrong == []


def asked(client: Client, path: str) -> Iterator[str]:
    """The page with each parameter that any page knows, and something odd in it; what failed."""
    for name in IN_QUERIES.split():
        for value in HOSTILE[:5]:
            tally.note("contract: queries of pages")
            if client.get(f"{path}?{urlencode({name: value})}").status_code >= 500:
                yield f"GET {path}?{name}={value[:20]!r}"


def sent(client: Client, form: Form) -> Iterator[str]:
    """The form with something odd in one field after the other, each undone; what failed."""
    action = urlsplit(form.action)
    if action.scheme or action.path == "/sign-out":
        return
    cookies = copy.deepcopy(client.cookies)
    for name in dict(form.fields):
        for value in HOSTILE:
            kept: dict[str, list[str]] = {}
            for other, usual in form.fields:
                kept.setdefault(other, []).append(usual)
            tally.note("contract: forms of pages")
            with transaction.atomic():
                answer = client.post(form.action, {**kept, name: value})
                transaction.set_rollback(True)
            client.cookies = copy.deepcopy(cookies)  # a session that ended, or has another id now, is back as it was
            if answer.status_code >= 500:
                yield f"POST {form.action} {name}={value[:20]!r}: {answer.status_code}"
