"""A workflow file of GitHub Actions, its steps run by a shell as a runner does; only what the documentation uses of it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

LONGEST_S = 90
EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
STATE = "job.status == 'success' && 'passed' || 'failed'"


class Runner:
    """One run of a job: what its steps put out, and whether all went well so far."""

    def __init__(self, file: Path, folder: Path, environ: dict[str, str], *, sha: str) -> None:
        [self.job] = yaml.safe_load(file.read_text())["jobs"].values()
        self.folder = folder
        self.outputs: dict[str, str] = {}
        self.has_failed = False
        temporary = folder / f"runner-{sha}"
        temporary.mkdir()
        self.output = temporary / "output"
        told = {"GITHUB_SHA": sha, "GITHUB_OUTPUT": str(self.output), "RUNNER_TEMP": str(temporary)}
        about = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/prompts", "GITHUB_RUN_ID": "7"}
        self.context = {
            "vars.GREENROOM_URL": environ["GREENROOM_URL"],
            "secrets.GREENROOM_KEY": environ["GREENROOM_KEY"],
        }
        self.environ = {**environ, **told, **about}
        self.environ |= {name: self.filled(value) for name, value in self.job["env"].items()}

    def play(self) -> str:
        """Every step that a shell runs, in order; what they printed. Those that only install are left out."""
        said = ""
        for step in self.job["steps"]:
            command = step.get("run", "")
            if not command or command.startswith("pip install") or not self._is_due(step.get("if", "")):
                continue
            self.output.write_text("")
            done = subprocess.run(
                ["bash", "-e", "-o", "pipefail", "-c", self.filled(command)],
                cwd=self.folder,
                env=self.environ,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
            said += done.stdout + done.stderr
            self.has_failed |= done.returncode != 0
            told = dict(line.split("=", 1) for line in self.output.read_text().splitlines())
            self.outputs |= {f"steps.{step.get('id')}.outputs.{name}": value for name, value in told.items()}
        return said

    def filled(self, text: Any) -> str:
        """The text with its expressions replaced."""
        return EXPRESSION.sub(lambda found: self._value(found[1]), str(text))

    def _value(self, expression: str) -> str:
        if expression == STATE:
            return "failed" if self.has_failed else "passed"
        return {**self.context, **self.outputs}[expression]

    def _is_due(self, condition: str) -> bool:
        """Without a condition only while all went well; `always()` even then, if what else is named is there."""
        if not condition:
            return not self.has_failed
        always, *rest = [part.strip() for part in condition.split("&&")]
        assert always == "always()", condition
        return all(self.outputs.get(name) for name in rest)
