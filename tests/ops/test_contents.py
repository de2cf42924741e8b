"""Contents are held against their digests, and triggers looked for."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from prompts_app.models import PromptVersion
from prompts_app.tasks import verify_contents
from prompts_app.wholeness import families
from tests.builders import Cast, prompt
from tests.scenes import as_superuser, go_live


def test_contents__as_they_were__hold(free: Cast, capsys: pytest.CaptureFixture[str]) -> None:
    prompt(free.ada)
    call_command("verify_contents")
    assert "every version is what its digest says" in capsys.readouterr().out


@pytest.mark.parametrize("content", ['{"text":"Goodbye {{ name }}"}', "{}", "no JSON"])
def test_contents__changed_by_hand__are_named(free: Cast, content: str, caplog: pytest.LogCaptureFixture) -> None:
    version = PromptVersion.objects.get(prompt=prompt(free.ada))
    with as_superuser() as cursor:
        cursor.execute("UPDATE prompts_app_promptversion SET content = %s WHERE id = %s", [content, version.pk])
    with pytest.raises(CommandError, match="acme: support/triage v1 is not what its digest says"):
        call_command("verify_contents")
    verify_contents()
    assert "version.damaged" in caplog.text


def test_contents__changed_by_hand__are_served_nowhere(free: Cast, caplog: pytest.LogCaptureFixture) -> None:
    """Requirement 63: each process looks when it reads what is live, not only the night after."""
    go_live(free, prompt(free.ada, "support/whole", text="Good").versions.get(), "staging")
    version = prompt(free.ada, "support/triage", text="Hello").versions.get()
    go_live(free, version, "staging")
    client, place = Client(headers=free.key().headers), "/api/v1/environments/staging"
    assert client.get(f"{place}/snapshot").status_code == 200
    with as_superuser() as cursor:
        cursor.execute(
            "UPDATE prompts_app_promptversion SET content = replace(content, 'Hello', 'Goodbye') WHERE id = %s",
            [version.pk],
        )

    told = [
        client.get(f"{place}/prompts/support/triage"),
        client.get(f"{place}/snapshot"),
        client.post(f"{place}/prompts/support/triage/render", {"variables": {}}, content_type="application/json"),
        client.get("/api/public/v2/prompts/support/triage?version=1"),
    ]

    assert [one.status_code for one in told] == [503] * 4
    assert [one.json()["code"] for one in told[:3]] == ["version.damaged"] * 3
    assert "Goodbye" not in "".join(one.content.decode() for one in told)
    assert client.get(f"{place}/prompts/support/whole").status_code == 200
    assert families()[0].samples[0][2] >= len(told), "which an alert looks at"
    assert "version.damaged" in caplog.text


def test_triggers__one_disabled__is_named(free: Cast) -> None:
    with as_superuser() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
    with pytest.raises(CommandError, match=r"core_auditevent\.append_only is not in force"):
        call_command("verify_contents")
