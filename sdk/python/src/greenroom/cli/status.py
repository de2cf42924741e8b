"""`greenroom status`: the newest version of each prompt, and what is live where."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk, after_of
from greenroom.cli.words import one_line
from greenroom.fields import Fields


def print_status(talk: Talk, prompt: str, *, as_json: bool) -> ExitCode:
    """One prompt, or all of them: a line each."""
    found = iter([talk.get(f"prompts/{quote(prompt, safe='')}")]) if prompt else _all(talk)
    for one in found:
        if as_json:
            sys.stdout.write(json.dumps(dict(one.values), ensure_ascii=False) + "\n")
            continue
        newest = one.integer_or_none("newest_version")
        live = [f"{place.text('environment')} v{place.integer('version')}" for place in one.objects("live")]
        newest_is = f"newest v{newest}" if newest else "no version"
        sys.stdout.write(one_line(f"{one.text('name')}: {', '.join([newest_is, *live])}") + "\n")
    return ExitCode.PASSED


def _all(talk: Talk) -> Iterator[Fields]:
    after = ""
    while True:
        page = talk.get("prompts", {"limit": "200"} | ({"after": after} if after else {}))
        yield from page.objects("results")
        following = page.text_or_none("next")
        if following is None:
            return
        after = after_of(following, after)
