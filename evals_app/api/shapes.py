"""Rows as the API tells of them: plain values in the order of the contract."""

import json
from decimal import Decimal

from evals_app.actions.providers import settings_of
from evals_app.judge_reports import JudgeReport, run_seats, run_warnings
from evals_app.models import (
    Provider,
    Purge,
    Result,
    ResultLabel,
    Run,
    RunMetric,
    RunSlice,
    Suite,
    SuiteAttachment,
    SuiteVersion,
)
from evals_app.outlook_queries import outlooks
from evals_app.run_queries import Progress, RunSheet
from evals_app.scorers.graded.judging import prompt_name
from evals_app.version_queries import shown_case
from prompts_app.models import CheckState, VersionCheck
from registry.core.canonical import JSON
from registry.core.times import rfc3339


def show_suite(suite: Suite) -> dict[str, JSON]:
    """A suite; its maker must be loaded."""
    return {
        "slug": suite.slug,
        "title": suite.title,
        "safety": suite.is_safety,
        "check": suite.check_name,
        "newest_version": suite.last_number or None,
        "created_by": suite.created_by.user.email,
        "created_at": rfc3339(suite.created_at),
    }


def show_listed_suite_version(version: SuiteVersion) -> dict[str, JSON]:
    """A version without cases and scorers; suite and author must be loaded."""
    return {
        "suite": version.suite.slug,
        "version": version.number,
        "digest": version.digest,
        "mode": version.mode,
        "repeats": version.repeats,
        "looks": version.looks,
        "case_count": version.case_count,
        "author": version.author.user.email,
        "created_at": rfc3339(version.created_at),
    }


def show_suite_version(version: SuiteVersion) -> dict[str, JSON]:
    """All of a version; four queries."""
    cases: list[JSON] = [shown_case(case) for case in version.cases.select_related("purge").order_by("position")]
    rules: dict[str, JSON] = json.loads(version.rules)
    shown = ("scorers", "margin", "first_floor", "alpha", "config")
    later: dict[str, JSON] = {
        "judges": [],
        "combine": "all",
        "threshold": None,
        "groups": [],
        "floor": None,
        "least_gain": 0.0,
        "metrics": [],
        "superior_on": "all",
    }
    return {
        **show_listed_suite_version(version),
        "cases": cases,
        **{name: rules[name] for name in shown},
        **{name: rules.get(name, default) for name, default in later.items()},
        "outlook": [
            {"metric": one.metric, "chance": one.chance, "seen": one.is_seen, "sentence": one.sentence}
            for one in outlooks(version.suite_id, version.load())
        ],
    }


def show_suite_judges(report: JudgeReport) -> dict[str, JSON]:
    """Who judges in a suite's version."""
    lines: list[JSON] = [
        {
            "scorer": line.judged.scorer,
            "judge": line.name,
            "version": line.version,
            "digest": line.judged.seat.digest,
            "newest_version": line.newest,
            "provider": line.judged.seat.settings.provider,
            "model": line.judged.seat.settings.model,
            "labels": line.agreement.n,
            "agreed": line.agreement.agreed,
            "kappa": line.agreement.kappa,
            "lower": line.agreement.lower,
            "upper": line.agreement.upper,
            "may_claim_superior": line.agreement.is_enough,
            "warnings": list(line.warnings),
        }
        for line in report.lines
    ]
    return {"judges": lines, "problem": report.problem}


def show_attachment(attachment: SuiteAttachment) -> dict[str, JSON]:
    """An attachment; suite and prompt must be loaded."""
    return {
        "suite": attachment.suite.slug,
        "prompt": attachment.prompt.name,
        "required": attachment.is_required,
        "run_on": attachment.run_on,
        "created_at": rfc3339(attachment.created_at),
    }


def show_listed_run(run: Run, progress: Progress) -> dict[str, JSON]:
    """A run without what it says; as `runs_of` loads it."""
    return {
        "id": run.pk,
        "state": run.state,
        "verdict": run.verdict or None,
        "progress": {"done": progress.done, "total": progress.total, "errors": progress.errors},
        "prompt": run.prompt.name,
        "version": run.candidate.number,
        "baseline": run.baseline.number if run.baseline else None,
        "suite": run.suite_version.suite.slug,
        "suite_version": run.suite_version.number,
        "reason": run.reason,
        "started_by": run.started_by_name,
        "created_at": rfc3339(run.created_at),
        "finished_at": rfc3339(run.finished_at),
    }


def show_run(sheet: RunSheet) -> dict[str, JSON]:
    """All of a run but its results; two queries."""
    run = sheet.run
    metrics: list[JSON] = [show_metric(line.metric) for line in sheet.metrics]
    settings: dict[str, JSON] = {"candidate": json.loads(run.candidate_settings)}
    settings |= {"baseline": json.loads(run.baseline_settings)} if run.baseline_settings else {}
    return {
        **show_listed_run(run, sheet.progress),
        "cost": as_dollars(sheet.cost),
        "input_tokens": sheet.totals.input_tokens,
        "output_tokens": sheet.totals.output_tokens,
        "budget": _budget(run),
        "metrics": metrics,
        "slices": [show_slice(one) for one in run.slices.all()],
        "check": _check(run),
        "summary": run.summary,
        "repeats": run.repeats,
        "look": run.look,
        "settings": settings,
        "judges": [
            {
                "judge": prompt_name(key) if seat.version else key,
                "version": seat.version,
                "digest": seat.digest,
                "provider": seat.settings.provider,
                "model": seat.settings.model,
            }
            for key, seat in run_seats(run).items()
        ],
        "warnings": list(run_warnings(run)),
        "judge_cost": as_dollars(sheet.judged.cost),
        "url": run.url,
        "started_at": rfc3339(run.started_at),
    }


def _budget(run: Run) -> JSON:
    if not run.has_budget:
        return None
    return {
        "cost": as_dollars(run.budget_cost),
        "requests": run.budget_requests,
        "is_default": run.is_default_budget,
        "spent_cost": float(run.spent_cost),
        "spent_requests": run.spent_requests,
    }


def show_metric(metric: RunMetric) -> dict[str, JSON]:
    """What a run says of one metric."""
    return {
        "name": metric.name,
        "mode": metric.mode,
        "mean_new": metric.mean_new,
        "mean_base": metric.mean_base,
        "delta": metric.delta,
        "lower": metric.lower,
        "upper": metric.upper,
        "verdict": metric.verdict,
        "sentence": metric.sentence,
        "settle": metric.settle,
        "cases": metric.case_count,
        "clusters": metric.cluster_count or metric.case_count,
        "line": metric.line,
        "unit": metric.unit,
    }


def show_slice(one: RunSlice) -> dict[str, JSON]:
    """What a run says of one metric on the cases of one tag."""
    return {
        "metric": one.metric,
        "tag": one.tag,
        "mean_new": one.mean_new,
        "mean_base": one.mean_base,
        "delta": one.delta,
        "lower": one.lower,
        "upper": one.upper,
        "cases": one.case_count,
        "clusters": one.cluster_count,
        "unit": one.unit,
        "verdict": one.verdict,
        "sentence": one.sentence,
    }


def show_result(result: Result) -> dict[str, JSON]:
    """One answer; its case, its labels and its purge must be loaded."""
    return {
        "id": result.pk,
        "case": result.case.key,
        "tags": list(result.case.tags),
        "critical": result.case.is_critical,
        "arm": result.arm,
        "repeat": result.repeat,
        "status": "error" if result.error else "passed" if result.is_passed else "failed",
        "error": result.error,
        "output": result.output,
        "tool_calls": json.loads(result.tool_calls),
        "scores": json.loads(result.scores),
        "input_tokens": result.input_tokens,
        "output_tokens": result.output_tokens,
        "cost": as_dollars(result.cost),
        "latency_ms": result.latency_ms,
        "judge_input_tokens": result.judge_input_tokens,
        "judge_output_tokens": result.judge_output_tokens,
        "judge_cost": as_dollars(result.judge_cost),
        "labels": [show_label(label) for label in result.labels.all()],
        "provider": result.provider_name,
        "model": result.model,
        "request_digest": result.request_digest,
        "cached": result.is_cached,
        "fallback": result.is_fallback,
        "purged": show_purged(result.purge, result.purged_digest),
        "created_at": rfc3339(result.created_at),
    }


def show_purged(purge: Purge | None, digest: str) -> JSON:
    """By whom and when a text was purged, and its SHA-256; None where it is there."""
    if purge is None:
        return None
    return {"by": purge.by_name, "at": rfc3339(purge.created_at), "sha256": digest}


def show_purge(purge: Purge) -> dict[str, JSON]:
    """A purge; its member must be loaded."""
    return {
        "id": purge.pk,
        "by": purge.by.user.email if purge.by else None,
        "by_name": purge.by_name,
        "reason": purge.reason,
        "at": rfc3339(purge.created_at),
    }


def show_label(label: ResultLabel) -> dict[str, JSON]:
    """What a member says of an answer; the member must be loaded."""
    return {
        "result": label.result_id,
        "label": label.label,
        "scorer": label.scorer,
        "note": label.note,
        "by": label.member.user.email,
        "at": rfc3339(label.updated_at),
    }


def show_provider(provider: Provider) -> dict[str, JSON]:
    """A provider with the end of its key; its fallback must be loaded."""
    shown = settings_of(provider).to_json()
    key = f"…{provider.key_last4}" if provider.sealed_key else ""
    return {"name": shown.pop("name"), "base_url": shown.pop("base_url"), "api_key": key, **shown}


def as_dollars(cost: Decimal | None) -> float | None:
    """A number for JSON."""
    return None if cost is None else float(cost)


def _check(run: Run) -> JSON:
    if not run.posts_check:
        return None
    check = VersionCheck.objects.filter(prompt=run.prompt_id, run_id=run.pk).order_by("-pk").first()
    state = check.state if check else CheckState.PENDING
    return {"name": run.suite_version.suite.check_name, "state": str(state), "url": run.url}
