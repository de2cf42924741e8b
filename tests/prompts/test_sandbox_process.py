"""The worker as a process: limited, alone, replaced when killed, and the only place where Jinja lives."""

import ast
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from prompts_app.content import TemplateSource
from prompts_app.errors import TemplateLimit
from prompts_app.sandbox.client import POOL, match, render
from prompts_app.sandbox.framing import pack_job
from prompts_app.sandbox.pipe import Worker, WorkerLate
from prompts_app.sandbox.pool import PATIENT, Pool
from prompts_app.sandbox.starting import STARTER
from registry.core.errors import Invalid, Unavailable
from tests.servers import environment

ROOT = Path(__file__).parents[2]
CEILING_S = 30  # ends what hangs; what is asserted is far below, on a busy machine too
HELLO = TemplateSource("text", text="Hello {{ name }}")
SLOW = TemplateSource(
    "text",
    text="{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}"
    "{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}",
)
WORKERS_OWN = {
    "environment",
    "filters",
    "guards",
    "policy",
    "rendering",
    "rewriting",
    "schema",
    "worker",
    "budget",
    "starter",
}


def hello():
    return render(HELLO, {"name": "Ada"}).text == "Hello Ada"


def only_worker():
    assert hello()
    (worker,) = POOL.alive
    return worker


def limits_of(pid):
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def status_of(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []


def open_files(pid):
    return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]


def test_worker__its_process__is_limited_and_alone():
    worker = only_worker()
    limits = limits_of(worker.pid)
    assert limits["Max address space"] == ["536870912", "536870912"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == ["16", "16"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert int(limits["Max cpu time"][0]) < 60
    assert Path(f"/proc/{worker.pid}/environ").read_bytes() == b""
    assert os.getsid(worker.pid) == worker.pid != os.getsid(0)
    assert all(name.startswith(("pipe:", "/dev/null")) for name in open_files(worker.pid))


def test_render__worker_killed_from_outside__is_replaced_unseen():
    for _ in range(5):
        killed = only_worker()
        os.kill(killed.pid, signal.SIGKILL)
        started = time.monotonic()
        assert hello()
        print(f"replaced in {time.monotonic() - started:.3f} s")
        assert only_worker().pid != killed.pid
        assert not Path(f"/proc/{killed.pid}").exists()


def test_render__beyond_the_clock__is_stopped_and_the_next_is_unaffected():
    before = only_worker().pid
    started = time.monotonic()
    with pytest.raises(TemplateLimit, match="3 s"):
        render(SLOW, {})
    assert 2.9 < time.monotonic() - started < CEILING_S
    assert only_worker().pid != before


def test_match__pattern_that_runs_away__is_stopped():
    started = time.monotonic()
    with pytest.raises(Invalid) as refusal:
        match("^(a+)+$", "a" * 50 + "b", timeout_s=0.2)
    assert refusal.value.code == "pattern.slow"
    assert time.monotonic() - started < CEILING_S
    assert hello()


def test_worker__its_own_cpu_limit__ends_it_when_nobody_watches():
    worker = Worker()
    os.write(worker.jobs, pack_job({"do": "match", "pattern": "^(a+)+$", "text": "a" * 60 + "b"}))
    ends = time.monotonic() + 60
    while _runs(worker.pid) and time.monotonic() < ends:
        time.sleep(0.05)
    assert worker.kill() == -signal.SIGXCPU
    assert not Path(f"/proc/{worker.pid}").exists()


def test_worker__memory__ends_in_an_answer():
    worker = Worker()
    job = pack_job({"do": "match", "pattern": "(?:(a)|(b)|(c)|a|b)*x", "text": "abc" * 1_300_000})
    peaks = []
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(worker.ask, job, timeout_s=60)
        while not asked.done():
            peaks += [int(line.split()[1]) for line in status_of(worker.pid) if line.startswith("VmPeak")]
            time.sleep(0.001)
        answer = asked.result()
    assert answer.keys() >= {"result"} or answer["problem"]["kind"] == "limit"
    assert 100 * 1024 < max(peaks) <= 512 * 1024
    worker.kill()


def test_pool__a_worker_grown_large__is_retired_after_its_answer():
    pool = Pool()
    job = pack_job({"do": "match", "pattern": "(?:(a)|(b)|(c)|a|b)*x", "text": "abc" * 1_300_000})
    pool.ask(job, timeout_s=60)
    assert pool.alive == set()
    assert pool.ask(pack_job({"do": "match", "pattern": "a", "text": "a"}), timeout_s=3) == {"result": True}
    pool.close()


def test_pool__its_starter_is_large__the_worker_is_not_worn_by_that():
    code = (
        "from prompts_app.sandbox.framing import pack_job; from prompts_app.sandbox.pool import Pool; "
        "large = bytearray(400_000_000); pool = Pool(); "
        "print(pool.ask(pack_job({'do': 'match', 'pattern': 'a', 'text': 'a'}), timeout_s=3), len(pool.alive))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "{'result': True} 1\n"


def test_render__from_many_threads__each_gets_its_own():
    """Many quick ones at once are waited for, by whoever came last too."""

    def work(number):
        names = [f"{number}-{turn}" for turn in range(50)]
        return [name for name in names if render(HELLO, {"name": name}).text != f"Hello {name}"]

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [[]] * 8
    assert len(POOL.alive) == 1


def test_render__after_a_fork__both_sides_have_their_own_worker():
    before = only_worker()
    child = os.fork()
    if child == 0:
        try:
            is_good = not POOL.alive and hello() and only_worker().pid != before.pid
            POOL.close()
            os._exit(0 if is_good else 1)
        finally:
            os._exit(2)
    assert hello()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert only_worker().pid == before.pid


def test_worker__parent_gone__ends_by_itself():
    script = (
        "from prompts_app.content import TemplateSource\n"
        "from prompts_app.sandbox import client\n"
        "import os, signal\n"
        "client.render(TemplateSource('text', text='{{ 1 }}'), {})\n"
        "print(next(iter(client.POOL.alive)).pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + CEILING_S
    while time.monotonic() < deadline and _runs(pid):
        time.sleep(0.02)
    assert not _runs(pid)


def test_pool__interrupted_in_the_middle__never_hands_on_a_stale_answer(monkeypatch):
    pool = Pool()
    assert pool.ask(pack_job({"do": "match", "pattern": "a", "text": "a"}), timeout_s=3) == {"result": True}
    (worker,) = pool.alive

    def interrupt(deadline):
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "_receive", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pool.ask(pack_job({"do": "match", "pattern": "a", "text": "a"}), timeout_s=3)
    assert pool.ask(pack_job({"do": "match", "pattern": "a", "text": "b"}), timeout_s=3) == {"result": False}
    pool.close()


def test_pool__all_workers_busy__says_so(monkeypatch):
    monkeypatch.setattr("prompts_app.sandbox.pool.BUSY_SECONDS", 0.05)
    pool = Pool()
    with pool.slots, pytest.raises(Unavailable) as refusal:
        pool.ask(pack_job({"do": "match", "pattern": "a", "text": "a"}), timeout_s=3)
    assert refusal.value.code == "sandbox.busy"


def test_pool__some_wait_for_long__the_next_give_up_soon_so_that_threads_are_left(monkeypatch):
    monkeypatch.setattr("prompts_app.sandbox.pool.IMPATIENT_SECONDS", 0.05)
    pool, job, answers = Pool(), pack_job({"do": "match", "pattern": "a", "text": "a"}), []
    patient = [
        threading.Thread(target=lambda: answers.append(pool.ask(job, timeout_s=3)), daemon=True) for _ in range(PATIENT)
    ]
    with pool.slots:
        for one in patient:
            one.start()
        ends = time.monotonic() + CEILING_S
        while pool.waiting < PATIENT and time.monotonic() < ends:
            time.sleep(0.005)
        with pytest.raises(Unavailable) as refusal:
            pool.ask(job, timeout_s=3)
        assert (refusal.value.code, refusal.value.extra["retry_after"]) == ("sandbox.busy", 2)
    for one in patient:
        one.join(CEILING_S)
    assert answers == [{"result": True}] * PATIENT and pool.waiting == 0
    pool.close()


def test_pool__worker_that_cannot_start__says_so(monkeypatch):
    monkeypatch.setattr("prompts_app.sandbox.starting.COMMAND", (sys.executable, "-c", "raise SystemExit('no')"))
    STARTER.close()
    with pytest.raises(Unavailable) as refusal:
        Pool().ask(pack_job({"do": "match", "pattern": "a", "text": "a"}), timeout_s=3)
    assert refusal.value.code == "sandbox.down"
    assert str(refusal.value.__cause__) == "no"
    monkeypatch.undo()
    assert hello()


def test_starter__killed_from_outside__is_replaced_unseen_and_its_workers_end():
    POOL.close()
    worker = only_worker()
    os.kill(STARTER.process.pid, signal.SIGKILL)
    assert hello() and only_worker().pid == worker.pid
    POOL.close()
    ends = time.monotonic() + CEILING_S
    while _runs(worker.pid) and time.monotonic() < ends:
        time.sleep(0.02)
    assert not _runs(worker.pid)
    assert hello() and only_worker().pid != worker.pid


def test_starter__interrupted_in_the_middle__never_hands_on_a_stale_answer():
    first = Worker()

    class Interrupted:
        def __init__(self, asker):
            self.asker = asker

        def __getattr__(self, name):
            return getattr(self.asker, name)

        def recv(self, size):
            raise KeyboardInterrupt

    STARTER.asker = Interrupted(STARTER.asker)
    with pytest.raises(KeyboardInterrupt):
        Worker()
    second = Worker()
    assert _runs(second.pid) and second.pid != first.pid
    assert os.getsid(second.pid) == second.pid
    assert second.kill() == -signal.SIGKILL
    first.kill()


def test_starter__told_to_end_what_is_no_worker_of_it__leaves_it_alone():
    assert hello()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        assert STARTER.end(other.pid) is None
        assert other.poll() is None
        other.communicate(b"\n", timeout=CEILING_S)
        assert other.returncode == 0


def test_worker__stopped_by_the_system__is_late_not_waited_for():
    worker = Worker()
    os.kill(worker.pid, signal.SIGSTOP)
    with pytest.raises(WorkerLate):
        worker.ask(pack_job({"do": "match", "pattern": "a", "text": "a" * 3_000_000}), timeout_s=0.3)
    assert not Path(f"/proc/{worker.pid}").exists()


def test_client__after_rendering__has_no_jinja_in_its_modules():
    script = (
        "import sys\n"
        "from prompts_app.content import Message, TemplateSource\n"
        "from prompts_app.sandbox.client import inspect, match, render, validate_variables\n"
        "source = TemplateSource('chat', messages=(Message('user', '{{ a }}'),))\n"
        "assert inspect(source) == ('a',)\n"
        "assert render(source, {'a': 1}).messages[0]['content'] == '1'\n"
        "assert match('a', 'a', timeout_s=1)\n"
        "validate_variables({'properties': {'a': {'pattern': 'x'}}}, {'a': 'x'})\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in {'jinja2', 'markupsafe', 'django'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout.decode().split() == []


@pytest.mark.django_db
@pytest.mark.parametrize("process", ["registry.asgi", "registry.delivery_asgi", "registry.celery"])
def test_server__its_processes_after_rendering__have_no_jinja_in_their_modules(process: str):
    script = (
        f"import sys, {process}\n"
        "import registry.celery\n"
        "registry.celery.app.loader.import_default_modules()\n"
        "from prompts_app.content import TemplateSource\n"
        "from prompts_app.sandbox.client import render\n"
        "assert render(TemplateSource('text', text='{{ a }}'), {'a': 1}).text == '1'\n"
        "assert 'django' in sys.modules and 'evals_app.tasks' in sys.modules\n"
        "print(*sorted(name for name in sys.modules if name.split('.')[0] == 'jinja2' and sys.modules[name]))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, timeout=60, env=environment()
    )
    assert told.stdout.decode().split() == []


def test_worker__its_modules__know_no_django():
    script = "import sys, prompts_app.sandbox.worker, prompts_app.sandbox.schema; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True, timeout=60)
    assert done.stdout.split() == [b"False"]


def test_source__jinja__is_imported_by_the_worker_alone():
    importers = set()
    for package in ("registry", "prompts_app", "evals_app"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                if any(name.split(".")[0] == "jinja2" for name in modules):
                    importers.add(path.relative_to(ROOT))
    assert importers <= {Path(f"prompts_app/sandbox/{name}.py") for name in WORKERS_OWN}


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
