"""Contents are held against their digests, and triggers looked for."""

import pytest
from django.core.management import CommandError, call_command

from prompts_app.models import PromptVersion
from prompts_app.tasks import verify_contents
from tests.builders import Cast, prompt
from tests.scenes import as_superuser


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


def test_triggers__one_disabled__is_named(free: Cast) -> None:
    with as_superuser() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
    with pytest.raises(CommandError, match=r"core_auditevent\.append_only is not in force"):
        call_command("verify_contents")
