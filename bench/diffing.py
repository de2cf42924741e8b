"""How the text diff compares with difflib by line, and the diff of settings with DeepDiff by default: prints ratios.

Both of a row are given the same in the same run.

python bench/diffing.py
"""

from __future__ import annotations

import difflib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from deepdiff import DeepDiff

from prompts_app.line_view import line_view
from prompts_app.structure_diff import structure_changes
from prompts_app.text_diff import LINES, text_runs
from registry.core.canonical import JSON

TEXT = "you must answer in json with one intent label the customer asks about cards rates top ups and refunds"
WORDS = TEXT.split()


def lines(size: int, seed: int) -> list[str]:
    """About `size` characters of lines of 3 to 14 words."""
    dice = random.Random(seed)
    made: list[str] = []
    while size > 0:
        made.append(" ".join(f"{dice.choice(WORDS)}{dice.randint(0, 99)}" for _ in range(dice.randint(3, 14))) + "\n")
        size -= len(made[-1])
    return made


def edited(old: list[str], share: float, seed: int) -> list[str]:
    """`share` of the lines changed: a fifth of them gone, a fifth followed by a new one, two words replaced in the rest."""
    dice = random.Random(seed)
    new: list[str] = []
    for line in old:
        kind = dice.random() if dice.random() < share else None
        if kind is None:
            new.append(line)
        elif kind > 0.2:
            words = line.split(" ")
            for _ in range(2):
                words[dice.randrange(len(words) - 1)] = dice.choice(WORDS)
            new.append(" ".join(words))
            new += [f"a new line {dice.random()}\n"] if kind > 0.8 else []
    return new


def best_ms(work: Callable[[], object], rounds: int = 9) -> float:
    """The quickest of some rounds, in milliseconds of this process's processor time."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times) * 1000


def by_line(old: str, new: str) -> object:
    return difflib.SequenceMatcher(None, LINES.findall(old), LINES.findall(new), autojunk=False).get_opcodes()


CASES: dict[str, Callable[[], tuple[str, str]]] = {
    "50 kB, 30 % edited": lambda: pair(50_000, 0.3),
    "500 kB, 30 % edited": lambda: pair(500_000, 0.3),
    "500 kB, one word edited": lambda: pair(500_000, 0.0001),
    "1 MB, 30 % edited": lambda: pair(1_000_000, 0.3),
    "1 MB, every line edited": lambda: pair(1_000_000, 1.0),
    "1 MB against another": lambda: ("".join(lines(1_000_000, 3)), "".join(lines(1_000_000, 4))),
    "1 MB in one line, 30 % edited": lambda: tuple(text.replace("\n", ". ") for text in pair(1_000_000, 0.3)),
    "1 MB in one line, no stops": lambda: tuple(text.replace("\n", " ") for text in pair(1_000_000, 0.3)),
    "500,000 short lines": lambda: ("ab\nc\n" * 250_000, "c\nba\n" * 250_000),
}


def pair(size: int, share: float) -> tuple[str, str]:
    old = lines(size, 1)
    return "".join(old), "".join(edited(old, share, 2))


def tools(count: int, changed: int | None = None) -> JSON:
    """Tools with six parameters each; of one of them the type of a parameter differs."""
    return [
        {"type": "function", "function": {"name": f"tool_{number}", "description": TEXT, "parameters": {
            "type": "object", "properties": {
                f"p{place}": {"type": "integer" if (number, place) == (changed, 3) else "string", "description": TEXT}
                for place in range(6)
            }, "required": ["p0"]}}}
        for number in range(count)
    ]  # fmt: skip


def settings(groups: int, seed: int) -> JSON:
    """About 40 kB a group."""
    dice = random.Random(seed)
    return {
        f"group_{group}": [
            {"weight": dice.random(), "label": str(dice.random()), "codes": [dice.randint(0, 9) for _ in range(3)]}
            for _ in range(500)
        ]
        for group in range(groups)
    }


def numbers(count: int, seed: int, most: int) -> JSON:
    dice = random.Random(seed)
    return [dice.randint(0, most) for _ in range(count)]


# The last tells whether DeepDiff by default ends within a minute.
STRUCTURES: dict[str, tuple[Callable[[], tuple[JSON, JSON]], bool]] = {
    "100 tools, one change": (lambda: (tools(100), tools(100, changed=40)), True),
    "100 tools, one removed": (lambda: (tools(100), [*tools(100)[:50], *tools(100)[51:]]), True),
    "2 MB of settings, one key more": (lambda: (settings(50, 1), {**settings(50, 1), "model": "m"}), True),
    "2 MB of settings against another": (lambda: (settings(50, 1), settings(50, 2)), True),
    "20,000 numbers against others": (lambda: (numbers(20_000, 1, 10**6), numbers(20_000, 2, 10**6)), True),
    "20,000 digits against others": (lambda: (numbers(20_000, 1, 9), numbers(20_000, 2, 9)), True),
    "1,000,000 ones against twos": (lambda: ([1] * 1_000_000, [2] * 1_000_000), False),
}


def peak_mb(name: str) -> float:
    """What one diff adds to the peak of a fresh process, in MB."""
    answer = subprocess.run([sys.executable, __file__, "--peak", name], capture_output=True, text=True, check=True)
    return float(answer.stdout)


def print_peak(name: str) -> None:
    old, new = CASES[name]()
    text_runs("warm\nup", "warm\nit up")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is in use now
    before = memory_kb("VmRSS")
    text_runs(old, new)
    print((memory_kb("VmHWM") - before) / 1024)


def memory_kb(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{field}:")[1].split()[0])


def main() -> None:
    print(f"{'':32}{'ours':>10}{'difflib':>12}{'ratio':>8}{'view':>10}{'peak':>10}")
    for name, make in CASES.items():
        old, new = make()
        rounds = 15 if len(old) < 100_000 else 3
        ours = best_ms(lambda old=old, new=new: text_runs(old, new), rounds)
        runs = text_runs(old, new)
        view = best_ms(lambda runs=runs: line_view(runs), rounds)
        slow = len(old) > 600_000
        theirs = None if slow else best_ms(lambda old=old, new=new: by_line(old, new), 3)
        shown = f"{'-':>12}{'-':>8}" if theirs is None else f"{theirs:9.1f} ms{ours / theirs:8.2f}"
        print(f"{name:32}{ours:7.1f} ms{shown}{view:7.1f} ms{peak_mb(name):7.1f} MB")
    print(f"\n{'':32}{'ours':>10}{'by default':>12}{'ratio':>8}{'changes':>10}")
    for name, (build, is_compared) in STRUCTURES.items():
        was, now = build()
        ours = best_ms(lambda was=was, now=now: structure_changes(was, now, "config"), 3)
        theirs = best_ms(lambda was=was, now=now: DeepDiff(was, now), 1) if is_compared else None
        shown = f"{'-':>12}{'-':>8}" if theirs is None else f"{theirs:9.1f} ms{ours / theirs:8.2f}"
        print(f"{name:32}{ours:7.1f} ms{shown}{len(structure_changes(was, now, 'config')):10}")


if __name__ == "__main__":
    print_peak(sys.argv[2]) if sys.argv[1:2] == ["--peak"] else main()
