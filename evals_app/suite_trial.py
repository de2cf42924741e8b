"""What a suite's scorers say of an output that somebody pastes into its editor; nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import Asked, Combined, Output, Scored, combined, parse_scorers
from evals_app.scorers.combining import group_mistakes, read_combination
from evals_app.suite_cells import value_of
from evals_app.suite_editing import read_rules
from registry.core.canonical import JSON, InvalidJson, parse_json
from registry.core.errors import FieldError
from registry.core.fields import Fields, refuse_mistakes

FIELDS = ("try_output", "try_expected", "try_variables", "try_calls", "try_system")


@dataclass(frozen=True)
class Trial:
    """What each scorer said, and all together; `left_out` are those that ask a model, `places` where each stands."""

    scored: tuple[Scored, ...]
    combined: Combined
    left_out: tuple[str, ...]
    places: Mapping[int, Scored]


def try_typed(rules: Mapping[str, str], typed: Mapping[str, str]) -> Trial:
    """The scorers of rules as they are typed, on an output as it is typed; raises Invalid that names what cannot be read."""
    read, errors = read_rules(rules), list[FieldError]()
    specs = parse_scorers(read.get("scorers", []))
    combination = read_combination(Fields(read, errors))
    errors += group_mistakes(specs, combination, path="scorers")
    asked, calls = _asked(typed, errors), _calls(typed, errors)
    refuse_mistakes("trial.invalid", "Not tried: correct what is named.", errors)
    scored = try_scorers(specs, Output(typed.get("try_output", ""), calls), asked)
    by_name = {one.spec.name: one for one in scored}
    left_out = tuple(spec.name for spec in specs if spec.name not in by_name)
    places = {place: by_name[spec.name] for place, spec in enumerate(specs) if spec.name in by_name}
    return Trial(scored, combined(scored, combination), left_out, places)


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


def _json(typed: Mapping[str, str], name: str, blank: JSON, errors: list[FieldError]) -> JSON:
    text = typed.get(name, "")
    if not text.strip():
        return blank
    try:
        return parse_json(text)
    except InvalidJson as problem:
        errors.append(FieldError(name, "json", f"This is not JSON: {problem.message}"))
        return blank
