"""What evaluation tells pages of prompts: the models to choose from, a prompt's suites, what checks are called.

The app above says so when it is ready (`tell_by`); without it there is none of it, and versions are written all the same.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

SUITE = "suite/"  # what names of checks that suites answer begin with
LIVE = re.compile(r"\blive (v\d+)\b")  # how a verdict names what it was held against


class Answer(NamedTuple):
    """What a check says of a version, by its name and state."""

    name: str
    state: str

    @property
    def words(self) -> str:
        """The state with what it is of, for where a name has no room: `suite running`."""
        said = {"pending": "running", "missing": "not run"}.get(self.state, self.state)
        return f"{self.kind} {said}"

    @property
    def kind(self) -> str:
        """What it is of: a suite, or a check that another system answers."""
        return "suite" if self.name.startswith(SUITE) else "check"


@dataclass(frozen=True)
class ModelOffer:
    """A provider and the models it offers; the first one is its default."""

    provider: str
    models: tuple[str, ...]
    is_default: bool = False


@dataclass(frozen=True)
class StartingSuite:
    """A suite that is asked of each new version of a prompt."""

    title: str
    slug: str
    cases: int
    is_required: bool


@dataclass(frozen=True)
class OptionalSuites:
    """The titles of those attached to a prompt that are not required of it; and whether the workspace has any suite at all."""

    titles: tuple[str, ...] = ()
    is_any: bool = False


@dataclass(frozen=True)
class Evaluation:
    """Who answers: offers of a workspace, by its id; suites that a save starts, by the prompt's id; titles of checks such as
    `suite/triage`, by a workspace's id and their names; suites that are not required, by ids of workspace and prompt. One
    query each."""

    offers: Callable[[int], Sequence[ModelOffer]]
    starts: Callable[[int], Sequence[StartingSuite]]
    titles: Callable[[int, Sequence[str]], Mapping[str, str]]
    optional: Callable[[int, int], OptionalSuites]


_told: list[Evaluation] = [Evaluation(lambda _: (), lambda _: (), lambda _, __: {}, lambda _, __: OptionalSuites())]


def tell_by(evaluation: Evaluation) -> None:
    """Ask this one from now on; called once, when the app above is ready."""
    _told[:] = [evaluation]


def offers(workspace_id: int) -> Sequence[ModelOffer]:
    """The models that can be asked in a workspace."""
    return _told[0].offers(workspace_id)


def starts(prompt_id: int) -> Sequence[StartingSuite]:
    """The suites that run on each new version of a prompt."""
    return _told[0].starts(prompt_id)


def optional_suites(workspace_id: int, prompt_id: int) -> OptionalSuites:
    """The suites that could be required of a prompt, and are not."""
    return _told[0].optional(workspace_id, prompt_id)


def called(name: str, titles: Mapping[str, str]) -> str:
    """A check inside a sentence: its title in quotes, where it has one."""
    return f"“{titles[name]}”" if name in titles else name


def as_of_then(said: str, number: int | None = None) -> str:
    """What a suite said of a version beside the one that was live, for a time at which that is live no more; `number` is
    its number, where it is known otherwise than from the text."""
    named = LIVE.search(said)
    which = f" (v{number})" if number else f" ({named[1]})" if named else ""
    told = LIVE.sub(r"\1", said).replace("the live version", f"what was live then{which}")
    return told.replace("fails now:", "fails:")


def titles_of(workspace_id: int, names: Iterable[str]) -> Mapping[str, str]:
    """Titles of those of the checks that suites answer; the others go by their names. One query, none where there are none."""
    asked = sorted({name for name in names if name.startswith(SUITE)})
    return _told[0].titles(workspace_id, asked) if asked else {}
