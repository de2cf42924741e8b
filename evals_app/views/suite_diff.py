"""Two versions of a suite beside each other: which cases came, went or changed, and which rules."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from evals_app.actions.suites import find_suite, find_suite_version
from evals_app.suite_cells import cell_of
from evals_app.suite_diff import Difference, FieldDifference
from evals_app.version_queries import compare_versions
from prompts_app.text_diff import Run as Stretch
from prompts_app.text_diff import text_runs
from registry.core.canonical import JSON
from registry.core.errors import NotFound
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

CASES_PER_PAGE = 25
LONGEST_COMPARED = 50_000
OPS = ("changed", "added", "removed")


@dataclass(frozen=True)
class DrawnField:
    """A field with what differs in it, in stretches; a value that one side lacks is one stretch."""

    name: str
    stretches: Sequence[Stretch]


@dataclass(frozen=True)
class Drawn:
    """A case or scorer that differs."""

    name: str
    op: str
    fields: tuple[DrawnField, ...]


@page()
def suite_diff(request: PageRequest, suite: str) -> HttpResponse:
    """What differs from one version to another; without numbers, the newest two."""
    require(request.actor, Permission.READ)
    found = find_suite(request.workspace.pk, suite)
    to = _number(request, "to") or found.last_number
    since = _number(request, "from") or max(to - 1, 1)
    old, new = find_suite_version(found, since), find_suite_version(found, to)
    difference = compare_versions(old, new)
    op = request.GET.get("op", "")
    chosen = [case for case in difference.cases if op not in OPS or case.op == op]
    shown = Paginator(chosen, CASES_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "suite": found,
        "old": old,
        "new": new,
        "op": op,
        "counts": [(name, difference.counts[name]) for name in OPS],
        "unchanged": difference.unchanged,
        "page": shown,
        "cases": [_drawn(case) for case in shown.object_list],
        "scorers": [_drawn(scorer) for scorer in difference.scorers],
        "rules": [_drawn_field(field) for field in difference.rules],
        "numbers": range(found.last_number, 0, -1),
    }
    return render(request, "evals/suite_diff.html", context)


def _drawn(one: Difference) -> Drawn:
    return Drawn(one.name, one.op, tuple(_drawn_field(field) for field in one.fields))


def _drawn_field(field: FieldDifference) -> DrawnField:
    old, new = _text(field.old), _text(field.new)
    if not old or not new or len(old) + len(new) > LONGEST_COMPARED:
        parts = [Stretch("delete", old)] if old else []
        return DrawnField(field.field, [*parts, *([Stretch("insert", new)] if new else [])])
    return DrawnField(field.field, text_runs(old, new))


def _text(value: JSON) -> str:
    return "" if value is None else cell_of(value)


def _number(request: PageRequest, name: str) -> int:
    text = request.GET.get(name, "")
    if text and not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("suite_version.not_found", "This suite has no such version.")
    return int(text or 0)
