"""A run's verdict: its results, pooled with those of earlier looks within each case, judged by the suite's rules."""

import json
from collections import defaultdict
from dataclasses import dataclass, field

from evals_app.models import Arm, Result, Run, RunMetric
from evals_app.queries import attempts_at, evidence_lasts, places_of
from evals_app.scorers.spec import PASSES
from evals_app.suite_content import CaseSpec, SuiteContent
from evals_app.verdicts import CaseScores, MetricVerdict, judge, overall

# Errors that are no provider's: the same would happen to a service, or to anybody who scores.
FAULTS = {"template": "could not be rendered", "scorer": "could not be scored", "provider": "had nobody to ask"}


@dataclass(frozen=True)
class Judgement:
    """`verdict` is passed, failed, inconclusive, error, or empty where everything is only reported."""

    verdict: str
    summary: str
    metrics: tuple[MetricVerdict, ...]

    def rows(self, run: Run) -> list[RunMetric]:
        """The metrics as rows, not saved."""
        return [
            RunMetric(
                run=run,
                position=position,
                name=metric.name,
                mode=metric.mode,
                mean_new=metric.mean_new,
                mean_base=metric.mean_base,
                delta=metric.delta,
                lower=metric.lower,
                upper=metric.upper,
                case_count=metric.n,
                verdict=metric.verdict,
                sentence=f"{metric.sentence} {metric.settle}".rstrip(),
            )
            for position, metric in enumerate(self.metrics)
        ]


@dataclass
class _Answers:
    """Scores by arm and metric name, of one case, in the order of repeats."""

    scores: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))


def judge_run(run: Run) -> Judgement:
    """Judge a run whose chunks have ended; memory grows with cases times scorers."""
    suite = run.suite_version.load()
    fault = _fault(run)
    if fault:
        return Judgement("error", fault, ())
    answers = _answers(run)
    specs = dict(zip(_case_ids(run), suite.cases, strict=True))
    metrics = [_metric(run, suite, specs, answers, name) for name in _names(suite)]
    verdict = overall(metrics)
    return Judgement(str(verdict or ""), _summary(metrics, run), tuple(metrics))


def _names(suite: SuiteContent) -> list[str]:
    return [PASSES, *(rule.name for rule in suite.reported_rules())]


def _metric(
    run: Run, suite: SuiteContent, specs: dict[int, CaseSpec], answers: dict[int, _Answers], name: str
) -> MetricVerdict:
    rules = {suite.rule().name: suite.rule(), **{rule.name: rule for rule in suite.reported_rules()}}
    cases = [
        CaseScores(
            case_key=spec.key,
            cluster=spec.cluster_key,
            critical=spec.critical,
            new=tuple(answers[case_id].scores[Arm.CANDIDATE, name]),
            base=tuple(answers[case_id].scores[Arm.BASELINE, name]) if run.baseline_id else None,
        )
        for case_id, spec in specs.items()
    ]
    return judge(cases, rules[name])


def _answers(run: Run) -> dict[int, _Answers]:
    """Everything answered in this run and in the looks it is pooled with, by case."""
    runs = [run.pk]
    if run.posts_check:
        lasts = evidence_lasts(places_of(run.prompt))
        runs += [earlier.pk for earlier in attempts_at(run.prompt_id, run.evidence_key, lasts=lasts).pooled]
    answers: dict[int, _Answers] = defaultdict(_Answers)
    rows = Result.objects.filter(run__in=runs, error="").order_by("repeat")
    for case_id, arm, is_passed, scores in rows.values_list("case_id", "arm", "is_passed", "scores").iterator():
        found = answers[case_id].scores
        found[arm, PASSES].append(float(is_passed))
        for score in json.loads(scores):
            if score["score"] is not None:
                found[arm, score["name"]].append(float(score["score"]))
    return answers


def _case_ids(run: Run) -> list[int]:
    return list(run.suite_version.cases.order_by("position").values_list("pk", flat=True))


def _fault(run: Run) -> str:
    """Why the results cannot be judged, whatever their number; empty when they can."""
    missing = sum(chunk.total - chunk.done for chunk in run.chunks.all())
    if missing:
        return f"{missing:,} answers are missing: a worker was lost three times over the same cases"
    errors = Result.objects.filter(run=run, error__in=FAULTS).order_by("pk")
    first = errors.select_related("case").first()
    if first is None:
        return ""
    cases = errors.values("case").distinct().count()
    return f"{cases:,} cases {FAULTS[first.error]} ({first.arm}, case {first.case.key}): {first.output}"


def _summary(metrics: list[MetricVerdict], run: Run) -> str:
    judged = next((metric for metric in metrics if metric.name == PASSES), metrics[0])
    looks = f" Look {run.look}, pooled with the ones before." if run.look > 1 and run.posts_check else ""
    return f"{judged.sentence} {judged.settle}".rstrip() + looks
