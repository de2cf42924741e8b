"""The scorers behind scores that are told by name."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from evals_app.models import Case, SuiteVersion
from evals_app.scorers.spec import PASSES

type Spec = Mapping[str, Any]


def scorers_named(version: SuiteVersion, names: Collection[str]) -> dict[str, Spec]:
    """Scorers of a suite version by name, as they were given: the suite's, and where any of `names` is neither one of these
    nor a group, those that single cases bring. No query but then."""
    rules = json.loads(version.rules)
    shared: dict[str, Spec] = {spec["name"]: spec for spec in rules["scorers"]}
    groups = {group["name"] for group in rules.get("groups", [])}
    if set(names) <= {PASSES, *shared, *groups}:
        return shared
    rows = Case.objects.filter(suite_version=version, content__contains='"scorers"').values_list("content", flat=True)
    own = {spec["name"]: spec for content in rows for spec in json.loads(content).get("scorers", [])}
    return own | shared
