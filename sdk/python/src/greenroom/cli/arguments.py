"""The command line: what may be said, and refusals that say what to do."""

import argparse
import json
import math
import re
from pathlib import Path
from typing import NoReturn

from greenroom import __version__
from greenroom.cli.checks import STATES
from greenroom.cli.exit_codes import ExitCode
from greenroom.templates.values import JSON

ABOUT = """\
Where the server is and what opens it comes from the environment:
  GREENROOM_URL   its address, such as https://prompts.example.com
  GREENROOM_KEY   an API key (gr_…); or name a file that holds one: --key-file
"""
ENDS = """\
exit codes:
  0    the suite passed (or only reports); without --wait: the run was accepted
  1    it failed
  2    it is inconclusive: it blocks, and the sentence says what would settle it
  3    no verdict: the run ended in error or was cancelled, time ran out, or the server refused
  64   the command line, the address or the key cannot be right
  130  stopped by Ctrl-C; the run itself goes on
"""
PROMOTE_ENDS = """\
exit codes: 0 asked for, or with --apply live; 1 with --apply where something is in the way; 3 refused; 64 usage
"""
RUN_WITHIN_S, CALL_WITHIN_S = 3600.0, 60.0
DIGEST = re.compile(r"[0-9a-f]{64}")


class Parser(argparse.ArgumentParser):
    """argparse, but its exit code for bad usage is not that of an inconclusive run."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong and ends."""
        self.print_usage()
        self.exit(ExitCode.USAGE, f"greenroom: {message}\n")


def make_parser() -> Parser:
    """All commands."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="greenroom", description=__doc__, epilog=ABOUT, formatter_class=raw, allow_abbrev=False)
    parser.description = "Gates in CI, and prompts, from a Greenroom prompt registry."
    parser.add_argument("--version", action="version", version=f"greenroom {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run-suite", help="replay a suite on a version", epilog=ENDS, formatter_class=raw, allow_abbrev=False
    )
    _add_run(run)
    check = commands.add_parser("check", help="what outside systems found", allow_abbrev=False)
    post = check.add_subparsers(dest="subcommand", required=True, metavar="COMMAND").add_parser(
        "post", help="say what an outside system found of a version", allow_abbrev=False
    )
    _add_check(post)
    get = commands.add_parser("get", help="print what is live of a prompt, as JSON", allow_abbrev=False)
    get.add_argument("prompt", metavar="PROMPT")
    promote = commands.add_parser(
        "promote", help="ask for a version to go live", epilog=PROMOTE_ENDS, formatter_class=raw, allow_abbrev=False
    )
    _add_promote(promote)
    status = commands.add_parser("status", help="newest versions, and what is live where", allow_abbrev=False)
    status.add_argument("prompt", metavar="PROMPT", nargs="?", default="", help="only this one")
    status.add_argument("--json", action="store_true", help="a line of JSON each, as the API tells of them")
    pull = commands.add_parser(
        "pull", help="print everything that is live, as a lock file to package with a service", allow_abbrev=False
    )
    files = _add_folders(commands)
    for each in (get, pull):
        each.add_argument("--environment", "--env", required=True, metavar="NAME")
    for each in (run, post, get, promote, status, pull, *files):
        within = RUN_WITHIN_S if each is run else CALL_WITHIN_S
        each.add_argument("--key-file", type=Path, metavar="FILE", help="holds the API key, instead of GREENROOM_KEY")
        each.add_argument(
            "--timeout", type=_seconds, default=within, metavar="S", help=f"seconds to try and wait ({within:g})"
        )
    return parser


def _add_folders(commands: "argparse._SubParsersAction[Parser]") -> list[Parser]:
    """What keeps prompts as files of a folder."""
    pull = commands.add_parser("pull-files", help="write each prompt's newest version to a folder", allow_abbrev=False)
    pull.add_argument("--force", action="store_true", help="write over changes that are not pushed")
    push = commands.add_parser("push", help="save the files of a folder that say something new", allow_abbrev=False)
    push.add_argument("--dry-run", action="store_true", help="say what would be saved")
    push.add_argument("--message", "-m", default="", help="what changed, for the history")
    diff = commands.add_parser("diff", help="a folder against what the server has", allow_abbrev=False)
    for each in (pull, push, diff):
        each.add_argument("folder", type=Path, metavar="DIR")
    for each in (pull, diff):
        each.add_argument("--environment", "--env", default="", metavar="NAME", help="what is live there instead")
    return [pull, push, diff]


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="its name, such as support/triage")
    parser.add_argument("suite", metavar="SUITE", help="its slug")
    parser.add_argument("--version", type=_number, metavar="N", help="of the prompt; the newest one if left out")
    against = parser.add_mutually_exclusive_group()
    against.add_argument("--baseline", type=_number, metavar="N", help="compare with this version")
    against.add_argument("--environment", "--env", metavar="NAME", help="compare with what is live there")
    against.add_argument("--no-baseline", action="store_true", help="compare with nothing (as when nothing is said)")
    parser.add_argument(
        "--config", type=_setting, action="append", default=[], metavar="K=V",
        help="model setting over the version's own, such as temperature=0; the value is JSON, else text; posts no check",
    )  # fmt: skip
    parser.add_argument(
        "--again", action="store_true", help="ask once more although the answer is fresh: a further look"
    )
    parser.add_argument(
        "--max-cost", type=_amount, metavar="USD", help="the run ends in error where it would cost more"
    )
    parser.add_argument("--max-requests", type=_number, metavar="N", help="or where it would ask the model more often")
    parser.add_argument("--wait", action="store_true", help="until it has ended; the exit code is its verdict's")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write a JUnit XML report there (with --wait)")
    parser.add_argument("--json", action="store_true", help="print the run as JSON, as the API tells of it")


def _add_promote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT")
    parser.add_argument("--version", type=_number, required=True, metavar="N")
    parser.add_argument("--environment", "--env", required=True, metavar="NAME")
    parser.add_argument("--title", default="", help="what reviewers read first")
    parser.add_argument("--acknowledge-breaking", action="store_true", help="the change of the contract is intended")
    parser.add_argument("--apply", action="store_true", help="make it live at once if nothing is in the way")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--version", type=_number, metavar="N")
    which.add_argument("--digest", type=_digest, metavar="D", help="of the content: 64 hex digits")
    parser.add_argument("--name", required=True, help="external/…, as the policy asks for it")
    parser.add_argument("--state", required=True, choices=STATES)
    parser.add_argument("--summary", default="", metavar="TEXT", help="a sentence or two for reviewers")
    parser.add_argument("--url", default="", help="where more is to be read")


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r} is no version: versions are numbered from 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 < amount < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount of dollars above 0")
    return amount


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no digest: 64 lower-case hex digits")
    return text


def _setting(text: str) -> tuple[str, JSON]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting: write NAME=VALUE")
    try:
        parsed: JSON = json.loads(value, parse_constant=_no_number)
    except ValueError:
        parsed = value
    return name, parsed


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)
