"""What evaluation tells the editor: the models to choose from, and the suites that a save starts.

The app above says so when it is ready (`tell_by`); without it there is neither, and versions are written all the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


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
class Evaluation:
    """Who answers: offers of a workspace, by its id; suites that a save starts, by the prompt's id. One query each."""

    offers: Callable[[int], Sequence[ModelOffer]]
    starts: Callable[[int], Sequence[StartingSuite]]


_told: list[Evaluation] = [Evaluation(lambda _: (), lambda _: ())]


def tell_by(evaluation: Evaluation) -> None:
    """Ask this one from now on; called once, when the app above is ready."""
    _told[:] = [evaluation]


def offers(workspace_id: int) -> Sequence[ModelOffer]:
    """The models that can be asked in a workspace."""
    return _told[0].offers(workspace_id)


def starts(prompt_id: int) -> Sequence[StartingSuite]:
    """The suites that run on each new version of a prompt."""
    return _told[0].starts(prompt_id)
