"""How the actions that take texts away are called, for `test_audit_rows.py`; each gets its world."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone

from evals_app.actions import purging, retention, suites
from evals_app.models import Result, Run
from prompts_app.actions import reviews
from prompts_app.models import Promotion
from tests.evals import building


def _no_longer_needed(w: Any) -> Result:
    """An answer on which nothing rests any more, to a case that its suite has dropped."""
    run = w.run()
    case = run.suite_version.cases.get(position=0)
    result = Result.objects.create(run=run, case=case, arm="candidate", repeat=0, output="x")
    ended = timezone.now() - timedelta(days=90)
    Run.objects.filter(pk=run.pk).update(state="finished", finished_at=ended, posts_check=False)
    Promotion.objects.filter(pk=w.row.pk).update(state="closed")
    content = {"cases": building.cases(40)[1:], "scorers": [{"kind": "equals"}]}
    suites.save_suite_version(w.cast.ada, w.suite, content)
    return result


def _erase_text(w: Any) -> Callable[[], Any]:
    reviews.comment(w.cast.ada, w.row, body="Ada Lovelace")
    return lambda: purging.erase_text(w.cast.olga, "lovelace", reason="asked for")


def _purge_case(w: Any) -> Callable[[], Any]:
    row = _no_longer_needed(w)
    return lambda: purging.purge_case(w.cast.olga, row.case, reason="asked for")


def _purge_answer(w: Any) -> Callable[[], Any]:
    row = _no_longer_needed(w)
    return lambda: purging.purge_answer(w.cast.olga, row, reason="asked for")


def _set_retention(w: Any) -> Callable[[], Any]:
    return lambda: retention.set_retention(w.cast.olga, answers_days=90, inputs_days=None)


PURGES: dict[str, Callable[[Any], Callable[[], Any]]] = {
    "evals.purging.erase_text": _erase_text,
    "evals.purging.purge_case": _purge_case,
    "evals.purging.purge_answer": _purge_answer,
    "evals.retention.set_retention": _set_retention,
}
