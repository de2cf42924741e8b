"""Cached renders through the worker, beside Jinja in this process and a process per render: `python bench/render.py`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import jinja2

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prompts_app.content import Message, TemplateSource
from prompts_app.sandbox.client import POOL, render

SMALL = TemplateSource("text", text="Hello {{ name }}, you are {{ role }}.")
LOOP = TemplateSource("text", text="{% for m in turns %}{{ m.role }}: {{ m.content|trim }}\n{% endfor %}" + "x" * 1900)
CHAT = TemplateSource(
    "chat", messages=tuple(Message("user", f"Turn {n} about {{{{ name }}}}" + "x" * 12) for n in range(60))
)
VALUES = {"name": "Ada", "role": "editor", "turns": [{"role": "user", "content": " hello there "}] * 60}
ROUNDS = 1000


def median_us(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


def start_and_render() -> None:
    POOL.close()
    render(SMALL, VALUES)


def in_a_new_process() -> None:
    code = "import jinja2; jinja2.Template('Hello {{ name }}').render(name='Ada')"
    subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    direct = jinja2.Environment().from_string(SMALL.text or "")
    baseline = median_us(lambda: direct.render(VALUES))
    rows = {
        "Jinja in this process, small": baseline,
        "worker, small": median_us(lambda: render(SMALL, VALUES)),
        "worker, 2 kB looping over 60 messages": median_us(lambda: render(LOOP, VALUES)),
        "worker, chat of 60 templates": median_us(lambda: render(CHAT, VALUES)),
        "worker killed, started again, small": median_us(start_and_render, 10),
        "a process per render, small": median_us(in_a_new_process, 10),
    }
    for name, microseconds in rows.items():
        print(f"{name:40} {microseconds:10.0f} µs   {microseconds / baseline:8.1f} x")


if __name__ == "__main__":
    main()
