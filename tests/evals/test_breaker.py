"""A provider that stays down is left alone by everybody, looked at now and then, and asked again once it answers."""

import asyncio
import time
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from evals_app.actions.runs import start_run
from evals_app.models import Provider
from evals_app.providers import gate as gates
from evals_app.providers import limits as shared
from evals_app.providers.limits import Limits, SharedLimits
from evals_app.providers.talk import Failure, ProviderError
from evals_app.scripted_provider import Rule
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work

LIMITS = Limits(9_500_000, 4)
LONG_S = 60  # longer than any test


@pytest.fixture(autouse=True)
def nothing_is_left_over(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shared, "OPENS_AFTER", 3)
    monkeypatch.setattr(shared, "OPEN_S", 0.5)
    yield
    valkey = redis.Redis.from_url(settings.VALKEY_URL)
    for key in valkey.scan_iter(f"greenroom:limit:{{{LIMITS.provider_id}}}:*"):
        valkey.delete(key)
    valkey.close()


async def _ask(limits: SharedLimits, *, is_alive: bool, is_patient: bool = False) -> float:
    async with asyncio.timeout(10), limits.turn(LIMITS, tokens=0, is_patient=is_patient) as turn:
        turn.is_alive = is_alive
        return time.monotonic()


async def _refused(limits: SharedLimits, *, is_patient: bool = False) -> bool:
    try:
        await _ask(limits, is_alive=True, is_patient=is_patient)
    except ProviderError as error:
        return error.kind is Failure.DOWN
    return False


def _together(scene: object) -> None:
    async def play() -> None:
        one, other = SharedLimits(settings.VALKEY_URL), SharedLimits(settings.VALKEY_URL)
        try:
            await scene(one, other)  # type: ignore[operator]
        finally:
            await one.close()
            await other.close()

    asyncio.run(play())


def test_breaker__failures_in_a_row_at_one_worker__opens_for_all_of_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shared, "OPEN_S", LONG_S)

    async def scene(one: SharedLimits, other: SharedLimits) -> None:
        assert not await _refused(other)
        for _ in range(3):
            await _ask(one, is_alive=False)
        assert await _refused(one) and await _refused(other)

    _together(scene)


def test_breaker__an_answer_in_between__starts_the_count_again():
    async def scene(one: SharedLimits, other: SharedLimits) -> None:
        for _ in range(2):
            await _ask(one, is_alive=False)
        await _ask(other, is_alive=True)
        for _ in range(2):
            await _ask(one, is_alive=False)
        assert not await _refused(one)

    _together(scene)


def test_breaker__half_open__lets_one_through_and_closes_when_it_is_answered():
    async def scene(one: SharedLimits, other: SharedLimits) -> None:
        for _ in range(2):
            await _ask(one, is_alive=False)
        began = time.monotonic()
        await _ask(one, is_alive=False)
        async with one.turn(LIMITS, tokens=0) as probe:
            assert time.monotonic() - began >= 0.5
            assert await _refused(other)
            probe.is_alive = True
        async with asyncio.timeout(20):  # others look again every quarter of a second
            while await _refused(other):
                await asyncio.sleep(0.05)

    _together(scene)


def test_breaker__the_probe_fails__stays_open(monkeypatch: pytest.MonkeyPatch):
    async def scene(one: SharedLimits, other: SharedLimits) -> None:
        for _ in range(3):
            await _ask(one, is_alive=False)
        monkeypatch.setattr(shared, "OPEN_S", LONG_S)
        await _ask(one, is_alive=False, is_patient=True)
        assert await _refused(other)

    _together(scene)


def test_breaker__down_for_long__patience_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gates, "DOWN_BORNE_S", 0.6)

    async def scene(one: SharedLimits, other: SharedLimits) -> None:
        for _ in range(3):
            await _ask(one, is_alive=False)
        await asyncio.sleep(0.7)
        await _ask(one, is_alive=False, is_patient=True)  # the probe
        assert await _refused(other, is_patient=True)

    _together(scene)


def test_run__provider_dies_and_has_a_fallback__hardly_anybody_asks_it_any_more(cast: Cast):
    with scripted(Rule(model="scripted", status=503)) as provider:
        add_provider(cast, provider)
        add_provider(cast, provider, name="spare", models=["other"])
        Provider.objects.filter(name="scripted").update(fallback=Provider.objects.get(name="spare"), concurrency=2)
        version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
        run = work(start_run(cast.ada, version, suite(cast.ada, of=cases(60)), baseline=None))
        in_vain = sum(asked.model == "scripted" for asked in provider.asked)
    assert (run.state, run.verdict) == ("finished", "passed")
    assert set(run.results.values_list("provider_name", "is_fallback")) == {("spare", True)}
    assert 3 <= in_vain < 20


def test_run__provider_is_away_for_a_moment_and_has_no_fallback__waits_for_it(cast: Cast):
    with scripted(Rule(status=503, times=4)) as provider:
        add_provider(cast, provider)
        version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
        run = work(start_run(cast.ada, version, suite(cast.ada, of=cases(20)), baseline=None))
    assert (run.state, run.results.exclude(error="").count()) == ("finished", 0)


def test_run__provider_stays_down_and_has_no_fallback__ends_in_error_that_says_so(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gates, "DOWN_BORNE_S", 1.0)
    with scripted(Rule(status=503)) as provider:
        add_provider(cast, provider)
        version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
        run = work(start_run(cast.ada, version, suite(cast.ada, of=cases(40)), baseline=None))
        asked = provider.calls
    assert run.state == "error"
    assert set(run.results.values_list("error", flat=True)) <= {"server", "down"}
    assert run.results.filter(error="down", output__contains="has been down for").exists()
    assert asked < 40
