"""A program that runs one action and dies by its own hand, with -9, before or after a chosen statement.

Started once; each request forks a child that opens its own connection. Requests on standard input, one a line of JSON:
`{"action": …, "arguments": {…}, "at": n, "when": "statement" | "commit" | "committed" | "never"}`; answers, one a line:
`{"signal": 9 or 0, "exit": code, "statements": n or null}`. The count is of an action that was not killed.
"""

# ruff: noqa: E402
import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

import django

django.setup()

from django.db import connection, transaction

from prompts_app.actions.applying import apply_due, apply_if_ready, apply_promotion, override_promotion
from prompts_app.actions.promotions import find_promotion
from prompts_app.actions.rollback import roll_back, withdraw
from prompts_app.actions.versions import create_version
from prompts_app.models import Environment, Prompt
from registry.core.identity import actor_of_member
from registry.core.models import Member
from tests.dying import ending


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def perform(action: str, given: Mapping[str, Any]) -> object:
    """One action, as the member named."""
    actor = actor_of_member(Member.objects.select_related("user", "workspace").get(pk=given["member"]))
    if action in {"apply", "override"}:
        row = find_promotion(actor.workspace_id, given["promotion"])
        if action == "apply":
            return apply_promotion(actor, row, stamp=None)
        return override_promotion(actor, row, stamp=None, reason="a reason of more than twenty characters")
    if action in {"due", "ready"}:
        return (apply_due if action == "due" else apply_if_ready)(given["promotion"])
    prompt = Prompt.objects.get(pk=given["prompt"])
    if action == "save":
        return create_version(actor, prompt, {"text": given["text"]})
    environment = Environment.objects.get(pk=given["environment"])
    if action == "roll_back":
        return roll_back(actor, prompt, environment, reason="worse")
    return withdraw(actor, prompt, environment, reason="off")


def child(request: Mapping[str, Any]) -> int:
    """Perform and die on time; the number of statements where it lived."""
    seen, when = 0, request["when"]

    def is_due(sql: str) -> bool:
        nonlocal seen
        seen += 1
        return when == "statement" and seen == request["at"]

    with ending(connection, when, is_due=is_due, end=die):
        perform(request["action"], request["arguments"])
    return seen


def main() -> None:
    """Answer requests until standard input ends."""
    assert transaction.get_connection().connection is None, "nothing is connected before the fork"
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                os.write(writing, str(child(request)).encode())
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        _, status = os.waitpid(pid, 0)
        told = os.read(reading, 100).decode()
        os.close(reading)
        answer = {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "statements": int(told) if told else None,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
