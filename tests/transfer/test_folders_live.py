"""`greenroom pull-files`, `push` and `diff` against the real server: a folder in git and a registry, both ways."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenroom.cli.main import main
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.models import Prompt
from tests import builders
from tests.builders import Cast, make_cast
from tests.scenes import go_live
from tests.servers import Web, run_web

STRANGE = "Line\r\n  two \t \n\n{{ name }} ünï 𝄞 \u2028 end  \n\n"

type Run = Callable[..., tuple[int, str]]


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with run_web(tmp_path) as running:
        yield running


@pytest.fixture
def cast(web: Web) -> Cast:
    """A text with strange blanks, a chat that includes nothing, and a text that includes another."""
    made = make_cast(is_open=True)
    text = builders.prompt(made.ada, "support/triage", text=STRANGE)
    builders.prompt(made.ada, "shared/tone", text="Be kind.")
    builders.prompt(made.ada, "support/reply", text="@@@langfusePrompt:name=shared/tone|version=1@@@ {{ b }} {{ a }}")
    chat = create_prompt(made.ada, "chat", kind="chat")
    turns = [{"role": "user", "content": "--- user\n{{ q }}"}, {"type": "placeholder", "name": "history"}]
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    create_version(made.ada, chat, {"messages": turns, "variables": schema, "config": {"a": 1.0, "b": "é"}})
    go_live(made, text.versions.select_related("prompt").get(), "production")
    return made


@pytest.fixture
def run(web: Web, cast: Cast, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("GREENROOM_URL", web.url)
    monkeypatch.setenv("GREENROOM_KEY", cast.key().token)

    def command(*words: object) -> tuple[int, str]:
        code = main([str(word) for word in words])
        said = capfd.readouterr()
        return code, said.out + said.err

    return command


def test_folder__pulled_edited_and_pushed__goes_both_ways(run: Run, cast: Cast, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    assert run("pull-files", folder)[0] == 0
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.prompt")) == [
        "chat.prompt", "shared/tone.prompt", "support/reply.prompt", "support/triage.prompt",
    ]  # fmt: skip
    assert run("diff", folder) == (0, "") and run("push", folder) == (0, "") and run("pull-files", folder) == (0, "")
    _unchanged_content_is_the_same_digest(run, cast, folder)
    _edited(run, cast, folder)
    _conflicts(run, cast, folder)
    _new_and_broken(run, cast, folder)


def _unchanged_content_is_the_same_digest(run: Run, cast: Cast, folder: Path) -> None:
    """Pushed into an empty workspace, every file comes to the digest that it was pulled with."""
    digests = {one.name: one.versions.get().digest for one in Prompt.objects.filter(workspace=cast.workspace)}
    Prompt.objects.filter(workspace=cast.workspace, name="x").exists()
    other = make_cast("elsewhere", is_open=True)
    for name in ("shared/tone", "chat", "support/triage", "support/reply"):
        one = folder / f"{name}.prompt"
        alone = folder.parent / "alone" / f"{name}.prompt"
        alone.parent.mkdir(parents=True, exist_ok=True)
        alone.write_bytes(one.read_bytes())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GREENROOM_KEY", other.key().token)
            code, said = run("push", folder.parent / "alone")
            assert code == 0, said
    assert {one.name: one.versions.get().digest for one in Prompt.objects.filter(workspace=other.workspace)} == digests


def _edited(run: Run, cast: Cast, folder: Path) -> None:
    file = folder / "support/triage.prompt"
    whole = file.read_bytes()
    file.unlink()
    assert run("diff", folder) == (1, "no file  support/triage, version 1: pull-files writes one\n")
    file.write_bytes(whole)
    file.write_bytes(file.read_bytes().replace(b"two", b"three"))
    code, said = run("diff", folder)
    assert code == 1 and "+  three" in said and "-  two" in said
    code, said = run("push", folder, "--dry-run")
    assert code == 0 and "would save support/triage.prompt as version 2" in said
    prompt = Prompt.objects.get(workspace=cast.workspace, name="support/triage")
    assert prompt.versions.count() == 1
    assert run("push", folder, "-m", "Three lines")[0] == 0
    saved = prompt.versions.get(number=2)
    assert saved.to_json()["text"] == STRANGE.replace("two", "three") and saved.message == "Three lines"
    assert b"version: 2\n" in file.read_bytes()
    assert run("diff", folder) == (0, "")


def _conflicts(run: Run, cast: Cast, folder: Path) -> None:
    prompt = Prompt.objects.get(workspace=cast.workspace, name="support/triage")
    builders.version(cast.ada, prompt, "Somebody else's {{ name }}")
    code, said = run("push", folder)
    assert code == 0 and "behind   support/triage.prompt" in said
    file = folder / "support/triage.prompt"
    mine = file.read_bytes().replace(b"three", b"four")
    file.write_bytes(mine)
    code, said = run("push", folder)
    assert code == 1 and "made of version 2, the newest is 3" in said and "write `version: 3`" in said
    assert prompt.versions.count() == 3
    code, said = run("pull-files", folder)
    assert code == 1 and "left     support/triage.prompt" in said and file.read_bytes() == mine
    # As the conflict's words say: merged by hand, made of the newest, pushed.
    file.write_bytes(mine.replace(b"version: 2\n", b"version: 3\n"))
    code, said = run("push", folder)
    assert code == 0 and "saved    support/triage.prompt, version 4" in said
    assert prompt.versions.get(number=4).based_on == 3
    builders.version(cast.ada, prompt, "Somebody else again {{ name }}")
    file.write_bytes(mine)
    assert run("push", folder)[0] == 1
    assert run("pull-files", folder, "--force")[0] == 0
    assert b"Somebody else again" in file.read_bytes()
    code, said = run("diff", folder, "--environment", "production")
    assert code == 1 and "(production, version " in said


def _new_and_broken(run: Run, cast: Cast, folder: Path) -> None:
    (folder / "new.prompt").write_text('---\nname: "new"\nkind: "text"\n---\nHello {{ x }}\n')
    code, said = run("push", folder)
    assert code == 0 and "saved    new.prompt, version 1" in said
    assert Prompt.objects.get(workspace=cast.workspace, name="new").versions.get().to_json()["text"] == "Hello {{ x }}"
    (folder / "new.prompt").write_text('---\nname: "new"\nkind: "text"\nversion: 1\n---\n{{ x.__class__ }}\n')
    code, said = run("push", folder)
    assert code == 1 and "refused  new.prompt" in said
    (folder / "bad.prompt").write_text("Hello")
    code, said = run("push", folder)
    assert code == 64 and "bad.prompt: line 1" in said
