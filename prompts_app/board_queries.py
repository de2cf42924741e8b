"""The board: prompts by environments, with what is live where and what the checks say of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.core.paginator import Page, Paginator
from django.db.models import F, Func, Q, QuerySet, TextField, Value

from prompts_app.models import Environment, LivePointer, Prompt, PromptVersion, VersionCheck

PAGE_SIZE = 100
# What matters most comes first: one failed check outweighs any number of passed ones.
WORST_FIRST = ("failed", "error", "inconclusive", "pending", "passed")


@dataclass(frozen=True)
class Search:
    """What of the board is asked for; empty strings ask for everything."""

    text: str = ""
    tag: str = ""
    folder: str = ""
    archived: bool = False


@dataclass(frozen=True)
class Cell:
    """One prompt in one environment; `number` is None where nothing is live."""

    environment: Environment
    number: int | None
    check: str
    behind: int


@dataclass(frozen=True)
class Row:
    """One prompt on the board; `check` is of its newest version."""

    prompt: Prompt
    check: str
    changed_at: datetime
    changed_by: str
    cells: tuple[Cell, ...]

    @property
    def leaf(self) -> str:
        """The last part of the name."""
        return self.prompt.name.rpartition("/")[2]


@dataclass(frozen=True)
class Folder:
    """Prompts next to each other; `name` is empty at the top."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Board:
    """One page of the board, in folders."""

    environments: tuple[Environment, ...]
    folders: tuple[Folder, ...]
    page: "Page[Prompt]"

    @property
    def width(self) -> int:
        """How many columns the table has."""
        return len(self.environments) + 3


def board(workspace_id: int, search: Search, *, page: str | int | None = 1) -> Board:
    """One page of prompts, by folder and name. Six queries, whatever the number of rows."""
    environments = tuple(Environment.objects.in_workspace(workspace_id))
    found: Page[Prompt] = Paginator(_found(workspace_id, search), PAGE_SIZE).get_page(page)
    prompts = list(found.object_list)
    newest = _newest(prompts)
    pointers = {(one.prompt_id, one.environment_id): one for one in _pointers(prompts)}
    checks = check_states(prompts)
    rows = [_row(prompt, environments, newest, pointers, checks) for prompt in prompts]
    folders = groupby(rows, key=lambda row: row.prompt.name.rpartition("/")[0])
    return Board(environments, tuple(Folder(name, tuple(inside)) for name, inside in folders), found)


def all_tags(workspace_id: int) -> list[str]:
    """Every tag in use, in order; one query."""
    tags = Func(F("tags"), function="unnest", output_field=TextField())
    rows = Prompt.objects.in_workspace(workspace_id).archived(False).annotate(one=tags)
    return list(rows.order_by("one").values_list("one", flat=True).distinct())


def check_states(prompts: Iterable[Prompt]) -> dict[tuple[int, str], str]:
    """For each prompt and digest that was checked: the worst of the newest answers, by name of the check; one query."""
    rows = (
        VersionCheck.objects.filter(prompt__in=list(prompts))
        .order_by("prompt", "digest", "name", "-pk")
        .distinct("prompt", "digest", "name")
        .values_list("prompt_id", "digest", "state")
    )
    states: dict[tuple[int, str], set[str]] = defaultdict(set)
    for prompt_id, digest, state in rows:
        states[prompt_id, digest].add(state)
    return {place: worst(found) for place, found in states.items()}


def worst(states: Iterable[str]) -> str:
    """The state that matters most; empty when there is none."""
    found = set(states)
    return next((state for state in WORST_FIRST if state in found), "")


def _found(workspace_id: int, search: Search) -> QuerySet[Prompt]:
    rows = Prompt.objects.in_workspace(workspace_id).archived(search.archived).in_folder(search.folder)
    rows = rows.matching(search.text).defer("searchable", "search")
    if search.tag:
        rows = rows.filter(tags__contains=[search.tag])
    folder = Func(F("name"), Value("/?[^/]*$"), Value(""), function="regexp_replace", output_field=TextField())
    return rows.alias(folder=folder).order_by("folder", "name")


def _newest(prompts: Sequence[Prompt]) -> dict[int, PromptVersion]:
    rows = PromptVersion.objects.filter(prompt__in=prompts, number=F("prompt__last_number"))
    return {row.prompt_id: row for row in rows.only("prompt_id", "number", "digest", "author_name", "created_at")}


def _pointers(prompts: Sequence[Prompt]) -> QuerySet[LivePointer]:
    rows = LivePointer.objects.live().filter(Q(prompt__in=prompts)).select_related("deployment__version")
    return rows.only("prompt_id", "environment_id", "deployment__version__number", "deployment__version__digest")


def _row(
    prompt: Prompt,
    environments: Sequence[Environment],
    newest: dict[int, PromptVersion],
    pointers: dict[tuple[int, int], LivePointer],
    checks: dict[tuple[int, str], str],
) -> Row:
    last = newest.get(prompt.pk)
    cells = []
    for environment in environments:
        pointer = pointers.get((prompt.pk, environment.pk))
        version = pointer.deployment.version if pointer and pointer.deployment else None
        if version is None:
            cells.append(Cell(environment, None, "", 0))
        else:
            check = checks.get((prompt.pk, version.digest), "")
            cells.append(Cell(environment, version.number, check, prompt.last_number - version.number))
    return Row(
        prompt=prompt,
        check=checks.get((prompt.pk, last.digest), "") if last else "",
        changed_at=last.created_at if last else prompt.created_at,
        changed_by=last.author_name if last else "",
        cells=tuple(cells),
    )
