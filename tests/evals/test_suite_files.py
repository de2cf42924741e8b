"""Cases as files and back: lossless, harmless for spreadsheets, refused by line; drafts and differences of versions."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals_app.actions.suite_drafts import add_cases, add_to_suite, draft_content, find_draft, save_suite_draft
from evals_app.actions.suites import create_suite, find_suite_version, save_suite_version
from evals_app.draft_queries import editor_sheet
from evals_app.files.reading import read_file
from evals_app.files.writing import cases_as_csv
from evals_app.suite_diff import compare_suites
from evals_app.suite_queries import suite_sheet
from evals_app.version_queries import compare_versions
from registry.core.canonical import is_storable
from registry.core.csv_cells import DANGEROUS, csv_lines, defused
from registry.core.errors import Conflict, Invalid
from tests.builders import Cast
from tests.evals import building

texts = st.text(st.sampled_from("=+-@\t\r'\"ab,;|\n ü💡1") | st.characters(codec="utf-8")).filter(is_storable)
values = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts | st.lists(texts, max_size=2)
cases = st.lists(
    st.fixed_dictionaries(
        {"variables": st.dictionaries(texts.filter(lambda name: name.strip() == name != ""), values, max_size=3)},
        optional={
            "expected": values.filter(lambda value: value is not None),
            "tags": st.lists(st.text("ab,=", min_size=1, max_size=4), min_size=1, max_size=2, unique=True),
            "critical": st.just(True),
            "cluster": texts.filter(bool).map(lambda text: text[:200]),
            "messages": st.just([{"role": "user", "content": "=1"}]),
            "combine": st.just("any"),
        },
    ),
    min_size=1,
    max_size=4,
)


@given(cases)
def test_cases__exported_as_csv_and_imported__are_the_same(found: list[dict[str, object]]) -> None:
    given_cases = [{"key": f"={index}", **case} for index, case in enumerate(found)]
    text = "".join(cases_as_csv(given_cases))  # type: ignore[arg-type]

    read = read_file("csv", text)

    assert read.reading.mistakes == ()
    assert [dict(one.case) for one in read.reading.cases] == given_cases
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(cell.startswith(DANGEROUS) for cell in row)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "\0x", "\uff1d1", "'=x", "''-", "'plain", "plain", ""]
)
def test_cell__that_a_spreadsheet_would_run__gets_a_quote_that_reading_takes_away(text: str) -> None:
    cell = defused(text)
    assert (cell != text) == (text.lstrip("'")[:1] in DANGEROUS and text != "")
    [line] = csv_lines([["key", "v"]])
    assert line == "key,v\r\n"


@pytest.mark.parametrize(
    ("text", "line", "column", "said"),
    [
        ('key,text\na,"open\nb,c\n', 2, "", "close its quotes"),
        ("key,text\na,b,c\n", 2, "", "more cell"),
        ("text,answer\nfirst\nhalf,card\n", 2, "answer", "ends before it"),
        ("key,text,messages\na,b,\nc,d,[{\n", 3, "messages", "is not JSON"),
        ("key,text,critical\na,b,perhaps\n", 2, "critical", "write true or false"),
        ('key,text\n"a\nb",c\n', 2, "key", "without control characters"),
        ('key,text,messages\na,b,"[{""role"": ""user""}]"\n', 2, "messages", "content"),
        (f"key,text\n{'k' * 201},b\n", 2, "key", "between 1 and 200"),
    ],
)
def test_file__with_a_mistake__names_line_and_column_and_what_to_do(
    text: str, line: int, column: str, said: str
) -> None:
    [mistake, *_] = read_file("csv", text).reading.mistakes
    assert (mistake.line, mistake.column) == (line, column) and said in mistake.text


@pytest.mark.parametrize(
    "text",
    [
        "text\tanswer\na\tb\n",
        "text,answer,tags\na,b\n",
        "sep=;\r\ntext;answer\r\na;b\r\n",
        "\ufefftext|answer\na|b",
        '"text";"answer"\n"a";"b"',
    ],
)
def test_file__of_other_spreadsheets__is_read_as_it_is_meant(text: str) -> None:
    [one] = read_file("csv", text.removeprefix("\ufeff")).reading.cases
    assert one.case == {"key": "a", "variables": {"text": "a"}, "expected": "b"}


def test_lines__of_json__that_are_no_cases_are_mapped_and_cases_are_not() -> None:
    mapped = read_file("jsonl", '{"question": "a", "answer": 5}\n\n{"question": "b"}\nx\n[1]\n')
    native = read_file("jsonl", '{"key": "a", "variables": {"q": 1}, "tags": "x"}\n{"key": "b"}\n')

    assert [one.case["expected"] for one in mapped.reading.cases if "expected" in one.case] == [5]
    assert [one.line for one in mapped.reading.mistakes] == [4, 5]
    assert native.columns == () and [(one.line, one.column) for one in native.reading.mistakes] == []
    assert [one.case.get("tags") for one in native.reading.cases] == [["x"], None]


def test_versions__compared__say_which_cases_scorers_and_rules_differ(cast: Cast) -> None:
    suite = building.suite(cast.ada, of=building.cases(40))
    changed = building.cases(41)[1:]
    changed[0] = {**changed[0], "variables": {"q": "other"}, "critical": True}
    rules = {"scorers": [{"kind": "equals", "weight": 2}, {"kind": "regex", "value": "x"}], "margin": 0.2, "repeats": 1}
    save_suite_version(cast.ada, suite, {"cases": changed, **rules})  # type: ignore[dict-item]

    found = compare_versions(find_suite_version(suite, 1), find_suite_version(suite, 2))

    assert found.counts == {"added": 1, "removed": 1, "changed": 1, "unchanged": 38}
    one = next(case for case in found.cases if case.op == "changed")
    assert [(field.field, field.old, field.new) for field in one.fields] == [
        ("variables.q", "1", "other"),
        ("critical", None, True),
    ]
    assert [(scorer.name, scorer.op) for scorer in found.scorers] == [("equals", "changed"), ("regex", "added")]
    assert [(field.field, field.old, field.new) for field in found.rules] == [("margin", 0.1, 0.2)]


def test_values__that_only_look_equal__differ() -> None:
    sides = [{"a": {"variables": {"q": value}}} for value in (1, True)]
    assert compare_suites({}, sides[0], {}, sides[1]).counts["changed"] == 1  # type: ignore[arg-type]


def test_draft__of_10000_cases__is_paged_and_counted_in_a_fixed_number_of_queries(
    cast: Cast, django_assert_num_queries: object, django_assert_max_num_queries: object
) -> None:
    suite = create_suite(cast.ada, "large", title="Large")
    add_cases(cast.ada, suite, [{"key": f"k{n}", "variables": {"q": f"{n}"}, "expected": "x"} for n in range(10_000)])
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        sheet = editor_sheet(suite, cast.ada.member_id or 0, page="400")
    assert (sheet.count, sheet.last_page, len(sheet.rows)) == (10_000, 400, 25)
    with pytest.raises(Invalid, match="at most 10,000"):
        add_cases(cast.ada, suite, [{"key": "more"}])

    saved = save_suite_draft(cast.ada, suite)
    suite.refresh_from_db()
    with django_assert_max_num_queries(8):  # type: ignore[operator]
        shown = suite_sheet(suite, saved.version, tag="", page="200")
    assert saved.version.cluster_count == 10_000 and len(shown.cases) == 50


def test_case__added_to_a_suite__is_in_the_draft_with_a_key_of_its_own(cast: Cast) -> None:
    suite = building.suite(cast.ada)
    made = add_to_suite(cast.ada, suite, {"key": "case-1", "variables": {"q": "x"}, "expected": "y"})
    assert made.key == "case-1 (2)"
    assert draft_content(find_draft(cast.ada, suite))["cases"][-1]["expected"] == "y"  # type: ignore[index, call-overload]
    with pytest.raises(Invalid):
        add_to_suite(cast.ada, suite, {"key": "", "variables": 5})


def test_draft__saved_over_a_version_it_does_not_know__is_a_conflict(cast: Cast) -> None:
    suite = building.suite(cast.ada)
    add_cases(cast.ada, suite, [{"key": "mine", "expected": "1"}])
    save_suite_version(cast.grace, suite, {"cases": building.cases(70), "scorers": [{"kind": "equals"}], "margin": 0.1})
    with pytest.raises(Conflict, match="Grace saved version 2"):
        save_suite_draft(cast.ada, suite)
    with pytest.raises(Conflict, match="version 2"):
        save_suite_draft(cast.ada, suite, over=1)
    assert save_suite_draft(cast.ada, suite, over=2).version.number == 3
