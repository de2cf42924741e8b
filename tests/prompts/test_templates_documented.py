"""What docs/templates.md promises is what the sandbox has, no more and no less."""

import re
from pathlib import Path

import pytest

from prompts_app import content, includes
from prompts_app.sandbox import budget, client, environment, filters, guards, policy, rendering, worker
from registry.core import canonical

PAGE = Path(__file__).parents[2].joinpath("docs/templates.md").read_text()


def row(title):
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {title}")]
    return line


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("filters", filters.FILTERS),
        ("tests", filters.TESTS),
        ("methods", filters.METHODS),
        ("fields of `loop`", environment.LOOP_FIELDS),
    ],
)
def test_page__names__are_those_of_the_sandbox(title, names):
    assert set(re.findall(r"`([^`]+)`", row(title).split("|", 2)[2])) == set(names)


@pytest.mark.parametrize(
    ("title", "numbers"),
    [
        (
            "template, with",
            [content.MAX_TEMPLATE_BYTES, rendering.MAX_TAGS, policy.MAX_DEPTH, content.MAX_MESSAGES],
        ),
        ("variables", [client.MAX_VARIABLES_BYTES, canonical.MAX_DEPTH, 64]),
        ("steps", [budget.MAX_STEPS]),
        ("one value", [budget.MAX_CHARACTERS]),
        ("`range`", [guards.MAX_RANGE]),
        ("loops inside", [policy.MAX_LOOPS]),
        ("whole numbers", [budget.MAX_NUMBER_BITS]),
        ("groups", [filters.MAX_GROUPS]),
        ("time", [int(client.SECONDS)]),
        ("memory", [worker.MEMORY_BYTES // 1024 // 1024]),
    ],
)
def test_page__limits__are_those_of_the_sandbox(title, numbers):
    told = re.findall(r"[\d,]+", row(title).rsplit("|", 2)[1])
    assert [int(number.replace(",", "")) for number in told if number != ","] == numbers


def test_page__includes__are_told_with_their_limits():
    assert includes.MAX_DEPTH == 5
    assert "five levels deep" in PAGE
    assert f"{includes.MAX_TAGS} different ones" in PAGE
