"""What earlier runs of a suite tell about the next one."""

from evals_app.models import RunMetric, RunState
from evals_app.outlook import Outlook, Plan, Seen, outlook
from evals_app.suite_content import SuiteContent


def outlooks(suite_id: int, content: SuiteContent, *, is_new: bool = False) -> tuple[Outlook, ...]:
    """How likely an equal version passes each metric of a suite that is judged by comparison; one query, none of a new one."""
    rules = [rule for rule in content.rules() if rule.mode == "non_inferior"]
    if not rules:
        return ()
    seen = {} if is_new else _seen(suite_id, [rule.name for rule in rules])
    plan = Plan(content.clusters, len(content.cases), content.repeats)
    found = [outlook(rule, plan, seen.get(rule.name)) for rule in rules]
    return tuple(one for one in found if one is not None)


def _seen(suite_id: int, names: list[str]) -> dict[str, Seen]:
    """What the last run that compared anything showed of each metric."""
    rows = RunMetric.objects.filter(
        run__suite_version__suite=suite_id, run__state=RunState.FINISHED, name__in=names, error__isnull=False
    )
    newest = rows.order_by("name", "-run_id").distinct("name").select_related("run")
    return {
        metric.name: Seen(
            error=metric.error or 0.0,
            delta=metric.delta or 0.0,
            clusters=metric.cluster_count,
            answers=metric.run.repeats * metric.run.look,
            noise=metric.noise,
        )
        for metric in newest
        if metric.cluster_count
    }
