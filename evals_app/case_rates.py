"""Each case's own pass rate in runs, and which cases count as one."""

import json
from collections.abc import Sequence

from django.db import connection

from evals_app.models import Case, Run
from evals_app.scorers.spec import PASSES
from evals_app.tallies import added_up

type Rates = tuple[list[int], list[float]]

_RATES = """
  SELECT run_id, array_agg(case_id), array_agg(rate) FROM (
    SELECT run_id, case_id, avg(is_passed::int)::float8 AS rate FROM evals_app_result
    WHERE run_id = ANY(%(runs)s) AND arm = 'candidate' AND error = '' GROUP BY run_id, case_id
  ) cases GROUP BY run_id
"""
_ADDED = """
  SELECT run_id, cases, means FROM evals_app_armscore
  WHERE run_id = ANY(%(runs)s) AND arm = 'candidate' AND name = %(passes)s
"""


def case_rates(runs: Sequence[Run]) -> dict[int, Rates]:
    """The candidate's answered cases with the rate of each, by run; runs without an answer are left out. Three queries."""
    added = added_up(runs)
    found: dict[int, Rates] = {}
    for statement, some in ((_ADDED, added), (_RATES, {run.pk for run in runs} - added)):
        if some:
            with connection.cursor() as cursor:
                cursor.execute(statement, {"runs": list(some), "passes": PASSES})
                found |= {pk: (cases, means) for pk, cases, means in cursor.fetchall()}
    return found


def clusters_in(versions: Sequence[int]) -> dict[int, str]:
    """The cluster of each case of these suite versions that shares one, by the case's id; one query."""
    rows = Case.objects.filter(suite_version__in=versions, content__contains='"cluster"').values_list("pk", "content")
    named = ((case, json.loads(content).get("cluster")) for case, content in rows)
    return {case: f"cluster:{cluster}" for case, cluster in named if isinstance(cluster, str)}
