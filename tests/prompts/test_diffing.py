import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts_app.content import parse_content
from prompts_app.diffing import compare


def text(value, **fields):
    return parse_content("text", {"text": value, **fields})


def chat(*messages, **fields):
    turns = [
        {"role": role, "content": content} if role != "placeholder" else {"type": role, "name": content}
        for role, content in messages
    ]
    return parse_content("chat", {"messages": turns, **fields})


def ops(diff):
    return [(message.op, message.role, message.old, message.new) for message in diff.messages]


SYSTEM = ("system", "You sort banking questions into intents. Answer with the label only.")
EXAMPLE = [
    ("user", "My card has not come"),
    ("assistant", "card"),
    ("user", "What is the rate?"),
    ("assistant", "exchange"),
]
contents = st.text(alphabet="ab \n", max_size=12)
turns = st.tuples(st.sampled_from(["system", "user", "assistant", "placeholder"]), contents).map(
    lambda turn: turn if turn[0] != "placeholder" else ("placeholder", "history")
)
chats = st.lists(turns, min_size=1, max_size=7)


def test_compare__a_word_in_a_text__words_as_the_api_says():
    diff = compare(text("Say hi to {{ name }}"), text("Say hello to {{ name }}"))
    assert diff.to_json() == {
        "messages": [
            {
                "op": "changed",
                "role": None,
                "words": [["same", "Say "], ["delete", "hi"], ["insert", "hello"], ["same", " to {{ name }}"]],
            }
        ],
        "fields": [],
        "contract": [],
        "breaking": False,
    }


def test_compare__equal_versions__is_empty():
    diff = compare(chat(SYSTEM, *EXAMPLE), chat(SYSTEM, *EXAMPLE))
    assert diff.is_empty
    assert {message.op for message in diff.messages} == {"same"}


def test_compare__examples_added_between__the_rest_is_the_same():
    diff = compare(chat(SYSTEM, ("user", "{{ text }}")), chat(SYSTEM, *EXAMPLE, ("user", "{{ text }}")))
    assert [message.op for message in diff.messages] == ["same", "added", "added", "added", "added", "same"]


def test_compare__a_message_removed__stands_where_it_was():
    diff = compare(chat(SYSTEM, *EXAMPLE), chat(SYSTEM, *EXAMPLE[:2], *EXAMPLE[3:]))
    assert ops(diff)[3] == ("removed", "user", 3, None)


def test_compare__two_examples_swapped__the_pair_that_moved_is_one_entry_each():
    diff = compare(chat(SYSTEM, *EXAMPLE), chat(SYSTEM, *EXAMPLE[2:], *EXAMPLE[:2]))
    assert sorted(message.op for message in diff.messages) == ["moved", "moved", "same", "same", "same"]
    assert [message.new for message in diff.messages] == [0, 1, 2, 3, 4]


def test_compare__a_changed_message_beside_a_new_one__the_alike_are_matched():
    old = chat(SYSTEM, ("user", "Classify this question of a customer: {{ text }}"))
    new = chat(SYSTEM, ("user", "Here is something else entirely"), ("user", "Classify this question: {{ text }}"))
    assert ops(compare(old, new))[1:] == [("added", "user", None, 1), ("changed", "user", 1, 2)]


def test_compare__a_role_changed__is_a_field_and_the_words_are_the_same():
    diff = compare(chat(SYSTEM, ("user", "x")), chat(("developer", SYSTEM[1]), ("user", "x")))
    assert [(field.path, field.old, field.new) for field in diff.fields] == [
        ("messages[0].role", "system", "developer")
    ]
    assert diff.messages[0].op == "changed"
    assert [run.op for run in diff.messages[0].words] == ["same"]


def test_compare__parts__text_as_words_and_the_rest_as_fields():
    def parts(body, detail):
        image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": detail}}
        return chat(("user", [{"type": "text", "text": body}, image]))

    diff = compare(parts("Look at this", "low"), parts("Look at that", "high"))
    assert [field.path for field in diff.fields] == ["messages[0].content[1].image_url.detail"]
    assert ("delete", "this") in [tuple(run) for run in diff.messages[0].words]


def test_compare__a_text_becomes_a_part_with_the_same_text__is_a_change():
    diff = compare(chat(("user", "x")), chat(("user", [{"type": "text", "text": "x"}])))
    assert diff.messages[0].op == "changed"
    assert [field.path for field in diff.fields] == ["messages[0].content"]


def test_compare__a_placeholder_renamed__shows_its_name():
    diff = compare(chat(SYSTEM, ("placeholder", "history")), chat(SYSTEM, ("placeholder", "turns")))
    assert ops(diff)[1] == ("changed", "placeholder", 1, 1)
    assert [tuple(run) for run in diff.messages[1].words] == [("delete", "history"), ("insert", "turns")]


def test_compare__settings_and_schema__fields_by_path_and_a_breaking_contract():
    variables = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    old = text("{{ text }}", config={"model": "a", "temperature": 0}, variables=variables)
    new = text(
        "{{ text }}", config={"model": "b", "temperature": 0}, variables={**variables, "required": ["text", "city"]}
    )
    diff = compare(old, new)
    assert [(field.path, field.op) for field in diff.fields] == [
        ("variables.required[1]", "added"),
        ("config.model", "changed"),
    ]
    assert [change.to_json() for change in diff.contract] == [
        {"variable": "city", "change": "added_required", "level": "breaking"}
    ]
    assert diff.breaking


def test_compare__nothing_before__all_is_added_and_nothing_breaks():
    variables = {"type": "object", "properties": {"a": {}}, "required": ["a"]}
    diff = compare(None, text("{{ a }}", variables=variables, config={"model": "m"}))
    assert [message.op for message in diff.messages] == ["added"]
    assert [(field.path, field.op) for field in diff.fields] == [
        ("template_format", "added"),
        ("variables", "added"),
        ("config", "added"),
    ]
    assert (diff.contract, diff.breaking) == ((), False)


@given(chats, chats)
def test_compare__any_two_chats__every_message_of_both_once_and_its_text_exactly(before, after):
    diff = compare(chat(*before), chat(*after))
    assert [message.new for message in diff.messages if message.new is not None] == list(range(len(after)))
    assert sorted(message.old for message in diff.messages if message.old is not None) == list(range(len(before)))
    for message in diff.messages:
        old = "".join(run.text for run in message.words if run.op != "insert")
        new = "".join(run.text for run in message.words if run.op != "delete")
        assert old == ("" if message.old is None else before[message.old][1])
        assert new == ("" if message.new is None else after[message.new][1])
        assert (message.op == "added") == (message.old is None)
        assert (message.op == "removed") == (message.new is None)
    assert diff.is_empty == (before == after)


@pytest.mark.parametrize("count", [40, 900])
def test_compare__many_messages_all_changed__each_is_matched_with_its_own(count):
    old = chat(*[("user", f"question {n} about cards") for n in range(count)])
    new = chat(*[("user", f"request {n} about cards") for n in range(count)])
    diff = compare(old, new)
    assert ops(diff) == [("changed", "user", n, n) for n in range(count)]
