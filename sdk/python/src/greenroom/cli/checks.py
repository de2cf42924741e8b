"""`greenroom check post`: say what an outside system found of a version."""

import sys
from dataclasses import dataclass
from urllib.parse import quote

from greenroom.cli.exit_codes import ExitCode
from greenroom.cli.talk import Talk
from greenroom.cli.words import one_line
from greenroom.templates.values import JSON

STATES = ("pending", "passed", "failed", "inconclusive", "error")


@dataclass(frozen=True)
class Finding:
    """What was found; the newest by this name counts."""

    name: str
    state: str
    summary: str = ""
    url: str = ""

    def to_body(self) -> dict[str, JSON]:
        """The body of the call."""
        return {"name": self.name, "state": self.state, "summary": self.summary, "url": self.url}


def post_check(talk: Talk, prompt: str, finding: Finding, *, version: int | None, digest: str) -> ExitCode:
    """Posts it to a version, or to the first version with a digest."""
    path = f"prompts/{quote(prompt, safe='')}"
    if version is None:
        version = talk.get(f"{path}/digests/{quote(digest, safe='')}").integer("version")
    kept = talk.post(f"{path}/versions/{version}/checks", finding.to_body())
    sys.stdout.write(one_line(f"{kept.text('name')} of {prompt} v{version}: {kept.text('state')}") + "\n")
    return ExitCode.PASSED
