"""A newer version of a judge, taken: the only way in which a suite gets one."""

import json

from evals_app.actions.suites import SavedSuite, save_suite_version
from evals_app.models import Suite
from evals_app.queries import newest_suite_version
from registry.core.actor import Actor
from registry.core.canonical import JSON
from registry.core.errors import Conflict, NotFound


def take_judge(actor: Actor, suite: Suite, *, name: str, version: int) -> SavedSuite:
    """Save the suite's newest version once more with another version of a judge; evidence gathered before is stale then.

    Raises NotFound where it asks no such judge, Invalid for a version that there is not, and what saving raises.
    """
    newest = newest_suite_version(suite.pk)
    if newest is None:
        raise Conflict("suite.empty", f"The suite {suite.slug} has no saved version yet: save its cases first.")
    rules: dict[str, JSON] = json.loads(newest.rules)
    pins = newest.load_rules(newest.cases.order_by("position")[:1]).judges
    if name not in {pin.name for pin in pins}:
        raise NotFound("judge.not_found", f"The suite {suite.slug} asks no judge of that name.")
    judges: list[JSON] = [pin.to_json() for pin in pins if pin.name != name]
    judges.append({"name": name, "version": version})
    cases: list[JSON] = [case.to_json() for case in newest.cases.order_by("position")]
    return save_suite_version(actor, suite, {**rules, "cases": cases, "judges": judges})
