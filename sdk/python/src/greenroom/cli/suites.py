"""`greenroom run-suite`: start a run, follow it, report it, end by its verdict."""

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.junit import check_place, to_junit, write_report
from greenroom.cli.progress import Screen
from greenroom.cli.report import CaseCount, Run, fetch_cases
from greenroom.cli.talk import Talk
from greenroom.cli.words import one_line
from greenroom.errors import GreenroomError, Misconfigured, Unreachable
from greenroom.templates.values import JSON

POLL_S = 1.0
# For reading the answers once the run has ended, or time has run out.
REPORT_WITHIN_S = 120.0


@dataclass(frozen=True)
class Wish:
    """What to run; `version` None is the newest, `baseline` is what the API takes."""

    prompt: str
    suite: str
    version: int | None = None
    baseline: int | dict[str, str] | None = None
    config: dict[str, JSON] = field(default_factory=dict)
    budget: dict[str, JSON] = field(default_factory=dict)
    again: bool = False

    def to_body(self, version: int) -> dict[str, JSON]:
        """The body of the call; without `baseline` nothing is compared."""
        baseline: JSON = {**self.baseline} if isinstance(self.baseline, dict) else self.baseline
        body: dict[str, JSON] = {"prompt": self.prompt, "version": version, "suite": self.suite, "baseline": baseline}
        body |= {"config": self.config} if self.config else {}
        body |= {"budget": self.budget} if self.budget else {}
        return body | ({"again": True} if self.again else {})


def run_suite(talk: Talk, screen: Screen, wish: Wish, *, wait: bool, junit: Path | None, as_json: bool) -> ExitCode:
    """The exit code of the run; without `wait` 0 as soon as it is accepted."""
    if junit is not None:
        check_place(junit)
    version = wish.version if wish.version is not None else _newest(talk, wish.prompt)
    run = Run.read(talk.post("runs", wish.to_body(version)))
    screen.tell(f"run {run.pk}: {run.title}")
    screen.tell(talk.settings.page(run.url))
    if not wait:
        _print(talk, run, as_json=as_json)
        return ExitCode.PASSED
    run, trouble = _follow(talk, screen, run)
    if junit is not None:
        _report(talk, screen, run, junit, trouble)
    _print(talk, run, as_json=as_json, trouble=trouble)
    return ExitCode.ERROR if trouble else run.exit_code


def _newest(talk: Talk, prompt: str) -> int:
    newest = talk.get(f"prompts/{quote(prompt, safe='')}").integer_or_none("newest_version")
    if newest is None:
        raise Misconfigured(f"The prompt {prompt} has no version yet.")
    return newest


def _follow(talk: Talk, screen: Screen, run: Run) -> tuple[Run, str]:
    """The run as it ended, and why there is no verdict where there is none."""
    screen.show(run)
    try:
        while run.is_open:
            if talk.left_s <= POLL_S:
                screen.clear()
                return run, "The time is up. The run itself goes on: see its page."
            time.sleep(POLL_S)
            run = Run.read(talk.get(f"runs/{run.pk}"))
            screen.show(run)
    except Unreachable as error:
        return run, f"{error} The run itself goes on: see its page."
    except KeyboardInterrupt:
        screen.tell("Stopped. The run itself goes on: see its page.")
        raise
    screen.clear()
    return run, "" if run.state == "finished" else run.summary or f"The run ended: {run.state}."


def _report(talk: Talk, screen: Screen, run: Run, place: Path, trouble: str) -> None:
    """What is known, even if the answers cannot be read any more: a missing report hides the reason."""
    talk.allow(REPORT_WITHIN_S)
    cases: list[CaseCount] = []
    try:
        cases = fetch_cases(talk, run)
    except GreenroomError as error:
        screen.tell(f"The answers could not be read for the report: {error}")
        trouble = trouble or f"The answers could not be read: {error}"
    try:
        write_report(place, to_junit(run, cases, page=talk.settings.page(run.url), trouble=trouble))
    except OSError as error:
        raise Misconfigured(f"The report {place} could not be written: {error.strerror}.") from None


def _print(talk: Talk, run: Run, *, as_json: bool, trouble: str = "") -> None:
    """Every line begins with a word of ours: what others wrote cannot be a command to whatever reads the log."""
    if as_json:
        sys.stdout.write(json.dumps(dict(run.source.values), ensure_ascii=False) + "\n")
        return
    lines = [f"{run.outcome}: {run.title}"] if not run.is_open else []
    lines += [f"  {metric.name}: {metric.sentence}" for metric in run.metrics]
    lines += [f"  {one.metric} where {one.tag}: {one.sentence}" for one in run.slices]
    lines += [f"warning: {warning}" for warning in run.warnings]
    lines += [f"trouble: {trouble}"] if trouble else []
    lines += [f"check {run.check}"] if run.check else []
    lines += [f"run {talk.settings.page(run.url)}"]
    for line in lines:
        indent = "  " if line.startswith("  ") else ""
        sys.stdout.write(f"{indent}{one_line(line)}\n")
