"""`greenroom promote`: ask for a version to go live, and apply it where nothing is in the way."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk
from greenroom.cli.words import one_line
from greenroom.errors import Refused
from greenroom.fields import Fields
from greenroom.templates.values import JSON

# Votes and checks may come in between reading a promotion and applying it.
TRIES = 5
STALE_VIEW, BLOCKED = 412, "promotion.blocked"


@dataclass(frozen=True)
class Move:
    """What shall go live where."""

    prompt: str
    version: int
    environment: str
    title: str = ""
    acknowledge_breaking: bool = False

    def to_body(self) -> dict[str, JSON]:
        """The body that opens the promotion."""
        body: dict[str, JSON] = {"prompt": self.prompt, "version": self.version, "environment": self.environment}
        body |= {"title": self.title} if self.title else {}
        return body | ({"acknowledge_breaking": True} if self.acknowledge_breaking else {})


def promote(talk: Talk, move: Move, *, apply: bool) -> ExitCode:
    """0 once it is asked for, with `apply` once it is live; 1 where something is in the way. Doing it again changes nothing."""
    try:
        number = talk.post("promotions", move.to_body()).integer("id")
    except Refused as refused:
        if refused.code == "version.live":
            _say(f"live already: v{move.version} of {move.prompt} in {move.environment}")
            return ExitCode.PASSED
        if refused.code != "promotion.exists":
            raise
        number = Fields(refused.extra, "the refusal").integer("promotion")
    for _ in range(TRIES - 1):
        try:
            return _go_on(talk, number, apply=apply)
        except Refused as refused:
            if refused.status != STALE_VIEW and refused.code != BLOCKED:
                raise
    return _go_on(talk, number, apply=apply)


def _go_on(talk: Talk, number: int, *, apply: bool) -> ExitCode:
    path = f"promotions/{number}"
    promotion, etag = talk.get_tagged(path)
    what = f"v{promotion.integer('version')} of {promotion.text('prompt')} in {promotion.text('environment')}"
    blockers = list(promotion.objects("blockers"))
    if apply and not blockers and promotion.text("state") != "applied":
        applied = talk.post(f"{path}/apply", {}, if_match=etag)
        _say(f"live: {what}, revision {applied.integer('revision')}")
        return ExitCode.PASSED
    _say(f"promotion {number}: {what}, {promotion.text('state')}")
    for blocker in blockers:
        _say(f"  in the way: {blocker.text('message')} ({blocker.text('code')})")
    return ExitCode.FAILED if apply and blockers else ExitCode.PASSED


def _say(text: str) -> None:
    indent = "  " if text.startswith("  ") else ""
    sys.stdout.write(f"{indent}{one_line(text)}\n")
