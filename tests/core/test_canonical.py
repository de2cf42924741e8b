import hashlib
import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.canonical import InvalidJson, canonical_json, check_text, digest, parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=30)


@given(VALUES)
def test_canonical_json__any_value__reads_back_the_same(value):
    assert parse_json(canonical_json(value)) == value


@given(st.dictionaries(TEXT, VALUES))
def test_digest__keys_in_another_order__is_the_same(value):
    turned = dict(reversed(value.items()))
    assert digest(turned) == digest(value)
    assert list(parse_json(json.dumps(turned))) == list(turned)


def test_canonical_json__characters_and_keys__come_plain_and_by_code_point():
    value = {"ä": 1, "z": [1.0, "é\r\n", True], "Z": {"b": None, "a": "<&>'"}}
    text = '{"Z":{"a":"<&>\'","b":null},"z":[1.0,"é\\r\\n",true],"ä":1}'
    assert canonical_json(value) == text
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**64, -(2**63) - 1, "a\0", "\ud800", {1: 2}, {"\0": 1}, {1}]
)
def test_canonical_json__what_is_not_json__is_refused_with_its_path(value):
    with pytest.raises(InvalidJson) as refusal:
        canonical_json({"config": [value]})
    assert refusal.value.path.startswith("config[0]")


@pytest.mark.parametrize(
    "text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "[1,]", "{'a': 1}", "01", "", "\ufeff1", "nul"]
)
def test_parse_json__not_json__is_refused(text):
    with pytest.raises(InvalidJson):
        parse_json(text)


@pytest.mark.parametrize(
    ("number", "is_taken"),
    [
        ("18446744073709551615", True),
        ("18446744073709551616", False),
        ("-9223372036854775808", True),
        ("-9223372036854775809", False),
        ("9" * 5000, False),
        ("1" + "0" * 100_000, False),
        ("-0", True),
    ],
)
def test_parse_json__integers__are_taken_up_to_64_bits(number, is_taken):
    if is_taken:
        assert parse_json(number) == int(number)
    else:
        with pytest.raises(InvalidJson, match="64 bits"):
            parse_json(number)


@pytest.mark.parametrize("depth", [61, 100, 1_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('{"a":[', "]}")])
def test_parse_json__nested_too_deep__is_refused_with_the_position(depth, opening, closing):
    with pytest.raises(InvalidJson, match="deeper than 60") as refusal:
        parse_json(opening * depth + "1" + closing * depth)
    assert refusal.value.position is not None
    with pytest.raises(InvalidJson):
        parse_json(opening * depth)


def test_parse_json__brackets_in_strings__are_no_depth():
    value = ["[" * 1000 + '\\"' + "{" * 1000]
    assert parse_json(json.dumps(value)) == value
    deep = parse_json("[" * 60 + "]" * 60)
    assert deep != []


def test_parse_json__duplicate_keys__are_refused_by_name_wherever_they_are():
    with pytest.raises(InvalidJson, match='"temperature" appears twice'):
        parse_json('{"config": [{"temperature": 1, "top_p": 1, "temperature": 0}]}')


def test_parse_json__key_order__is_kept():
    assert list(parse_json('{"z": 1, "a": 2, "m": 3}')) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("text", "path", "position"),
    [
        ('{"messages": [{"content": "ab\\u0000"}]}', "messages[0].content", 2),
        ('{"messages": [1, "\\ud800"]}', "messages[1]", 0),
        ('"x\\udfff"', "", 1),
        ('{"a": {"b\\u0000": 1}}', "a (a key)", 1),
    ],
)
def test_parse_json__nul_and_lone_surrogates__are_refused_with_path_and_position(text, path, position):
    with pytest.raises(InvalidJson) as refusal:
        parse_json(text)
    assert (refusal.value.path, refusal.value.position) == (path, position)


def test_parse_json__bytes__must_be_utf_8():
    assert parse_json('"é😀"'.encode()) == "é😀"
    assert parse_json(b'"\\ud83d\\ude00"') == "😀"
    with pytest.raises(InvalidJson) as refusal:
        parse_json(b'"abc\xff"')
    assert refusal.value.position == 4


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_parse_json__any_input__is_a_value_or_a_refusal(text):
    with suppress(InvalidJson):
        parse_json(text)


def test_check_text__ordinary_text__passes():
    check_text("NFC é, NFD e\u0301, 👩‍👩‍👧, \ufeff, \u202e bidi, \r\n and trailing  ")


@pytest.mark.parametrize("last", ["1", '"\\ud800"'])
def test_parse__many_values_below_a_long_key__are_read_in_little_memory(last: str) -> None:
    """Where a value stands is told of mistakes only: told of each value it is as long as the body, as often as it has values."""
    body = f'{{"{"k" * 100_000}": [{",".join(["1"] * 2_000)},{last}]}}'
    tracemalloc.start()
    with suppress(InvalidJson):
        parse_json(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
