"""A run as JUnit XML: one suite, a test case per case. A report of facts; whether the gate is open is the exit code."""

import os
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from greenroom.cli.report import CaseCount, Metric, Run
from greenroom.cli.words import one_line, visible
from greenroom.errors import Misconfigured


def check_place(path: Path) -> None:
    """Raises Misconfigured where no file can be written, before anything was asked of anybody."""
    folder = path.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise Misconfigured(f"No file can be written at {path}: make its folder first.")


def write_report(path: Path, document: bytes) -> None:
    """Whole or not at all: written beside its place and moved there."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(document)
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101 - a name, as mkstemp gives it
        os.replace(name, path)  # noqa: PTH105
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def to_junit(run: Run, cases: Sequence[CaseCount], *, page: str, trouble: str = "") -> bytes:
    """The report. `trouble` says why there is no verdict: then a test case `run` in error says it too."""
    suite = ET.Element("testsuite", name=one_line(f"{run.suite} on {run.prompt} v{run.version}"))
    _write_properties(suite, run, page)
    where = one_line(f"{run.prompt}.{run.suite}")
    if trouble:
        error = ET.SubElement(ET.SubElement(suite, "testcase", classname=where, name="run", time="0"), "error")
        error.set("message", one_line(trouble))
    for case in cases:
        _write_case(suite, where, case)
    counts = {kind: len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error")}
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(counts["failure"]))
    suite.set("errors", str(counts["error"]))
    suite.set("skipped", "0")
    suite.set("time", _seconds(run))
    if run.started_at:
        suite.set("timestamp", one_line(run.started_at))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return b"<?xml version='1.0' encoding='utf-8'?>\n" + ET.tostring(root, encoding="unicode").encode() + b"\n"


def _write_properties(suite: ET.Element, run: Run, page: str) -> None:
    listed = ET.SubElement(suite, "properties")
    for name, value in _properties(run, page):
        ET.SubElement(listed, "property", name=one_line(name), value=one_line(value))


def _properties(run: Run, page: str) -> Iterator[tuple[str, str]]:
    yield "verdict", run.outcome
    yield "summary", run.summary
    yield "run", page
    yield "suite_version", str(run.suite_version)
    yield "baseline", "" if run.baseline is None else str(run.baseline)
    if run.check:
        yield "check", run.check
    if run.cost is not None:
        yield "cost_usd", f"{run.cost:.6f}"
    for metric in run.metrics:
        yield from _metric(metric)
    for one in run.slices:
        yield f"slice.{one.metric}.{one.tag}.sentence", one.sentence
    for warning in run.warnings:
        yield "warning", warning


def _metric(metric: Metric) -> Iterator[tuple[str, str]]:
    start = f"metric.{metric.name}"
    yield f"{start}.verdict", metric.verdict
    yield f"{start}.sentence", metric.sentence
    yield f"{start}.mode", metric.mode
    for name in ("mean_new", "mean_base", "delta", "lower", "upper"):
        value: float | None = getattr(metric, name)
        if value is not None:
            yield f"{start}.{name}", repr(value)


def _write_case(suite: ET.Element, where: str, case: CaseCount) -> None:
    """A case that has no answer of the candidate yet is left out."""
    candidate = case.candidate
    if not candidate.answers:
        return
    made = ET.SubElement(
        suite, "testcase", classname=where, name=one_line(case.key), time=f"{case.latency_ms / 1000:.3f}"
    )
    if not candidate.failed and not candidate.errors:
        return
    kind = "failure" if candidate.failed else "error"
    bad = candidate.failed or candidate.errors
    what = "failed" if candidate.failed else "brought no answer"
    found = ET.SubElement(made, kind, type=kind)
    reasons = "; ".join(case.reasons)
    found.set("message", one_line(f"{bad} of {candidate.answers} {what}{_beside(case)}: {reasons}"))
    found.text = visible("\n\n".join(case.excerpts))


def _beside(case: CaseCount) -> str:
    """What the other version does with the case."""
    base = case.baseline
    return f" (baseline: {base.passed} of {base.answers} passed)" if base.answers else ""


def _seconds(run: Run) -> str:
    if not run.started_at or not run.finished_at:
        return "0"
    try:
        took = datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)
    except (ValueError, TypeError):
        return "0"
    return f"{max(0.0, took.total_seconds()):.3f}"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
