"""Calls of the API that live through restarts of the server: tried again with back-off, never done twice."""

from __future__ import annotations

import email.utils
import random
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx

from greenroom import __version__
from greenroom.errors import GreenroomError, Refused, StrangeAnswer, Unreachable
from greenroom.fields import Fields
from greenroom.settings import Settings
from greenroom.templates.values import JSON

TIMEOUT = httpx.Timeout(30, connect=5)
AWAY = frozenset({500, 502, 503, 504})
BUSY = 429
# A wrong address should be told soon; a server that has answered before may take its time to come back.
FIRST_ANSWER_WITHIN_S = 30.0
OUTAGE_S = 300.0
BACK_OFF_S, LONGEST_BACK_OFF_S = 0.25, 10.0


class Talk:
    """Calls with one key until a deadline (seconds from now). A POST carries an Idempotency-Key over all its tries."""

    def __init__(self, settings: Settings, *, timeout_s: float, tell: Callable[[str], None]) -> None:
        self.settings = settings
        self._tell = tell
        self._ends = time.monotonic() + timeout_s
        self._has_answered = False
        headers = {"Authorization": f"Bearer {settings.key}", "User-Agent": f"greenroom-cli/{__version__}"}
        self._http = httpx.Client(headers=headers, timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self._ends - time.monotonic())

    def allow(self, seconds: float) -> None:
        """At least so much time from now on, for what is to be done after the deadline."""
        self._ends = max(self._ends, time.monotonic() + seconds)

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Fields:
        """A JSON object; raises Refused, StrangeAnswer, or Unreachable once the time is up."""
        return _object(self._call("GET", path, params=params))

    def get_tagged(self, path: str) -> tuple[Fields, str]:
        """The same with its ETag, to be sent with what is done about it."""
        answer = self._call("GET", path)
        return _object(answer), answer.headers.get("etag", "")

    def get_bytes(self, path: str) -> bytes:
        """The answer as it came."""
        return self._call("GET", path).content

    def post(self, path: str, body: dict[str, JSON], *, if_match: str = "") -> Fields:
        """Done once, however often it had to be sent; raises as `get` does."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} | ({"If-Match": if_match} if if_match else {})
        return _object(self._call("POST", path, body=body, headers=headers))

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: JSON = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        request = self._http.build_request(
            method,
            f"{self.settings.api}/{path}",
            params=params,
            json=body if method == "POST" else None,
            headers=headers,
        )
        tried, failing_since = 0, time.monotonic()
        while True:
            answer, why = self._try(request)
            if answer is not None and answer.status_code < 400:
                self._has_answered = True
                return answer
            if answer is not None and answer.status_code not in AWAY | {BUSY}:
                raise _refusal(answer)
            if answer is not None and answer.status_code == BUSY:
                failing_since = time.monotonic()
            self._wait(tried, failing_since, why, _told_to_wait(answer))
            tried += 1

    def _try(self, request: httpx.Request) -> tuple[httpx.Response | None, str]:
        """What came, and in words why that may be no answer yet; raises for what another try cannot cure."""
        try:
            answer = self._http.send(request)
        except httpx.TransportError as error:
            if _is_about_certificates(error):
                raise Unreachable(f"The certificate of {self.settings.url} is not trusted: {error}") from None
            return None, f"{self.settings.url} cannot be reached ({type(error).__name__}: {error or 'no answer'})"
        if answer.is_redirect:
            raise StrangeAnswer(
                f"{self.settings.url} redirects to {answer.headers.get('location', '')}: set GREENROOM_URL to the address itself."
            )
        return answer, f"{self.settings.url} answers {answer.status_code}"

    def _wait(self, tried: int, failing_since: float, why: str, told_s: float | None) -> None:
        now = time.monotonic()
        patience = OUTAGE_S if self._has_answered else FIRST_ANSWER_WITHIN_S
        longest = min(LONGEST_BACK_OFF_S, BACK_OFF_S * 2**tried)
        pause = told_s if told_s is not None else random.uniform(0.1 * longest, longest)  # noqa: S311 - no secret
        if now + pause > self._ends or now - failing_since > patience:
            raise Unreachable(f"{why}; given up after {now - failing_since:.0f} s.")
        if tried in {0, 4} or pause > LONGEST_BACK_OFF_S:
            self._tell(f"{why}: trying again" + (f" in {pause:.0f} s" if pause >= 1 else ""))
        time.sleep(pause)


def _told_to_wait(answer: httpx.Response | None) -> float | None:
    """Seconds by Retry-After (a number or a date), a little more so that callers spread; None where nothing is said."""
    said = answer.headers.get("retry-after", "") if answer is not None else ""
    if said.isascii() and said.isdecimal():
        seconds = float(said)
    else:
        try:
            seconds = email.utils.parsedate_to_datetime(said).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return None
    return max(0.0, seconds) + random.uniform(0.05, 0.5)  # noqa: S311 - no secret


def _refusal(answer: httpx.Response) -> GreenroomError:
    if "problem+json" not in answer.headers.get("content-type", ""):
        return StrangeAnswer(
            f"{answer.url.copy_with(query=None)} answered {answer.status_code} without a reason: is GREENROOM_URL right?"
        )
    problem = _object(answer)
    fields = [f"{one.text('field') or 'body'}: {one.text('message')}" for one in problem.objects("errors")]
    return Refused(
        answer.status_code, problem.text("code"), problem.text("detail"), fields=fields, extra=problem.values
    )


def _object(answer: httpx.Response) -> Fields:
    where = f"the answer of {answer.url.path}"
    try:
        value: JSON = answer.json()
    except ValueError:
        raise StrangeAnswer(f"{where} is no JSON: is GREENROOM_URL right?") from None
    return Fields.of(value, where)


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def after_of(address: str, before: str) -> str:
    """Where the next page starts. Only that is taken of the address: we go where we were told to, not where it points."""
    (after,) = parse_qs(urlsplit(address).query).get("after", [""])
    if not after or after == before:
        raise StrangeAnswer("A list has a next page that leads nowhere.")
    return after
