"""The board: prompts by environments, with what is live where, what is on its way, and what the checks say of both."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, Func, Max, Min, Q, QuerySet, TextField, Value, When, Window
from django.db.models.functions import Lower, Reverse, StrIndex, Substr

from prompts_app.evaluation import Answer
from prompts_app.models import Environment, LivePointer, Promotion, Prompt, PromptVersion, VersionCheck

PAGE_SIZE = 100
MOST_SUBFOLDERS = 200
# What matters most comes first: one failed check outweighs any number of passed ones.
WORST_FIRST = ("failed", "error", "inconclusive", "pending", "passed")


@dataclass(frozen=True)
class Search:
    """What of the board is asked for; empty strings ask for everything.

    `drift`: only what is live in different versions; `mine`: only what that member made, wrote or drafts (0 for all).
    """

    text: str = ""
    tag: str = ""
    folder: str = ""
    archived: bool = False
    drift: bool = False
    mine: int = 0

    @property
    def is_narrow(self) -> bool:
        """True when more is asked than which folder."""
        return bool(self.text.strip() or self.tag or self.drift or self.mine)

    @property
    def is_everything(self) -> bool:
        """True when nothing is asked but what is in use."""
        return not (self.is_narrow or self.folder or self.archived)

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        """The folders above the one that is shown, as label and path, outermost first."""
        parts = self.folder.strip("/").split("/") if self.folder else []
        return [(part, "/".join(parts[: depth + 1])) for depth, part in enumerate(parts)]


@dataclass(frozen=True)
class Coming:
    """A promotion on its way into a place; `check` is what the checks say of its version, if anything."""

    promotion_id: int
    number: int
    state: str
    check: Answer | None

    @property
    def words(self) -> str:
        """What is so while no check has said anything: `promotion open`."""
        return f"promotion {self.state}"


@dataclass(frozen=True)
class Cell:
    """One prompt in one environment; `number` is None where nothing is live, `since` when it came to be live."""

    environment: Environment
    number: int | None
    check: Answer | None
    behind: int
    coming: Coming | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Row:
    """One prompt on the board; `check` is of its newest version."""

    prompt: Prompt
    check: Answer | None
    changed_at: datetime
    changed_by: str
    cells: tuple[Cell, ...]

    @property
    def path(self) -> str:
        """What comes before the last part of the name, with its slash; empty at the top."""
        return self.prompt.name.removesuffix(self.leaf)

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
class Subfolder:
    """A folder that is not opened: how many prompts are in it, at any depth."""

    path: str
    leaf: str
    count: int


@dataclass(frozen=True)
class Board:
    """One page of the board, in folders. With more prompts than fit on a page, one level: its folders stay closed.

    `total` is how many prompts fit what was asked; `unlisted` how many folders there are beyond those shown.
    """

    environments: tuple[Environment, ...]
    subfolders: tuple[Subfolder, ...]
    folders: tuple[Folder, ...]
    page: "Page[Prompt]"
    total: int
    unlisted: int = 0

    @property
    def width(self) -> int:
        """How many columns the table has."""
        return len(self.environments) + 3


def board(workspace_id: int, search: Search, *, page: str | int | None = 1) -> Board:
    """One page of prompts, by folder and name. Eight queries, whatever the number of rows."""
    environments = tuple(Environment.objects.in_workspace(workspace_id))
    found = _found(workspace_id, search)
    below = [] if search.is_narrow else _level(found, search.folder)
    total = sum(one.count for one in below)
    is_folded = total > PAGE_SIZE
    shown = _direct(found, search.folder) if is_folded else _sorted(found.alias(folder=_FOLDER), "folder", "name")
    shown = shown.defer("searchable", "search")
    at = _counted_page(shown, page) if search.drift else Paginator(shown, PAGE_SIZE).get_page(page)
    subfolders = [one for one in below if one.leaf] if is_folded and at.number == 1 else []
    return Board(
        environments=environments,
        subfolders=tuple(subfolders[:MOST_SUBFOLDERS]),
        folders=_folders(list(at.object_list), environments),
        page=at,
        total=total if is_folded else at.paginator.count,
        unlisted=max(len(subfolders) - MOST_SUBFOLDERS, 0),
    )


def has_archived(workspace_id: int) -> bool:
    """Whether a prompt was put away; one query."""
    return Prompt.objects.in_workspace(workspace_id).archived(True).exists()


def all_tags(workspace_id: int) -> list[str]:
    """Every tag in use, in order; one query."""
    tags = Func(F("tags"), function="unnest", output_field=TextField())
    rows = Prompt.objects.in_workspace(workspace_id).archived(False).annotate(one=tags)
    return list(rows.order_by("one").values_list("one", flat=True).distinct())


def check_states(prompts: Iterable[Prompt], digests: Iterable[str] | None = None) -> dict[tuple[int, str], Answer]:
    """For each prompt and digest that was checked: the worst of the newest answers of its checks; one query.

    `digests` names the ones that matter; None asks for all.
    """
    found = VersionCheck.objects.filter(prompt__in=list(prompts))
    if digests is not None:
        found = found.filter(digest__in=set(digests))
    rows = (
        found.order_by("prompt", "digest", "name", "-pk")
        .distinct("prompt", "digest", "name")
        .values_list("prompt_id", "digest", "name", "state")
    )
    found_of: dict[tuple[int, str], list[Answer]] = defaultdict(list)
    for prompt_id, digest, name, state in rows:
        found_of[prompt_id, digest].append(Answer(name, state))
    return {place: min(answers, key=lambda one: WORST_FIRST.index(one.state)) for place, answers in found_of.items()}


# What is before the last slash: by far cheaper than a regular expression over ten thousand names.
_FOLDER = Case(
    When(name__contains="/", then=Func(F("name"), -StrIndex(Reverse("name"), Value("/")), function="left")),
    default=Value(""),
    output_field=TextField(),
)


def _found(workspace_id: int, search: Search) -> QuerySet[Prompt]:
    rows = Prompt.objects.in_workspace(workspace_id).archived(search.archived).in_folder(search.folder)
    rows = rows.matching(search.text)
    if search.tag:
        rows = rows.filter(tags__contains=[search.tag])
    if search.drift:
        rows = rows.filter(pk__in=_drifting(workspace_id))
    if search.mine:
        written = PromptVersion.objects.filter(author=search.mine).values("prompt")
        rows = rows.filter(
            Q(created_by=search.mine)
            | Q(pk__in=written)
            | Q(pk__in=Prompt.objects.filter(drafts__member=search.mine).values("pk"))
        )
    return rows


def _counted_page(shown: QuerySet[Prompt], page: str | int | None) -> "Page[Prompt]":
    """A page and the count of all in one query, where finding is what costs: counting apart would find everything twice."""
    typed = str(page)
    number = max(int(typed), 1) if typed.isdecimal() and len(typed) < 6 else 1
    start = (number - 1) * PAGE_SIZE
    rows = list(shown.annotate(found=Window(Count("pk")))[start : start + PAGE_SIZE])
    paginator = Paginator(shown, PAGE_SIZE)
    if not rows and number > 1:
        return paginator.get_page(page)
    paginator.count = rows[0].found if rows else 0
    return Page(rows, number, paginator)


def _drifting(workspace_id: int) -> QuerySet[LivePointer, Any]:
    """The prompts of which two environments have different versions live; one query, for the environments."""
    here = list(Environment.objects.in_workspace(workspace_id).values_list("pk", flat=True))
    rows = LivePointer.objects.live().filter(environment__in=here)
    versions = rows.values("prompt").annotate(least=Min("deployment__version"), most=Max("deployment__version"))
    return versions.filter(most__gt=F("least")).values_list("prompt", flat=True)


def _level(found: QuerySet[Prompt], folder: str) -> list[Subfolder]:
    """What lies directly in a folder: one line a subfolder, and one without a name for the prompts themselves."""
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    rest = Substr("name", len(prefix) + 1)
    first = Func(rest, Value("/"), Value(1), function="split_part", output_field=TextField())
    inside = Case(When(Q(inner__gt=0), then=first), default=Value(""), output_field=TextField())
    rows = found.alias(inner=StrIndex(rest, Value("/"))).annotate(sub=inside).values("sub").annotate(count=Count("pk"))
    return [Subfolder(prefix + sub, sub, count) for sub, count in _sorted(rows, "sub").values_list("sub", "count")]


def _direct(found: QuerySet[Prompt], folder: str) -> QuerySet[Prompt]:
    prefix = f"{folder.rstrip('/')}/" if folder else ""
    rows = found.alias(inner=StrIndex(Substr("name", len(prefix) + 1), Value("/"))).filter(inner=0)
    return _sorted(rows, "name")


def _sorted[Rows: QuerySet[Any]](rows: Rows, *names: str) -> Rows:
    """Capital letters beside small ones, as in a dictionary."""
    return rows.order_by(*(one for name in names for one in (Lower(name), name)))


def _folders(prompts: list[Prompt], environments: Sequence[Environment]) -> tuple[Folder, ...]:
    newest = _newest(prompts)
    pointers = {(one.prompt_id, one.environment_id): one for one in _pointers(prompts)}
    coming = {(one.prompt_id, one.environment_id): one for one in _coming(prompts)}
    digests = [one.digest for one in newest.values()]
    digests += [one.deployment.version.digest for one in pointers.values() if one.deployment and one.deployment.version]
    digests += [one.version.digest for one in coming.values()]
    drawing = _Drawing(environments, newest, pointers, coming, check_states(prompts, digests))
    rows = [drawing.row(prompt) for prompt in prompts]
    folders = groupby(rows, key=lambda row: row.prompt.name.rpartition("/")[0])
    return tuple(Folder(name, tuple(inside)) for name, inside in folders)


def _newest(prompts: Sequence[Prompt]) -> dict[int, PromptVersion]:
    rows = PromptVersion.objects.filter(prompt__in=prompts, number=F("prompt__last_number"))
    return {row.prompt_id: row for row in rows.only("prompt_id", "number", "digest", "author_name", "created_at")}


def _pointers(prompts: Sequence[Prompt]) -> QuerySet[LivePointer]:
    rows = LivePointer.objects.live().filter(Q(prompt__in=prompts)).select_related("deployment__version")
    version = ("deployment__version__number", "deployment__version__digest")
    return rows.only("prompt_id", "environment_id", "deployment__created_at", *version)


def _coming(prompts: Sequence[Prompt]) -> QuerySet[Promotion]:
    """The open promotions of these prompts, oldest first, so that the newest of a place is what counts."""
    rows = Promotion.objects.pending().filter(prompt__in=prompts).select_related("version").order_by("pk")
    return rows.only("prompt_id", "environment_id", "state", "version__number", "version__digest")


@dataclass(frozen=True)
class _Drawing:
    """What rows are made from: all that was read for a page, by prompt and environment."""

    environments: Sequence[Environment]
    newest: dict[int, PromptVersion]
    pointers: dict[tuple[int, int], LivePointer]
    coming: dict[tuple[int, int], Promotion]
    checks: dict[tuple[int, str], Answer]

    def row(self, prompt: Prompt) -> Row:
        last = self.newest.get(prompt.pk)
        return Row(
            prompt=prompt,
            check=self.checks.get((prompt.pk, last.digest)) if last else None,
            changed_at=last.created_at if last else prompt.created_at,
            changed_by=last.author_name if last else "",
            cells=tuple(self._cell(prompt, environment) for environment in self.environments),
        )

    def _cell(self, prompt: Prompt, environment: Environment) -> Cell:
        pointer = self.pointers.get((prompt.pk, environment.pk))
        deployment = pointer.deployment if pointer else None
        version = deployment.version if deployment else None
        coming = self._coming(prompt, environment)
        if deployment is None or version is None:
            return Cell(environment, None, None, 0, coming)
        check = self.checks.get((prompt.pk, version.digest))
        behind = prompt.last_number - version.number
        return Cell(environment, version.number, check, behind, coming, deployment.created_at)

    def _coming(self, prompt: Prompt, environment: Environment) -> Coming | None:
        asked = self.coming.get((prompt.pk, environment.pk))
        if asked is None:
            return None
        check = self.checks.get((prompt.pk, asked.version.digest))
        return Coming(asked.pk, asked.version.number, asked.state, check)
