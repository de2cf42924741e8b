"""Trying a prompt on a model: a question or three that one person waits for, counted against the workspace's day."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from evals_app.engine.budget import most_of
from evals_app.engine.preparing import OpenDesk, open_desk
from evals_app.engine.questions import ArmSource, questions_of
from evals_app.engine.tryouts import Line
from evals_app.model_settings import ModelSettings, SettingsError, effective
from evals_app.models import Provider, Tryout
from evals_app.providers.talk import Question
from evals_app.queries import offers
from evals_app.suite_content import CaseSpec
from evals_app.tryout_queries import refuse_too_dear
from prompts_app.actions.versions import find_version, prepare
from prompts_app.content import VersionContent
from prompts_app.editing import from_draft
from prompts_app.history_queries import draft_of
from prompts_app.models import Prompt, PromptVersion
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, Invalid, NotFound, invalid_field
from registry.core.permissions import Permission, require, require_person

MOST_COLUMNS = 3


@dataclass(frozen=True)
class Column:
    """What to ask: a version by number, None for one's draft; provider and model, empty for the version's own choice."""

    number: int | None = None
    provider: str = ""
    model: str = ""


@dataclass(frozen=True)
class Ready:
    """A column about to be asked: the version (None: the draft), its content, and the question as it is sent."""

    column: Column
    version: PromptVersion | None
    content: VersionContent
    settings: ModelSettings
    question: Question

    @property
    def title(self) -> str:
        """How a person calls it."""
        return f"v{self.version.number}" if self.version else "Draft"


@dataclass(frozen=True)
class Started:
    """A try that was admitted: what is asked, and by which lines."""

    columns: tuple[Ready, ...]
    lines: tuple[Line, ...]


def start_try(actor: Actor, prompt: Prompt, columns: Sequence[Column], case: CaseSpec) -> Started:
    """Admit one to three questions about one case and count what they may cost; nothing is sent yet.

    Raises Invalid for what cannot be rendered, naming each variable, Conflict `model.unavailable` and `try.budget`, NotFound
    for a version or draft that is not there.
    """
    require(actor, Permission.RUN)
    require_person(actor)
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise invalid_field("columns", "length", f"Try between one and {MOST_COLUMNS} at once.")
    ready = tuple(_ready(actor, prompt, column, case) for column in columns)
    desks = _desks(actor.workspace_id, {one.settings.provider for one in ready})
    mosts = [most_of(desks[one.settings.provider].desk.endpoint, one.question) for one in ready]
    with transaction.atomic():
        _record(actor, prompt, ready)  # holds the end of the chain: one try after the other is admitted
        refuse_too_dear(actor.workspace_id, sum(mosts, Decimal(0)))
        rows = [_row(actor, prompt, one, most) for one, most in zip(ready, mosts, strict=True)]
        Tryout.objects.bulk_create(rows)
    lines = [
        Line(row.pk, desks[one.settings.provider].desk, one.question, most)
        for row, one, most in zip(rows, ready, mosts, strict=True)
    ]
    return Started(ready, tuple(lines))


def content_of(actor: Actor, prompt: Prompt, number: int | None) -> tuple[PromptVersion | None, VersionContent]:
    """A version with its content; for None the actor's draft, as it would be saved now, or NotFound `draft.not_found`."""
    if number is not None:
        version = find_version(prompt, number)
        return version, version.load()
    draft = draft_of(prompt, actor.member_id)
    if draft is None:
        raise NotFound("draft.not_found", "You have no draft of this prompt: try a version, or type something first.")
    _, content = prepare(prompt, from_draft(prompt.kind, draft.content).content())
    return None, content


def _ready(actor: Actor, prompt: Prompt, column: Column, case: CaseSpec) -> Ready:
    version, content = content_of(actor, prompt, column.number)
    pinned: dict[str, JSON] = {}
    if column.provider:
        pinned = {"provider": column.provider, "model": column.model or None}
    try:
        chosen = effective(content.config, offers(actor.workspace_id), pinned=pinned)
    except SettingsError as error:
        raise Conflict("model.unavailable", f"No model can be asked: {error}.") from None
    [question] = questions_of(ArmSource(content, chosen), [case])
    if isinstance(question, Invalid):
        raise question
    return Ready(column, version, content, chosen, question)


def _desks(workspace_id: int, names: set[str]) -> dict[str, OpenDesk]:
    rows = Provider.objects.in_workspace(workspace_id).filter(name__in=names)
    return {row.name: open_desk(row) for row in rows}


def _row(actor: Actor, prompt: Prompt, one: Ready, most: Decimal) -> Tryout:
    return Tryout(
        workspace_id=actor.workspace_id,
        prompt=prompt,
        version=one.version,
        member_id=actor.member_id,
        provider_name=one.settings.provider,
        model=one.question.model,
        cost=most,
    )


def _record(actor: Actor, prompt: Prompt, ready: Sequence[Ready]) -> None:
    asked: list[JSON] = [
        {
            "version": one.version.number if one.version else None,
            "provider": one.settings.provider,
            "model": one.question.model,
        }
        for one in ready
    ]
    audit.record(
        actor,
        "prompt.tried",
        subject_type="prompt",
        subject_id=prompt.pk,
        subject_name=prompt.name,
        detail={"asked": asked},
    )
