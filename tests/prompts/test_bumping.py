"""What includes a prompt, and how all of it is brought to the newest in one step."""

from typing import Any

import pytest

from prompts_app.actions.bumping import bump_includes
from prompts_app.actions.prompts import change_prompt, create_prompt
from prompts_app.actions.versions import create_version, newest_version, yank_version
from prompts_app.include_queries import included_in, including
from prompts_app.models import Prompt, PromptVersion
from registry.core.errors import Forbidden
from tests.builders import Cast, prompt, version
from tests.scenes import go_live


def tag(name: str, what: str = "version=1") -> str:
    return f"@@@langfusePrompt:name={name}|{what}@@@"


def newest(of: Prompt) -> PromptVersion:
    found = newest_version(of)
    assert found is not None
    return found


@pytest.fixture
def tone(free: Cast) -> Prompt:
    return prompt(free.ada, 'shared/"tone"', text="Be kind.")


def test_including__prompts_by_number_and_by_label__says_what_they_have_and_whether_it_is_older(
    free: Cast, tone: Prompt
) -> None:
    go_live(free, newest(tone))
    by_number = prompt(free.ada, "a/number", text=f"{tag(tone.name)} Sort {{{{ it }}}}.")
    by_label = prompt(free.ada, "b/label", text=f"{tag(tone.name, 'label=production')} and {tag(tone.name)}")
    prompt(free.ada, "c/talks of it", text=f"name={tone.name}|")
    gone = prompt(free.ada, "d/archived", text=tag(tone.name))
    change_prompt(free.ada, gone, archived=True)
    theirs = prompt(free.linus, tone.name, text="Be rude.")
    prompt(free.linus, "e/elsewhere", text=tag(theirs.name))
    assert [(one.version.prompt, one.numbers, one.is_behind) for one in including(tone)] == [
        (by_number, (1,), False),
        (by_label, (1,), False),
    ]

    second = version(free.ada, tone, "Be kind and short.")
    assert [one.is_behind for one in including(tone)] == [True, True]
    assert [(one.version, one.newest, one.is_older) for one in included_in(newest(by_number))] == [(1, 2, True)]
    yank_version(free.ada, second, reason="too short")
    assert [one.is_behind for one in including(tone)] == [False, False]


def test_bump__everything_that_is_behind__is_a_version_of_its_own_and_once_is_enough(free: Cast, tone: Prompt) -> None:
    chat = create_prompt(free.ada, "a/chat", kind="chat")
    said = [{"role": "system", "content": f"{tag(tone.name)} {tag('other')}"}, {"role": "user", "content": "{{ it }}"}]
    prompt(free.ada, "other", text="Other.")
    create_version(free.ada, chat, {"messages": said, "config": {"temperature": 0}})
    version(free.ada, tone, "Be kind to {{ whom }}.")
    closed = prompt(free.ada, "b/closed", text=None)
    declared = {"type": "object", "properties": {"it": {"type": "string"}}}
    create_version(free.ada, closed, {"text": f"{tag(tone.name)} {{{{ it }}}}", "variables": declared})

    done = {one.name: one for one in bump_includes(free.grace, tone)}

    saved = newest(chat)
    assert done["a/chat"].version == saved and (saved.number, saved.author_id) == (2, free.grace.member_id)
    assert saved.editable()["messages"] == [
        {"role": "system", "content": f"{tag(tone.name, 'version=2')} {tag('other')}"},
        {"role": "user", "content": "{{ it }}"},
    ]
    variables: Any = saved.to_json()["variables"]
    assert variables["required"] == ["whom", "it"]
    assert saved.to_json()["config"] == {"temperature": 0}
    assert done["b/closed"].version is None and "whom" in done["b/closed"].why
    assert newest(closed).number == 1
    assert [one.name for one in bump_includes(free.grace, tone)] == ["b/closed"]
    with pytest.raises(Forbidden):
        bump_includes(free.vera, tone)
