"""Judges as pages and the API tell of them: who judges in a suite or a run, how well, and what speaks against it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evals_app.agreement import Agreement
from evals_app.judge_agreement import Judged, agreements, judged_of
from evals_app.judge_queries import graded_content, newest_judges, seats_of
from evals_app.judge_seats import Seat, seats_from_text
from evals_app.model_families import family_of, is_same_family
from evals_app.model_settings import ModelSettings, Offer, SettingsError, effective
from evals_app.models import Run, SuiteAttachment, SuiteVersion
from evals_app.queries import offers
from evals_app.scorers.graded.judging import prompt_name
from prompts_app.models import PromptVersion

MOST_PROMPTS = 50


@dataclass(frozen=True)
class JudgeLine:
    """A scorer's judge in a suite version; `newest` is its prompt's newest version."""

    judged: Judged
    newest: int
    agreement: Agreement
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The judge's prompt."""
        return self.judged.prompt

    @property
    def version(self) -> int:
        """The version pinned."""
        return self.judged.seat.version

    @property
    def is_behind(self) -> bool:
        """Whether a newer version could be taken."""
        return self.newest > self.version


@dataclass(frozen=True)
class JudgeReport:
    """The judges of a suite version. `problem` says why they could not be asked now; empty where they could."""

    lines: tuple[JudgeLine, ...] = ()
    problem: str = ""


def suite_judges(version: SuiteVersion) -> JudgeReport:
    """Who judges in a suite version; about ten queries, two where nobody does."""
    content = graded_content(version)
    if not content.judges:
        return JudgeReport()
    offered = offers(version.suite.workspace_id)
    try:
        seats = seats_of(version, offered)
    except SettingsError as error:
        return JudgeReport(problem=f"Its judges cannot be asked: {error}.")
    judged = judged_of(content, seats)
    newest = newest_judges(version.suite.workspace_id, {one.prompt for one in judged})
    agreed = agreements(version.suite_id, judged)
    models = _models_asked(version, offered)
    return JudgeReport(
        tuple(
            JudgeLine(
                one,
                newest[one.prompt].number if one.prompt in newest else one.seat.version,
                how,
                _kinship({one.key: one.seat}, models),
            )
            for one, how in zip(judged, agreed, strict=True)
        )
    )


def run_warnings(run: Run) -> tuple[str, ...]:
    """What speaks against a run's judges; no query."""
    seats = {key: seat for key, seat in run_seats(run).items() if seat.version}
    return _kinship(seats, [ModelSettings.from_json(json.loads(run.candidate_settings)).model])


def run_seats(run: Run) -> dict[str, Seat]:
    """Who judges in a run, by name; no query."""
    return seats_from_text(run.judges)


def _kinship(seats: Mapping[str, Seat], models: Iterable[str]) -> tuple[str, ...]:
    """A warning for each judge of the family of a model that it judges."""
    found = {}
    for key, seat in seats.items():
        for model in models:
            if is_same_family(seat.settings.model, model):
                found[key] = (
                    f"The judge {prompt_name(key)} asks {seat.settings.model}, of the same family ({family_of(model)}) as "
                    f"{model}, whose answers it judges: models tend to prefer answers like their own."
                )
    return tuple(found.values())


def _models_asked(version: SuiteVersion, offered: list[Offer]) -> list[str]:
    """The models of the newest versions of the prompts that the suite is attached to; two queries."""
    prompts = SuiteAttachment.objects.filter(suite=version.suite_id).values("prompt")[:MOST_PROMPTS]
    newest = PromptVersion.objects.filter(prompt__in=prompts).order_by("prompt", "-number").distinct("prompt")
    pinned = graded_content(version).config
    found = []
    for row in newest.select_related("prompt"):
        try:
            found.append(effective(row.load().config, offered, pinned=pinned).model)
        except SettingsError:
            continue
    return list(dict.fromkeys(found))
