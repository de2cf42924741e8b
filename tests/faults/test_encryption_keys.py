"""Encryption keys that are missing, wrong, or changed half way: F38. What needs a secret says so, and all else goes on."""

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import transaction
from django.test import override_settings

from evals_app.models import Provider, Result, Run, Suite
from registry.core.secrets import is_sealed_with_newest_key
from tests.evals.building import add_provider
from tests.faults.stage import Stage, wait
from tests.scenes import go_live
from tests.servers import ROOT, environment, run_web

OLD = os.environ["ENCRYPTION_KEYS"]
NEW = base64.urlsafe_b64encode(bytes(range(32))).decode()
CASES = 10


@pytest.fixture
def suite(stage: Stage) -> Iterator[Suite]:
    """A suite, and a provider whose key is sealed under the old one."""
    stage.add_provider(api_key="sk-sealed-under-the-old-key")
    return stage.suite(CASES)


def run_of(stage: Stage, suite: Suite, provider: str = "scripted") -> Run:
    """A run that has ended, of a version that names its provider."""
    run = stage.run_of(stage.client.post("runs", {**stage.ask(suite), "config": {"provider": provider}}))
    stage.all_ended()
    run.refresh_from_db()
    return run


@pytest.mark.faults
@pytest.mark.parametrize("keys", ["", NEW], ids=["missing", "wrong"])
def test_key__missing_or_wrong__is_said_by_each_answer_and_stops_nothing_else(
    stage: Stage, suite: Suite, keys: str
) -> None:
    go_live(stage.cast, stage.prompt.versions.get(), "staging")
    add_provider(stage.cast, stage.provider, name="open")
    with stage.worker(ENCRYPTION_KEYS=keys):
        refused, answered = run_of(stage, suite), run_of(stage, suite, "open")
    assert (refused.state, refused.verdict) == ("error", "")
    said = set(Result.objects.filter(run=refused).values_list("error", "output"))
    assert {error for error, _ in said} == {"provider"}
    assert all("is not in ENCRYPTION_KEYS: add it, or enter the secret again" in text for _, text in said)
    assert ended(answered) == ("finished", 0)
    with run_web(stage.folder, BROKER_URL=stage.broker.url, ENCRYPTION_KEYS=keys) as web:
        stage.client.url = web.url
        fetched = stage.client.get("environments/staging/prompts/echo")
        saved = stage.client.post("prompts/echo/versions", {"text": "{{ q }} saved without a key"})
        stage.client.url = stage.web.url
    assert (fetched.status, saved.status) == (200, 201)
    with stage.worker():
        again = run_of(stage, suite)
    assert ended(again) == ("finished", 0), "with the key back all is as it was"
    stage.close("F38 encryption key missing, or wrong", recovery="the next run")


@pytest.mark.faults
def test_keys__changed_half_way__open_everything_and_the_change_is_gone_on_with(stage: Stage, suite: Suite) -> None:
    names = [f"p{number}" for number in range(20)]
    for name in names:
        add_provider(stage.cast, stage.provider, name=name, api_key=f"sk-of-{name}")
    both = f"{NEW},{OLD}"
    with transaction.atomic():
        # The change waits for this row, and dies there.
        Provider.objects.select_for_update().get(name="p10")
        process = subprocess.Popen(
            [sys.executable, "manage.py", "rotate_encryption_keys"], cwd=ROOT, env=environment(ENCRYPTION_KEYS=both)
        )
        wait("nothing is sealed again", lambda: not sealed_under(OLD, "p9"))
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert sealed_under(OLD, "p10") and not sealed_under(OLD, "p0"), "it was not half way"
    with stage.worker(ENCRYPTION_KEYS=both):
        runs = [run_of(stage, suite, name) for name in ("p0", "p15")]
    assert [ended(run) for run in runs] == [("finished", 0)] * 2
    told = subprocess.run(
        [sys.executable, "manage.py", "rotate_encryption_keys"],
        cwd=ROOT,
        env=environment(ENCRYPTION_KEYS=both),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Every other key may be removed" in told.stdout
    with stage.worker(ENCRYPTION_KEYS=NEW):
        run = run_of(stage, suite, "p15")
    assert ended(run) == ("finished", 0)
    assert stage.provider.asked[-1].authorization == "Bearer sk-of-p15"
    stage.close("F38 encryption keys changed half way", recovery="the same command again")


def ended(run: Run) -> tuple[str, int]:
    """How it ended, and how many of its answers are errors."""
    return run.state, Result.objects.filter(run=run).exclude(error="").count()


def sealed_under(key: str, name: str) -> bool:
    """Whether a provider's secret is sealed under this key."""
    with override_settings(ENCRYPTION_KEYS=[key]):
        return is_sealed_with_newest_key(Provider.objects.get(name=name).sealed_key)
