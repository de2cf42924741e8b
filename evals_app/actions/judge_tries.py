"""Scorers that ask a model, tried from a suite's editor: a question or two to each judge, counted against the workspace's day."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from evals_app.engine.budget import most_of
from evals_app.engine.preparing import OpenDesk, open_desk
from evals_app.engine.trying_judges import Hearing, Sitting, hearing_of
from evals_app.engine.trying_scorers import rendered_values
from evals_app.engine.tryouts import Line
from evals_app.judge_queries import judges_to_ask
from evals_app.judge_seats import graded_kind
from evals_app.model_settings import SettingsError, effective
from evals_app.models import Provider, Suite, Tryout
from evals_app.queries import offers
from evals_app.scorers import Asked, Output, ScorerSpec
from evals_app.tryout_queries import refuse_too_dear
from registry.core import audit
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, invalid_field
from registry.core.permissions import Permission, require, require_person

MOST_QUESTIONS = 10


@dataclass(frozen=True)
class Convened:
    """Judges that may be asked: what about, and by which lines, those of each hearing in order."""

    hearings: tuple[Hearing, ...]
    lines: tuple[Line, ...]


def convene(
    actor: Actor,
    suite: Suite,
    specs: Sequence[ScorerSpec],
    output: Output,
    asked: Asked,
    *,
    other: Output | None = None,
) -> Convened:
    """Admit the questions of those scorers that ask a model and count what they may cost; nothing is sent yet.

    Each judge is asked at the version that the suite pins, else at its newest, else as it comes with its kind. A scorer
    that compares has no part without the `other` version's output. Raises Invalid for what cannot be rendered or is too
    much, Conflict `model.unavailable`, `judge.unknown` and `try.budget`.
    """
    require(actor, Permission.RUN)
    require_person(actor)
    graded = [spec for spec in specs if (kind := graded_kind(spec)) and (other is not None or not kind.compares)]
    rendered = rendered_values(specs, asked)
    sittings = _sittings(actor, suite, graded)
    hearings = tuple(hearing_of(one, output, asked, rendered=rendered, other=other) for one in sittings)
    if sum(len(one.questions) for one in hearings) > MOST_QUESTIONS:
        raise invalid_field(
            "scorers", "length", f"This would take more than {MOST_QUESTIONS} questions: try fewer at once."
        )
    desks = _desks(actor.workspace_id, {one.sitting.settings.provider for one in hearings if one.questions})
    lines = _admitted(actor, suite, hearings, desks) if desks else ()
    return Convened(hearings, lines)


def _sittings(actor: Actor, suite: Suite, specs: Sequence[ScorerSpec]) -> list[Sitting]:
    offered, found = offers(actor.workspace_id), []
    judges = judges_to_ask(suite, specs)
    for spec in specs:
        judge = judges[spec.name]
        try:
            settings = effective(judge.config, offered)
        except SettingsError as error:
            raise Conflict("model.unavailable", f"The judge of {spec.name} cannot be asked: {error}.") from None
        found.append(Sitting(spec, settings, judge.content, judge.row))
    return found


def _desks(workspace_id: int, names: set[str]) -> dict[str, OpenDesk]:
    rows = Provider.objects.in_workspace(workspace_id).filter(name__in=names)
    return {row.name: open_desk(row) for row in rows}


def _admitted(actor: Actor, suite: Suite, hearings: Sequence[Hearing], desks: dict[str, OpenDesk]) -> tuple[Line, ...]:
    asked = [
        (one.sitting, question, desks[one.sitting.settings.provider].desk)
        for one in hearings
        for question in one.questions
    ]
    mosts = [most_of(desk.endpoint, question) for _, question, desk in asked]
    with transaction.atomic():
        _record(actor, suite, hearings)  # holds the end of the chain: one try after the other is admitted
        refuse_too_dear(actor.workspace_id, sum(mosts, Decimal(0)))
        rows = [
            Tryout(
                workspace_id=actor.workspace_id,
                prompt=sitting.row.prompt if sitting.row else None,
                version=sitting.row,
                member_id=actor.member_id,
                provider_name=sitting.settings.provider,
                model=question.model,
                cost=most,
            )
            for (sitting, question, _), most in zip(asked, mosts, strict=True)
        ]
        Tryout.objects.bulk_create(rows)
    return tuple(
        Line(row.pk, desk, question, most) for row, (_, question, desk), most in zip(rows, asked, mosts, strict=True)
    )


def _record(actor: Actor, suite: Suite, hearings: Sequence[Hearing]) -> None:
    asked: list[JSON] = [
        {
            "scorer": one.sitting.spec.name,
            "judge": one.sitting.row.prompt.name if one.sitting.row else None,
            "version": one.sitting.row.number if one.sitting.row else None,
            "provider": one.sitting.settings.provider,
            "model": one.sitting.settings.model,
        }
        for one in hearings
        if one.questions
    ]
    audit.record(
        actor,
        "suite.tried",
        subject_type="suite",
        subject_id=suite.pk,
        subject_name=suite.slug,
        detail={"asked": asked},
    )
