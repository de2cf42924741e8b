"""What a suite's scorers say of an output that somebody pastes into its editor; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorer_texts import listed
from evals_app.scorers import (
    SCORERS,
    Asked,
    Combination,
    Combined,
    Output,
    Scored,
    ScorerSpec,
    combined,
    parse_scorers,
)
from evals_app.scorers.combining import group_mistakes, read_combination
from evals_app.suite_cells import value_of
from evals_app.suite_editing import read_rules
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

FIELDS = (
    "try_output",
    "try_expected",
    "try_variables",
    "try_calls",
    "try_system",
    "try_other",
    "try_measured",
)
MOST = 1e9


@dataclass(frozen=True)
class TypedTrial:
    """The scorers and the output as they are typed; `other` is the other version's output, for scorers that compare."""

    specs: tuple[ScorerSpec, ...]
    combination: Combination
    output: Output
    asked: Asked
    other: Output | None = None


@dataclass(frozen=True)
class Trial:
    """What each scorer said, and all together; `left_out` are those that ask a model, `places` where each stands."""

    scored: tuple[Scored, ...]
    combined: Combined
    left_out: tuple[str, ...]
    places: Mapping[int, Scored]


def asks_models(rules: Mapping[str, str]) -> bool:
    """Whether any of the suite's scorers, as typed, asks a model."""
    scorers = listed(rules.get("scorers", "")) or ()
    kinds = (one.get("kind") for one in scorers if isinstance(one, dict))
    return any(isinstance(kind, str) and kind in SCORERS and SCORERS[kind].is_graded for kind in kinds)


def read_trial(rules: Mapping[str, str], typed: Mapping[str, str]) -> TypedTrial:
    """What is typed, scorers as the rules have them; raises Invalid that names what cannot be read."""
    read, errors = read_rules(rules), list[FieldError]()
    specs = parse_scorers(read.get("scorers", []))
    combination = read_combination(Fields(read, errors))
    errors += group_mistakes(specs, combination, path="scorers")
    asked, calls, measured = _asked(typed, errors), _calls(typed, errors), _measured(typed, errors)
    refuse_mistakes("trial.invalid", "Not tried: correct what is named.", errors)
    other = Output(typed["try_other"]) if typed.get("try_other", "").strip() else None
    return TypedTrial(
        specs, combination, replace(measured, text=typed.get("try_output", ""), tool_calls=calls), asked, other
    )


def trial_of(typed: TypedTrial, judged: Sequence[Scored] = ()) -> Trial:
    """What the scorers say; `judged` is what those say that ask a model, as far as theirs was asked."""
    said = {one.spec.name: one for one in (*try_scorers(typed.specs, typed.output, typed.asked), *judged)}
    scored = tuple(said[spec.name] for spec in typed.specs if spec.name in said)
    left_out = tuple(spec.name for spec in typed.specs if spec.name not in said)
    places = {place: said[spec.name] for place, spec in enumerate(typed.specs) if spec.name in said}
    return Trial(scored, combined(scored, typed.combination), left_out, places)


def _asked(typed: Mapping[str, str], errors: list[FieldError]) -> Asked:
    variables = _json(typed, "try_variables", {}, errors)
    if not isinstance(variables, dict):
        errors.append(FieldError("try_variables", "type", "This must be a JSON object: values by name."))
        variables = {}
    expected, system = typed.get("try_expected", ""), typed.get("try_system", "")
    messages = ({"role": "system", "content": system},) if system.strip() else ()
    return Asked(variables, value_of(expected) if expected else None, messages)


def _calls(typed: Mapping[str, str], errors: list[FieldError]) -> tuple[JSON, ...]:
    calls = _json(typed, "try_calls", [], errors)
    if isinstance(calls, list) and all(isinstance(call, dict) for call in calls):
        return tuple(calls)
    errors.append(FieldError("try_calls", "type", "This must be a JSON list of calls, as a provider gives them."))
    return ()


def _measured(typed: Mapping[str, str], errors: list[FieldError]) -> Output:
    """An output of which only what it took is known."""
    own = list[FieldError]()
    given = Fields(_json(typed, "try_measured", {}, errors), own)
    measured = Output(
        "",
        cost=given.number("cost", None, least=0, most=MOST),
        output_tokens=given.integer("output_tokens", None, least=0, most=int(MOST)),
        latency_ms=given.integer("latency_ms", None, least=0, most=int(MOST)),
        finish_reason=given.text("finish_reason", "", most=40),
        perplexity=given.number("perplexity", None, least=1, most=MOST),
    )
    given.close()
    errors += [FieldError("try_measured", one.code, f"{one.field} {one.message}".strip()) for one in own]
    return measured


def _json(typed: Mapping[str, str], name: str, blank: JSON, errors: list[FieldError]) -> JSON:
    text = typed.get(name, "")
    if not text.strip():
        return blank
    try:
        return parse_json(text)
    except InvalidJson as problem:
        errors.append(FieldError(name, "json", f"This is not JSON: {problem.message}"))
        return blank
