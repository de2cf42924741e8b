"""A Langfuse server read over a real socket: everything it has, once; nothing live; its keys nowhere."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command

from prompts_app.actions.pending_imports import find_import, plan_pending, take_over
from prompts_app.actions.pulls import LOST, begin_pull, give_up_pull, run_pull
from prompts_app.models import LivePointer, PendingPrompts, Prompt, VersionLabel
from registry.core import jobs
from registry.core.errors import Invalid
from registry.core.models import AuditEvent
from tests import builders
from tests.builders import Cast
from tests.transfer.langfuse_stub import PUBLIC, SECRET, LangfuseStub, langfuse


@pytest.fixture
def stub(settings: Any) -> Iterator[LangfuseStub]:
    with langfuse() as running:
        settings.OUTBOUND_ALLOW = frozenset({running.url.removeprefix("http://")})
        running.add("shared/tone", "Be kind.", labels=("production",))
        running.add("shared/tone", "Be kinder.")
        running.add(
            "support/ünï triage", "@@@langfusePrompt:name=shared/tone|label=production@@@ {{x}}", labels=("beta",)
        )
        running.add("support/ünï triage", "Now {{x}}", labels=("production", "beta"))
        running.add("support/ünï triage", "Now {{x}}", version=5, config={"model": "m"})
        chat = [{"role": "system", "content": "Hi"}, {"type": "placeholder", "name": "history"}]
        running.add("chat", [*chat, {"type": "chatmessage", "role": "user", "content": "{{q}}"}])
        running.add("a|b", "No name of ours")
        yield running


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What messages carry."""
    found: list[tuple[int, str]] = []
    monkeypatch.setitem(jobs._looked_after, PendingPrompts, lambda pk, opener: found.append((pk, opener)))
    return found


def pull(cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], capture: Any) -> PendingPrompts:
    with capture(execute=True):
        begin_pull(cast.ada, stub.url, public_key=PUBLIC, secret_key=SECRET)
    run_pull(*sent[-1], owner="test")
    row = find_import(cast.ada)
    assert row is not None
    return row


def test_pull__of_a_server__brings_every_version_with_its_number_and_puts_nothing_live(
    cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], django_capture_on_commit_callbacks: Any
) -> None:
    row = pull(cast, stub, sent, django_capture_on_commit_callbacks)
    assert (row.state, row.sealed) == ("done", "")
    told = plan_pending(cast.ada, row)
    assert not Prompt.objects.exists()

    plan = take_over(cast.ada)

    assert told.to_json(preview=False) == plan.to_json(preview=False)
    assert find_import(cast.ada) is None
    triage = Prompt.objects.get(name="support/ünï triage")
    versions = list(triage.versions.order_by("number"))
    assert [one.number for one in versions] == [1, 2, 5]
    assert versions[0].to_json()["text"] == "Be kind. {{x}}"
    assert versions[0].editable()["text"].startswith("@@@langfusePrompt")  # type: ignore[union-attr]
    assert (versions[1].author_name, versions[1].message) == ("dora", "change 2")
    assert versions[1].created_at.isoformat() == "2024-01-02T10:00:00+00:00"
    assert versions[2].to_json()["config"] == {"model": "m"} and versions[2].to_json()["template_format"] == "plain"
    assert VersionLabel.objects.get(prompt=triage).version == versions[1]
    assert Prompt.objects.get(name="chat").versions.get().to_json()["messages"][1] == {  # type: ignore[index]
        "type": "placeholder",
        "name": "history",
    }
    assert not LivePointer.objects.live().exists()
    [refused] = [one for one in plan.steps if one.refused]
    assert refused.history.name == "a|b" and not plan.is_whole
    assert any("environment" in note for note in plan.steps[3].notes)


def test_pull__again__imports_only_what_is_new(
    cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], django_capture_on_commit_callbacks: Any
) -> None:
    del stub.prompts["a|b"]
    pull(cast, stub, sent, django_capture_on_commit_callbacks)
    take_over(cast.ada)
    rows = AuditEvent.objects.count()
    stub.fails = [500, 429]

    pull(cast, stub, sent, django_capture_on_commit_callbacks)
    assert not take_over(cast.ada).changes
    assert AuditEvent.objects.count() == rows
    stub.add("shared/tone", "Be kindest.")
    pull(cast, stub, sent, django_capture_on_commit_callbacks)
    assert take_over(cast.ada).count("new") == 1
    assert AuditEvent.objects.count() == rows + 1


def test_pull__its_keys__are_in_no_row_that_can_be_opened_and_in_no_log(
    cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], django_capture_on_commit_callbacks: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        row = begin_pull(cast.ada, stub.url, public_key=PUBLIC, secret_key=SECRET)
    waiting = str(PendingPrompts.objects.filter(pk=row.pk).values().get())
    assert "canary" not in waiting and "canary" not in sent[-1][1]
    run_pull(row.pk, Fernet.generate_key().decode(), owner="test")
    row.refresh_from_db()
    assert (row.state, row.error, row.sealed) == ("error", LOST, "")
    assert "canary" not in caplog.text


@pytest.mark.parametrize(
    ("fails", "said"), [([500] * 9, "answers 500"), ([404], "answers 404"), ([302], "answers 302"), ([401], "keys")]
)
def test_pull__that_fails__ends_with_a_reason_and_without_keys(
    cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], django_capture_on_commit_callbacks: Any,
    fails: list[int], said: str,
) -> None:  # fmt: skip
    stub.fails = fails

    row = pull(cast, stub, sent, django_capture_on_commit_callbacks)

    assert row.state == "error" and said in row.error and row.sealed == ""
    run_pull(*sent[-1], owner="late")
    assert PendingPrompts.objects.get().state == "error"


def test_pull__whose_worker_was_lost__is_given_up(
    cast: Cast, stub: LangfuseStub, sent: list[tuple[int, str]], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = begin_pull(cast.ada, stub.url, public_key=PUBLIC, secret_key=SECRET)
    give_up_pull(row.pk)
    assert PendingPrompts.objects.get().state == "queued"
    PendingPrompts.objects.update(state="running", lease_until="2020-01-01T00:00:00Z")
    give_up_pull(row.pk)
    row.refresh_from_db()
    assert (row.state, row.sealed) == ("error", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://10.0.0.1", "ftp://x.example", "http://localhost", "x"])
def test_pull__from_an_address_that_is_not_allowed__is_refused(cast: Cast, url: str) -> None:
    with pytest.raises(Invalid, match="address"):
        begin_pull(cast.ada, url, public_key=PUBLIC, secret_key=SECRET)


def test_command__pulls_as_the_page_does(cast: Cast, stub: LangfuseStub, tmp_path: Path) -> None:
    del stub.prompts["a|b"]
    keys = tmp_path / "keys"
    keys.write_text(f"{PUBLIC}\n{SECRET}\n")
    told = StringIO()
    options = {"key_file": keys, "workspace": "acme", "email": "ada@example.com", "stdout": told}

    call_command("pull_langfuse", stub.url, preview=True, **options)
    assert not Prompt.objects.exists()
    call_command("pull_langfuse", stub.url, **options)

    assert "shared/tone: new prompt; versions: 2 new" in told.getvalue() and "canary" not in told.getvalue()
    builders.prompt(cast.ada, "late", text="Ours")
    stub.add("late", "Theirs")
    with pytest.raises(CommandError, match="Not everything"):
        call_command("pull_langfuse", stub.url, **options)
