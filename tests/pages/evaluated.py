"""A workspace in which suites have run: what the pages of suites, runs and evidence are about."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evals_app.actions.runs import start_run
from evals_app.actions.suites import attach_suite
from evals_app.models import Run, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.actions import promotions
from prompts_app.models import Promotion, Prompt
from tests import builders, scenes
from tests.builders import Cast
from tests.evals import building

RULES = (Rule(anywhere="Now 3.", answer="four <b>bold</b>"), Rule(anywhere="Now 5.", status=400))


@dataclass(frozen=True)
class Evaluated:
    """Version 1 is live in production; version 2 was run against it, and waits in a promotion."""

    provider: ScriptedProvider
    prompt: Prompt
    suite: Suite
    run: Run
    waiting: Run
    promotion: Promotion


@contextmanager
def evaluated(cast: Cast) -> Iterator[Evaluated]:
    """The second version gets case 3 wrong and case 5 no answer; another suite's run has not begun."""
    for environment in ("staging", "production"):
        scenes.policy(cast, environment, approvals=0, require_predecessor=False, require_suites=False, min_suites=0)
    with building.scripted(*RULES) as provider:
        building.add_provider(cast, provider)
        prompt = builders.prompt(cast.ada, "numbers/echo", text="{{ q }}")
        first = prompt.versions.select_related("prompt").get(number=1)
        scenes.go_live(cast, first)
        second = builders.version(cast.ada, prompt, "Now {{ q }}.")
        marked = [
            case | {"tags": ["odd" if n % 2 else "even"], "critical": n == 7}
            for n, case in enumerate(building.cases(60))
        ]
        suite = building.suite(cast.ada, of=marked, scorers=[{"kind": "contains"}, {"kind": "regex", "value": "."}])
        other = building.suite(cast.ada, "shape", repeats=3, scorers=[{"kind": "contains"}])
        attach_suite(cast.ada, suite, prompt, required=True)
        attach_suite(cast.ada, other, prompt, run_on="promotion")
        run = building.work(start_run(cast.ada, second, suite, baseline=first))
        waiting = start_run(cast.ada, second, other, baseline=first)
        scenes.policy(cast, "production", require_suites=True, min_suites=1)
        promotion = promotions.open_promotion(cast.ada, second, cast.environment("production"))
        yield Evaluated(provider, prompt, suite, run, waiting, promotion)
