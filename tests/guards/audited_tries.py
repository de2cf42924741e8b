"""How the actions that ask a model for one person are called, for `test_audit_rows.py`; each gets its world."""

from collections.abc import Callable
from typing import Any

from evals_app.actions import judge_tries, providers, tries
from evals_app.scorers import Asked, Output, parse_scorers
from evals_app.suite_content import CaseSpec


def _start_try(w: Any) -> Callable[[], Any]:
    providers.create_provider(w.cast.olga, w.provider())
    return lambda: tries.start_try(w.cast.ada, w.prompt, [tries.Column(1)], CaseSpec("tried"))


def _convene(w: Any) -> Callable[[], Any]:
    providers.create_provider(w.cast.olga, w.provider())
    specs = parse_scorers([{"kind": "rubric", "value": "polite"}])
    return lambda: judge_tries.convene(w.cast.ada, w.suite, specs, Output("x"), Asked())


TRIES: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "evals.tries.start_try": _start_try,
    "evals.judge_tries.convene": _convene,
}
