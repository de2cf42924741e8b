"""The small real model, served from its wheels and asked through the whole engine."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from django.test import override_settings

from evals_app.actions.providers import create_provider
from evals_app.actions.runs import start_run
from evals_app.engine import machinery
from evals_app.local_model import MODEL_NAME, is_installed
from evals_app.provider_settings import parse_provider
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from tests.builders import Cast
from tests.evals.building import suite, work
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
LABELS = ["card", "exchange", "top_up", "pin", "refund"]
FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "intent",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"intent": {"type": "string", "enum": LABELS}},
            "required": ["intent"],
            "additionalProperties": False,
        },
    },
}
MESSAGES = [
    ("What is my PIN?", "pin"), ("I want a refund for my order", "refund"), ("What exchange rate do you use?", "exchange"),
    ("My top up did not go through", "top_up"), ("Where is my new card?", "card"), ("How do I change my PIN?", "pin"),
]  # fmt: skip


@pytest.fixture
def base_url() -> Iterator[str]:
    if not is_installed():
        pytest.skip("the wheels of the extra local-model are not installed")
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "evals_app.local_model", "--port", str(port)], cwd=ROOT)
    try:
        until = time.monotonic() + 60
        while True:
            assert server.poll() is None and time.monotonic() < until, "the model did not start"
            try:
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=2, trust_env=False).raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.1)
        machinery.shut_down()
        with override_settings(OUTBOUND_ALLOW=frozenset({f"127.0.0.1:{port}"})):
            yield f"http://127.0.0.1:{port}/v1"
            machinery.shut_down()
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.model
def test_local_model__a_classifier_with_an_answer_schema__answers_by_it_and_the_same_each_time(
    cast: Cast, base_url: str
):
    allow = frozenset({base_url.removeprefix("http://").removesuffix("/v1")})
    body = {"name": "local", "base_url": base_url, "models": [MODEL_NAME], "concurrency": 1}
    create_provider(cast.olga, parse_provider(body, allow=allow))
    prompt = create_prompt(cast.ada, "bank/intent", kind="chat")
    system = f"Classify the customer's message into one of: {', '.join(LABELS)}."
    turns = [{"role": "system", "content": system}, {"role": "user", "content": "{{ message }}"}]
    content = {"messages": turns, "response_format": FORMAT, "config": {"temperature": 0, "max_tokens": 30}}
    version = create_version(cast.ada, prompt, content).version
    of = [
        {"key": f"m{n}", "variables": {"message": text}, "expected": label} for n, (text, label) in enumerate(MESSAGES)
    ]
    made = suite(cast.ada, of=of, scorers=[{"kind": "jsonpath", "path": "$.intent"}], first_floor=0.05, repeats=2)
    began = time.monotonic()
    run = work(start_run(cast.ada, version, made, baseline=None))
    print(f"{(time.monotonic() - began) / 12:.2f} s an answer")
    assert run.state == "finished", (run.summary, list(run.results.values_list("error", "output")[:2]))
    assert not run.results.exclude(error="").exists()
    answers: dict[str, set[str]] = {}
    for key, output in run.results.values_list("case__key", "output"):
        answers.setdefault(key, set()).add(json.loads(output)["intent"])
    assert all(len(given) == 1 and given <= set(LABELS) for given in answers.values())
    assert all(result.input_tokens and result.cost is None for result in run.results.all())
