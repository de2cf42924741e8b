"""A run's verdict: its results, pooled with those of earlier looks within each case, judged by the suite's rules."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from django.db.models import Count

from evals_app.claims import why_no_claim
from evals_app.judge_agreement import labels_behind
from evals_app.metric_rules import MEASURES
from evals_app.models import Arm, Result, Run, RunMetric, RunSlice, SuiteVersion
from evals_app.queries import attempts_at, evidence_lasts, places_of
from evals_app.scorers.spec import PASSES
from evals_app.slices import SliceVerdict, judge_slices
from evals_app.suite_content import CaseSpec, SuiteContent
from evals_app.verdict_rules import COMPARING, Rule
from evals_app.verdict_words import count, names
from evals_app.verdicts import CaseScores, MetricVerdict, judge_all, overall

# Errors that are no provider's: the same would happen to a service, or to anybody who scores.
FAULTS = {"template": "could not be rendered", "scorer": "could not be scored", "provider": "had nobody to ask"}


_read_ahead: dict[int, tuple[SuiteContent, list[int]]] = {}


@dataclass(frozen=True)
class Judgement:
    """`verdict` is passed, failed, inconclusive, error, or empty where everything is only reported."""

    verdict: str
    summary: str
    metrics: tuple[MetricVerdict, ...] = ()
    slices: tuple[SliceVerdict, ...] = ()

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
                sentence=metric.told,
                settle=metric.settle,
                cluster_count=metric.clusters,
                line=metric.line,
                unit=metric.unit,
                error=metric.error,
                noise=metric.noise,
            )
            for position, metric in enumerate(self.metrics)
        ]

    def slice_rows(self, run: Run) -> list[RunSlice]:
        """The slices as rows, not saved."""
        return [
            RunSlice(
                run=run,
                position=position,
                metric=one.metric,
                tag=one.tag,
                mean_new=one.mean_new,
                mean_base=one.mean_base,
                delta=one.delta,
                lower=one.lower,
                upper=one.upper,
                case_count=one.n,
                cluster_count=one.clusters,
                unit=one.unit,
                verdict=one.verdict,
                sentence=one.sentence,
            )
            for position, one in enumerate(self.slices)
        ]


@dataclass
class _Answers:
    """Scores by arm and metric name, of one case, in the order of repeats; how many answers of the run itself are errors."""

    scores: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: int = 0

    def lost(self, arms: Iterable[str], name: str) -> int:
        """Answers without a score of that name: errors, and those of which it is not known."""
        return self.errors + sum(len(self.scores[arm, PASSES]) - len(self.scores[arm, name]) for arm in arms)


def read_ahead(versions: Iterable[SuiteVersion]) -> None:
    """Have at hand what judging runs of these suite versions takes; nothing of it changes while a run is open."""
    wanted = {version.pk: version for version in versions}
    for pk in _read_ahead.keys() - wanted:
        del _read_ahead[pk]
    for pk in wanted.keys() - _read_ahead:
        _read_ahead[pk] = _read(wanted[pk])


def forget() -> None:
    """Let go of what was read ahead for runs that somebody else judges."""
    _read_ahead.clear()


def judge_run(run: Run) -> Judgement:
    """Judge a run whose chunks have ended; memory grows with cases times scorers."""
    ready = _read_ahead.get(run.suite_version_id)
    suite, case_ids = ready if ready is not None else _read(run.suite_version)
    fault = _fault(run)
    if fault:
        return Judgement("error", fault)
    rules = suite.rules()
    if run.baseline is not None:
        sides = (f"v{run.candidate.number}", f"live v{run.baseline.number}")
        rules = tuple(replace(rule, sides=sides) for rule in rules)
    answers = _answers(run, {rule.name for rule in rules})
    specs = dict(zip(case_ids, suite.cases, strict=True))
    if any(rule.mode == "superior" for rule in rules):
        labels = labels_behind(run, suite)
        rules = tuple(_barred(rule, suite, labels) for rule in rules)
    judged = [(_scores(run, suite, specs, answers, rule.name), rule) for rule in rules]
    metrics = judge_all(judged, any_superior=suite.superior_on == "any")
    slices = _slices(judged, metrics)
    verdict = overall(metrics)
    if verdict in {"passed", "inconclusive"} and any(one.verdict == "failed" for one in slices):
        verdict = "failed"
    return Judgement(str(verdict or ""), _summary(metrics, slices, verdict, run), tuple(metrics), slices)


def _read(version: SuiteVersion) -> tuple[SuiteContent, list[int]]:
    """The suite, and the ids of its cases in their order."""
    return version.load_for_verdict(), list(version.cases.order_by("position").values_list("pk", flat=True))


def _barred(rule: Rule, suite: SuiteContent, labels: Mapping[str, int]) -> Rule:
    """The rule, told why no claim to be better may rest on its scores; untouched where one may."""
    counted = [spec.name for spec in suite.all_specs() if spec.counts] if rule.name == PASSES else [rule.name]
    return replace(rule, barred=why_no_claim(counted, labels)) if rule.mode == "superior" else rule


def _scores(
    run: Run, suite: SuiteContent, specs: dict[int, CaseSpec], answers: dict[int, _Answers], name: str
) -> list[CaseScores]:
    """What each case scored on a metric; cases that a scorer is not asked of have no part in its metric."""
    is_for_all = name == PASSES or name in MEASURES
    return [
        CaseScores(
            case_key=spec.key,
            cluster=spec.cluster_key,
            critical=spec.critical,
            new=tuple(answers[case_id].scores[Arm.CANDIDATE, name]),
            base=tuple(answers[case_id].scores[Arm.BASELINE, name]) if run.baseline_id else None,
            tags=spec.tags,
            lost=answers[case_id].lost(run.arms, name),
        )
        for case_id, spec in specs.items()
        if is_for_all or any(one.name == name for one in suite.scorers_of(spec))
    ]


def _slices(judged: list[tuple[list[CaseScores], Rule]], metrics: list[MetricVerdict]) -> tuple[SliceVerdict, ...]:
    """By tag: "passes" always, other metrics where they are compared; none of a metric that could not be judged."""
    found: list[SliceVerdict] = []
    for (cases, rule), metric in zip(judged, metrics, strict=True):
        if metric.verdict != "error" and (rule.name == PASSES or rule.mode in COMPARING):
            found += judge_slices(cases, rule)
    return tuple(found)


def _answers(run: Run, names: set[str]) -> dict[int, _Answers]:
    """What of these metrics was answered in this run and in the looks it is pooled with, by case."""
    runs = [run.pk]
    if run.posts_check and run.look > 1:
        lasts = evidence_lasts(places_of(run.prompt))
        runs += [earlier.pk for earlier in attempts_at(run.prompt_id, run.evidence_key, lasts=lasts).pooled]
    answers: dict[int, _Answers] = defaultdict(_Answers)
    rows = Result.objects.filter(run__in=runs, error="").order_by("repeat")
    columns = {"cost": "cost", "latency": "latency_ms", "output_tokens": "output_tokens"}
    measures = {name: column for name, column in columns.items() if name in names}
    wanted = names - {PASSES} - set(MEASURES)
    read = ["case_id", "arm", "is_passed", *(["scores"] if wanted else []), *measures.values()]
    for case_id, arm, is_passed, *others in rows.values_list(*read).iterator():
        found = answers[case_id].scores
        found[arm, PASSES].append(1.0 if is_passed else 0.0)
        for score in json.loads(others.pop(0)) if wanted else ():
            if score["score"] is not None and score["name"] in wanted:
                found[arm, score["name"]].append(float(score["score"]))
        for name, value in zip(measures, others, strict=True):
            if value is not None:
                # A clock that counts in milliseconds cannot tell less than one.
                found[arm, name].append(max(1.0, float(value)) if name == "latency" else float(value))
    for case_id, lost in _errors(run):
        answers[case_id].errors = lost
    return answers


def _errors(run: Run) -> Iterable[tuple[int, int]]:
    """The cases of the run itself that have answers in error, and how many."""
    if not run.chunks.filter(errors__gt=0).exists():
        return ()
    rows = Result.objects.filter(run=run).exclude(error="").order_by().values_list("case")
    return rows.annotate(Count("pk"))


def _fault(run: Run) -> str:
    """Why the results cannot be judged, whatever their number; empty when they can."""
    missing = sum(chunk.total - chunk.done for chunk in run.chunks.all())
    if missing:
        are = "is" if missing == 1 else "are"
        return f"{count(missing, 'answer')} {are} missing: a worker was lost three times over the same cases"
    errors = Result.objects.filter(run=run, error__in=FAULTS).order_by("pk")
    first = errors.select_related("case").first()
    if first is None:
        return ""
    cases = errors.values("case").distinct().count()
    return f"{count(cases, 'case')} {FAULTS[first.error]} ({first.arm}, case {first.case.key}): {first.output}"


def _summary(metrics: list[MetricVerdict], slices: tuple[SliceVerdict, ...], verdict: str | None, run: Run) -> str:
    """What decided, in a sentence or two: the metrics that say what the run says, and the tags that got worse."""
    judged = [metric for metric in metrics if metric.verdict != "reported"]
    deciding = [metric for metric in judged if metric.verdict == verdict] or metrics[:1]
    worse = [one.tag for one in slices if one.verdict == "failed"]
    parts = [_told(metric, is_named=len(judged) > 1) for metric in deciding]
    if worse:
        tags = f"Got worse by more than is allowed on cases with the tag {names(worse)}."
        parts = [tags, *(parts if any(metric.verdict == "failed" for metric in deciding) else [])]
    looks = f" Look {run.look}, pooled with the ones before." if run.look > 1 and run.posts_check else ""
    return " ".join(parts) + looks


def _told(metric: MetricVerdict, *, is_named: bool) -> str:
    return f"{metric.name}: {metric.told}" if is_named else metric.told
