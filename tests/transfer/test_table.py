"""Tables of prompts: what rows become, and what is said of those that become nothing."""

import pytest

from prompts_app.transfer.table import is_table, read_table
from registry.core.errors import Invalid


@pytest.mark.parametrize(
    "text",
    [
        'name,text,tags\nsupport/triage,"Sort, please:\n{{ message }}","one, two"\n',
        '\ufeffName;Text;Tags\r\nsupport/triage;"Sort, please:\n{{ message }}";one, two\r\n',
        'tags\tprompt\tact\none, two\t"Sort, please:\n{{ message }}"\tsupport/triage',
    ],
)
def test_table__in_any_common_form__is_the_same_prompt(text: str) -> None:
    assert is_table(text)
    [found] = read_table(text)

    assert (found.name, found.kind, found.tags) == ("support/triage", "text", ("one", "two"))
    assert found.versions[0].content == {"template_format": "plain", "text": "Sort, please:\n{{ message }}"}


def test_table__name_that_no_prompt_may_have__becomes_one_near_to_it_and_says_so() -> None:
    [found] = read_table("act,prompt\n Linux | Terminal ,You are a terminal\n")

    assert found.name == "linux-terminal" and "Linux | Terminal" in found.notes[0]


def test_table__with_mistakes__names_each_row_and_is_taken_for_nothing() -> None:
    with pytest.raises(Invalid) as refused:
        read_table("name,text\na,one\n,two\nb,\na,again\n\n")

    assert [(error.field, error.code) for error in refused.value.errors] == [
        ("row 3", "format"),
        ("row 4", "format"),
        ("row 5", "unique"),
    ]


def test_table__without_the_columns_it_needs__says_which_those_are_and_which_are_there() -> None:
    with pytest.raises(Invalid) as refused:
        read_table("Titel,Inhalt\nGruss,Hallo\n")

    [error] = refused.value.errors
    assert "name or act or title" in error.message and "titel, inhalt" in error.message


@pytest.mark.parametrize("text", ["---\nname: x\n---\nuser:\nHi", "user:\nname and text, here", "a,b\n1,2", "", '"'])
def test_table__other_files__are_none(text: str) -> None:
    assert not is_table(text)
