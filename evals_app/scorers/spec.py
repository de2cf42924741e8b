"""Scorers as a suite lists them, read from JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evals_app.scorers.options import read_options
from evals_app.scorers.protocol import Scorer, ScorerSpec, has_room_for_templates
from evals_app.scorers.registry import SCORERS
from registry.core.canonical import JSON
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

MOST_SCORERS = 50
PASSES = "passes"  # the metric over all scorers: no scorer can have its name


def parse_scorers(values: JSON, *, path: str = "scorers") -> tuple[ScorerSpec, ...]:
    """The list read; raises Invalid `scorers.invalid` that names every mistake, such as `scorers[1].kind`."""
    errors: list[FieldError] = []
    specs = read_scorers(values, errors, path=path)
    refuse_mistakes("scorers.invalid", "The scorers are not acceptable: correct the fields named.", errors)
    return specs


def parse_scorer(value: JSON, *, path: str) -> ScorerSpec:
    """One of them read; raises Invalid likewise."""
    errors: list[FieldError] = []
    spec = _read(value, errors, path)
    refuse_mistakes("scorers.invalid", "The scorer is not acceptable: correct the fields named.", errors)
    assert spec is not None
    return _named(spec, {PASSES})


def read_scorers(
    values: JSON, errors: list[FieldError], *, path: str = "scorers", is_stored: bool = False
) -> tuple[ScorerSpec, ...]:
    """As `parse_scorers`, adding mistakes to `errors`; those that are wrong are left out.

    What `is_stored` was taken when it was saved: a kind may have come to refuse values since, which can be read still.
    A name left out is the kind, with a number where that is taken (`contains`, `contains-2`).
    """
    if not isinstance(values, list) or len(values) > MOST_SCORERS:
        errors.append(FieldError(path, "type", f"must be a list of at most {MOST_SCORERS} scorers"))
        return ()
    places = [f"{path}[{index}]" for index in range(len(values))]
    found = [(_read(value, errors, place, is_stored), place) for value, place in zip(values, places, strict=True)]
    taken = {PASSES}
    for spec, place in found:
        if spec and spec.name in taken:
            errors.append(
                FieldError(
                    f"{place}.name", "taken", "is the name of another scorer, or of the verdict over all of them"
                )
            )
        taken |= {spec.name} if spec and spec.name else set()
    return tuple(_named(spec, taken) for spec, _ in found if spec)


def _named(spec: ScorerSpec, taken: set[str]) -> ScorerSpec:
    if spec.name:
        return spec
    names = [spec.kind, *(f"{spec.kind}-{number}" for number in range(2, MOST_SCORERS + 2))]
    name = next(name for name in names if name not in taken)
    taken.add(name)
    return replace(spec, name=name)


def _read(value: JSON, errors: list[FieldError], path: str, is_stored: bool = False) -> ScorerSpec | None:
    before = len(errors)
    given = Fields(value, errors, path=path)
    kind = given.choice("kind", "", sorted(SCORERS)) if given.require("kind") else ""
    scorer = SCORERS.get(kind)
    name = given.text("name", None, least=1, most=100)
    takes_value = scorer is None or scorer.target != "nothing"
    spec = ScorerSpec(
        kind=kind,
        name=name or "",
        weight=given.number("weight", 1.0, least=0, most=1000),
        threshold=_threshold(given, scorer),
        negate=given.boolean("negate", False),
        has_value=takes_value and given.has("value"),
        value=given.raw("value") if takes_value else None,
        options=read_options(scorer.options, given) if scorer else {},
        group=given.text("group", None, least=1, most=100),
    )
    if scorer and scorer.target == "value":
        given.require("value")
    if scorer or not isinstance(value, dict):
        given.close()
    if not has_room_for_templates(spec.value):
        given.refuse("value", "length", "has too many templates below long keys")
    mistake = scorer.mistake(spec) if scorer and len(errors) == before and not is_stored else None
    if mistake:
        errors.append(FieldError(given.name(mistake.field), mistake.code, mistake.message))
    return spec if len(errors) == before else None


def _threshold(given: Fields, scorer: Scorer | None) -> float | None:
    """Left to `close` where the kind has none: an amount is held against the kind's own budget."""
    if scorer is None or scorer.is_raw:
        return None
    least, most = scorer.range
    threshold = given.number("threshold", None, least=least, most=most)
    reached_by_all = least if scorer.higher_is_better else most
    if threshold == reached_by_all:
        given.refuse("threshold", "range", f"of {reached_by_all:g} is meaningless: every output reaches it")
        return None
    return threshold


def scorer_versions(specs: Sequence[ScorerSpec] | None = None) -> dict[str, int]:
    """Version by kind, of the kinds used by `specs`, or of all: part of what makes evidence fresh."""
    kinds = sorted(SCORERS) if specs is None else sorted({spec.kind for spec in specs})
    return {kind: SCORERS[kind].version for kind in kinds}
