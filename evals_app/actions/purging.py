"""Texts taken away for good: of one case, of one answer, or whatever in the workspace holds somebody's text.

The SHA-256 of what was there stays in its row; versions of suites keep their digests, events and checks what they say. What
gates still rest on goes only if that is asked for by name.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from evals_app import purge_queries as queries
from evals_app.actions.suites import save_suite_version
from evals_app.engine.starting import post_check
from evals_app.models import Case, DraftCase, Purge, Result, ResultLabel, Run, Suite
from evals_app.purging import emptied, empty_answers, empty_cases, empty_replies
from evals_app.queries import newest_suite_version
from prompts_app.actions.checks import note_change
from prompts_app.actions.prompts import checked_text
from prompts_app.models import CheckDefinition, CheckState, VersionCheck
from registry.core import audit
from registry.core.actions.erasing import erase_in_places
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, invalid_field
from registry.core.models import Workspace
from registry.core.permissions import Permission, require, require_confirmed
from registry.core.texts import LONGEST, SHORTEST, forms_of, holds

MOST_REASON = 500
AT_ONCE = 5_000


@dataclass(frozen=True)
class Purged:
    """What a purge took: how many rows of each name. `suites` have a new version without the cases that are gone."""

    purge: Purge
    gone: dict[str, int]
    suites: tuple[Suite, ...] = ()


@dataclass(frozen=True)
class _Wish:
    """What is to go, by ids; `forms` are those of a text that is looked for everywhere else too."""

    cases: Sequence[int] = ()
    answers: Sequence[int] = ()
    replies: Sequence[int] = ()
    forms: tuple[str, ...] = ()
    about: Mapping[str, JSON] = field(default_factory=dict)


def checked_forms(text: str) -> tuple[str, ...]:
    """The forms of a text that may be looked for; raises Invalid for one too short to mean anybody, or too long."""
    if len(checked_text("text", text).strip()) < SHORTEST or len(text) > LONGEST:
        raise invalid_field("text", "length", f"A text of {SHORTEST} to {LONGEST:,} characters.")
    return forms_of(text.strip())


@transaction.atomic
def erase_text(actor: Actor, text: str, *, reason: str, also_needed: bool = False) -> Purged:
    """Take away whatever holds a text: cases and the answers to them, answers, what judges said, notes, comments, drafts.

    Raises Conflict `purge.needed` where gates rest on it and `also_needed` does not say that it may go all the same,
    `purge.run_open` where a run is asking it, `purge.nothing`; Invalid. The text itself is noted nowhere.
    """
    _require(actor)
    forms = checked_forms(text)
    workspace = _locked(actor)
    cases = list(queries.cases_holding(workspace, forms).values_list("pk", flat=True))
    answers = list(queries.answers_holding(workspace, forms).values_list("pk", flat=True))
    replies = list(queries.replies_holding(workspace, forms).values_list("pk", flat=True))
    wish = _Wish(cases, answers, replies, forms, {"of": "a text"})
    return _purge(actor, wish, reason=reason, also_needed=also_needed)


@transaction.atomic
def purge_case(actor: Actor, case: Case, *, reason: str, also_needed: bool = False) -> Purged:
    """Take away what a case asks, in every version of its suite that asks it in the same words, and all answers to it.

    Raises Conflict as `erase_text` does.
    """
    _require(actor)
    _locked(actor)
    cases = list(queries.same_cases(case).values_list("pk", flat=True))
    wish = _Wish(cases, about={"of": "a case", "case": case.pk})
    return _purge(actor, wish, reason=reason, also_needed=also_needed)


@transaction.atomic
def purge_answer(actor: Actor, result: Result, *, reason: str, also_needed: bool = False) -> Purged:
    """Take away one answer, with copies of it that other runs took from the cache, and what judges said of them.

    Raises Conflict as `erase_text` does.
    """
    _require(actor)
    answers = list(queries.same_answers(result, _locked(actor)).values_list("pk", flat=True))
    wish = _Wish(answers=answers, about={"of": "an answer", "answer": result.pk})
    return _purge(actor, wish, reason=reason, also_needed=also_needed)


def take(purge: Purge, cases: Iterable[Case], answers: Iterable[int], *, forms: tuple[str, ...] = ()) -> dict[str, int]:
    """Empty these cases, these answers and what judges and people said of them; how many of each. Part of every purge."""
    gone = dict.fromkeys(("cases", "answers", "judges' replies"), 0)
    wanted = list(answers)
    for ids in _pieces(wanted):
        replies = list(queries.replies_about(ids).values_list("pk", flat=True))
        gone["judges' replies"] += empty_replies(purge.pk, replies)
        gone["answers"] += empty_answers(purge.pk, ids)
        ResultLabel.objects.filter(result__in=ids).exclude(note="").update(note=purge.told)
    for some in _pieces([emptied(case, forms) for case in cases]):
        gone["cases"] += empty_cases(purge.pk, some)
    return gone


def _purge(actor: Actor, wish: _Wish, *, reason: str, also_needed: bool) -> Purged:
    """All of it in the caller's transaction: rows first, then new versions of suites, the event last."""
    suites = list(queries.suites_asking(wish.cases))
    answers = _answers(wish)
    runs = Run.objects.filter(pk__in=Result.objects.filter(pk__in=answers).values("run"))
    needed = list(queries.needed_runs(actor.workspace_id).filter(pk__in=runs.values("pk")).order_by("pk"))
    _refuse_open([*queries.runs_asking(wish.cases), *(run.pk for run in needed if run.is_open)])
    if (suites or needed) and not also_needed:
        _refuse_needed(suites, needed)
    if holds(reason, wish.forms):
        raise invalid_field("reason", "names", "The reason is kept for good: it must not hold what is to go.")
    purge = _note(actor, reason)
    cases = Case.objects.filter(pk__in=wish.cases)
    gone = take(purge, cases if wish.forms else cases.filter(purge=None), answers, forms=wish.forms)
    gone["judges' replies"] += empty_replies(purge.pk, wish.replies)
    gone |= _elsewhere(actor, wish, purge)
    gone = {name: count for name, count in gone.items() if count}
    if not gone:
        raise Conflict("purge.nothing", "There is nothing of it that could be purged.")
    runs.update(purge=purge)
    for run in needed:
        _retire(actor, run, purge)
    for suite in suites:
        _save_without(actor, suite)
    _record(actor, purge, gone, wish.about)
    return Purged(purge, gone, tuple(suites))


def _require(actor: Actor) -> None:
    require(actor, Permission.ADMINISTER)
    require_confirmed(actor)


def _locked(actor: Actor) -> int:
    """The workspace's id; one purge of it at a time, and no suite is saved meanwhile."""
    workspace = Workspace.objects.select_for_update(no_key=True).get(pk=actor.workspace_id)
    list(Suite.objects.filter(workspace=workspace).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    return workspace.pk


def _answers(wish: _Wish) -> list[int]:
    """The answers themselves, and all to these cases, that are not purged yet."""
    to_cases = Result.objects.filter(case__in=wish.cases, purge=None).values_list("pk", flat=True)
    return sorted({*wish.answers, *to_cases})


def _refuse_open(runs: Iterable[int]) -> None:
    open_ones = sorted(set(runs))
    if open_ones:
        named = ", ".join(map(str, open_ones))
        detail = f"Runs are still asking it ({named}): wait until they end, or cancel them."
        raise Conflict("purge.run_open", detail, runs=list[JSON](open_ones))


def _refuse_needed(suites: Sequence[Suite], runs: Sequence[Run]) -> None:
    names = [*(f"suite {suite.slug}" for suite in suites), *(f"run {run.pk}" for run in runs)]
    detail = (
        f"Gates still rely on it: {', '.join(names)}. Say that it may go all the same: suites get a version without it, "
        "and checks that relied on it no longer count."
    )
    slugs = list[JSON](suite.slug for suite in suites)
    raise Conflict("purge.needed", detail, suites=slugs, runs=list[JSON](run.pk for run in runs))


def _note(actor: Actor, reason: str) -> Purge:
    if len(checked_text("reason", reason)) > MOST_REASON:
        raise invalid_field("reason", "length", f"A reason has at most {MOST_REASON} characters.")
    purge = Purge(
        workspace_id=actor.workspace_id, by_id=actor.member_id or None, by_name=actor.name, reason=reason.strip()
    )
    purge.save(force_insert=True)
    purge.refresh_from_db()
    return purge


def _elsewhere(actor: Actor, wish: _Wish, purge: Purge) -> dict[str, int]:
    """Drafts that repeat a case, and every other table that holds the text."""
    if wish.forms:
        return erase_in_places(actor.workspace_id, wish.forms, told=purge.told)
    cases = Case.objects.filter(pk__in=wish.cases)
    keys, suites = cases.values("key"), cases.values("suite_version__suite")
    rows, _ = DraftCase.objects.filter(draft__suite__in=suites, key__in=keys).delete()
    return {"cases of drafts": rows}


def _retire(actor: Actor, run: Run, purge: Purge) -> None:
    """What this run let pass can be looked at no longer: its check is an error until it is asked again, and whoever purged
    it does not approve what the next one lets through, as after a change of the suite."""
    name = run.suite_version.suite.check_name
    newest = VersionCheck.objects.filter(
        prompt=run.prompt_id, name=name, digest=run.candidate.digest, evidence_key=run.evidence_key
    )
    check = newest.order_by("-pk").first()
    if not run.posts_check or check is None or check.run_id != run.pk:
        return
    post_check(run, CheckState.ERROR, f"{purge.told} Answers that it rested on are gone: run it again.")
    definition = CheckDefinition.objects.get(workspace_id=run.workspace_id, name=name)
    note_change(definition, definition.recipe, by={actor.member_id})


def _save_without(actor: Actor, suite: Suite) -> None:
    """The suite's next version, without the cases that are gone: from now on older evidence is stale.

    Raises Conflict `purge.last_case` where none would be left.
    """
    newest = newest_suite_version(suite.pk)
    left = newest.cases.filter(purge=None).order_by("position") if newest else Case.objects.none()
    cases: list[JSON] = [case.to_json() for case in left]
    if newest is None or not cases:
        detail = f"It would leave the suite {suite.slug} without a case: save a version of it with others first."
        raise Conflict("purge.last_case", detail, suite=suite.slug)
    save_suite_version(actor, suite, {**json.loads(newest.rules), "cases": cases})


def _record(actor: Actor, purge: Purge, gone: Mapping[str, int], about: Mapping[str, JSON]) -> None:
    audit.record(
        actor,
        "content.purged",
        subject_type="purge",
        subject_id=purge.pk,
        subject_name=f"purge {purge.pk}",
        detail={**about, "rows": dict[str, JSON](gone), "reason": purge.reason},
    )


def _pieces[Item](items: Sequence[Item]) -> Iterable[Sequence[Item]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
