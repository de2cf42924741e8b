"""Every fault has a test that names it in the table, and a row in the documentation that names the test."""

import re

from tests.faults.table import FAULTS
from tests.guards.test_project import ROOT

ROW = re.compile(r"^\| F(\d+) [^|]+ \| ([^|]+) \|$", re.MULTILINE)


def test_faults__are_all_in_the_documentation_with_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    part = page.partition("## Every fault and its test")[2].partition("\n## ")[0]
    rows = {int(number): re.findall(r"`(tests/[\w/]+\.py)`", tests) for number, tests in ROW.findall(part)}
    assert tuple(rows) == FAULTS
    assert {number for number, tests in rows.items() if not tests} == set()
    assert [name for tests in rows.values() for name in tests if not (ROOT / name).is_file()] == []


def test_faults__all_have_a_line_of_the_table() -> None:
    told = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for named in re.findall(r"\"(F\d+(?:, F\d+)*) ", path.read_text()):
            told |= {int(number) for number in re.findall(r"\d+", named)}
    assert set(FAULTS) - told == set()
