"""The command `greenroom`: reads what was said, does it, and ends with the exit code that says how it went."""

import argparse
import os
import sys
from collections.abc import Sequence

from greenroom.cli.arguments import make_parser
from greenroom.cli.checks import Finding, post_check
from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.fetching import print_live, print_lock_file
from greenroom.cli.folders import diff, pull_files, push
from greenroom.cli.progress import Screen
from greenroom.cli.promoting import Move, promote
from greenroom.cli.status import print_status
from greenroom.cli.suites import Wish, run_suite
from greenroom.cli.talk import Talk
from greenroom.cli.words import visible
from greenroom.errors import GreenroomError, Misconfigured
from greenroom.settings import read_settings
from greenroom.templates.values import JSON


def run() -> None:
    """What the installed command calls. A reader that has seen enough, as `head`, is no error worth a trace."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.ERROR
    sys.exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; argparse ends by itself (SystemExit) on bad usage and on --help."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command == "run-suite" and options.junit is not None and not options.wait:
        parser.error("--junit needs --wait: before the run has ended there is nothing to report")
    screen = Screen()
    try:
        settings = read_settings(key_file=options.key_file)
        with Talk(settings, timeout_s=options.timeout, tell=screen.tell) as talk:
            return _do(options, talk, screen)
    except Misconfigured as error:
        return _complain(screen, error, ExitCode.USAGE)
    except GreenroomError as error:
        return _complain(screen, error, ExitCode.ERROR)
    except KeyboardInterrupt:
        screen.clear()
        return ExitCode.INTERRUPTED


def _do(options: argparse.Namespace, talk: Talk, screen: Screen) -> ExitCode:
    if options.command == "get":
        return print_live(talk, options.prompt, options.environment)
    if options.command == "status":
        return print_status(talk, options.prompt, as_json=options.json)
    if options.command == "promote":
        move = Move(options.prompt, options.version, options.environment, options.title, options.acknowledge_breaking)
        return promote(talk, move, apply=options.apply)
    if options.command == "pull-files":
        return pull_files(talk, options.folder, options.environment, force=options.force)
    if options.command == "push":
        return push(talk, options.folder, message=options.message, dry_run=options.dry_run)
    if options.command == "diff":
        return diff(talk, options.folder, options.environment)
    if options.command == "pull":
        return print_lock_file(talk, options.environment)
    if options.command == "check":
        finding = Finding(options.name, options.state, options.summary, options.url)
        return post_check(talk, options.prompt, finding, version=options.version, digest=options.digest or "")
    config: dict[str, JSON] = dict(options.config)
    baseline = {"environment": options.environment} if options.environment else options.baseline
    limits: dict[str, JSON] = {"cost": options.max_cost, "requests": options.max_requests}
    budget: dict[str, JSON] = {name: most for name, most in limits.items() if most is not None}
    wish = Wish(options.prompt, options.suite, options.version, baseline, config, budget, options.again)
    return run_suite(talk, screen, wish, wait=options.wait, junit=options.junit, as_json=options.json)


def _complain(screen: Screen, error: GreenroomError, code: ExitCode) -> ExitCode:
    screen.clear()
    sys.stderr.write(f"greenroom: {visible(str(error))}\n")
    return code
