"""Comparisons as the API tells of them: plain values in the order of the contract."""

from collections.abc import Sequence

from evals_app.comparison_queries import Comparison, DifferenceLine, Distribution, Flip
from evals_app.comparison_sql import RunArm, Spread
from evals_app.suite_history import Point
from evals_app.tag_queries import TagLine
from registry.core.canonical import JSON


def show_comparison(compared: Comparison, flipped: Sequence[Flip], following: str | None) -> dict[str, JSON]:
    """A comparison with a page of its flipped cases."""
    cases: dict[str, JSON] = {"common": compared.common, "left_out": compared.left_out, **compared.counts}
    scores: list[JSON] = [_score(line) for line in compared.differences]
    distributions: list[JSON] = [_distribution(one) for one in compared.distributions]
    rows: list[JSON] = [_flip(flip) for flip in flipped]
    return {
        "suite": compared.new.run.suite_version.suite.slug,
        "old": _side(compared.old),
        "new": _side(compared.new),
        "scores_alike": compared.scores_alike,
        "cases": cases,
        "scores": scores,
        "distributions": distributions,
        "flipped": rows,
        "next": following,
    }


def show_point(point: Point) -> dict[str, JSON]:
    """A version in a suite's history."""
    return {
        "version": point.run.candidate.number,
        "run": point.run.pk,
        "suite_version": point.run.suite_version.number,
        "score": point.score,
        "lower": point.lower,
        "upper": point.upper,
        "case_count": point.cases,
    }


def show_tag(line: TagLine) -> dict[str, JSON]:
    """A tag of a run."""
    return {
        "tag": line.tag,
        "case_count": line.cases,
        "candidate": line.new,
        "baseline": line.base,
        "delta": line.delta,
        "errors": line.errors,
    }


def _side(side: RunArm) -> dict[str, JSON]:
    return {
        "run": side.run.pk,
        "arm": str(side.arm),
        "prompt": side.run.prompt.name,
        "version": side.version.number,
        "suite_version": side.run.suite_version.number,
        "state": side.run.state,
        "settings": side.settings.to_json(),
    }


def _score(line: DifferenceLine) -> dict[str, JSON]:
    found = line.found
    return {
        "name": found.name,
        "case_count": found.n,
        "mean_old": found.mean_old,
        "mean_new": found.mean_new,
        "delta": found.delta,
        "lower": found.lower,
        "upper": found.upper,
        "wins": found.wins,
        "losses": found.losses,
        "p_value": found.p_value,
        "says": found.word,
        "sentence": found.sentence,
    }


def _distribution(one: Distribution) -> dict[str, JSON]:
    bins: list[JSON] = [
        {"start": part.start, "end": part.end, "old": part.old, "new": part.new}
        for part in (one.chart.bins if one.chart else ())
    ]
    return {"measure": one.measure, "old": _spread(one.old), "new": _spread(one.new), "histogram": bins}


def _spread(spread: Spread) -> JSON:
    return {
        "answers": spread.answers,
        "unknown": spread.unknown,
        "total": spread.total,
        "median": spread.median,
        "p90": spread.p90,
        "p99": spread.p99,
    }


def _flip(flip: Flip) -> dict[str, JSON]:
    row = flip.row
    return {
        "case": row.key,
        "case_number": row.position + 1,
        "critical": row.is_critical,
        "flip": row.flip,
        "old_passed": row.old_passed,
        "old_answers": row.old_answers,
        "new_passed": row.new_passed,
        "new_answers": row.new_answers,
    }
