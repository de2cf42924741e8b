"""What pages about runs of 10,000 cases take in the server: two versions, three answers to each case, one scorer.

Times are wall time of one request in this process, database included: median and 95th percentile of twenty; the ratio is to the list of
providers, asked in turns in the same run. Comparing is measured again with what was added up taken away. Answers are
written straight into the table.

python bench/run_pages.py [--quick]
"""

from __future__ import annotations

import statistics
import time

import _scene
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client, override_settings

from evals_app.actions.providers import create_provider
from evals_app.actions.runs import start_run
from evals_app.models import Run, RunState
from evals_app.provider_settings import parse_provider
from evals_app.tallies import write_tallies
from registry.core.models import JobState, Member

PLAIN = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
CASES = 1000 if _scene.QUICK else 10_000
ROUNDS = 5 if _scene.QUICK else 20
MOST_MS = 100

_ANSWERS = """
  INSERT INTO evals_app_result (run_id, case_id, arm, repeat, output, tool_calls, error, scores, is_passed, cost, latency_ms,
    provider_name, model, request_digest, attempt)
  SELECT %(run)s, c.id, a.arm, k, concat_ws(' ', 'card_arrival', said.words), '[]', '',
    json_build_array(json_build_object('name', 'equals', 'score', p.passed::int, 'passed', p.passed, 'detail', ''))::text,
    p.passed, 0.0001, 200 + (c.id * 7919 + k * 31) %% 900, 'fixed', 'fixed', '', 1
  FROM evals_app_case c CROSS JOIN (VALUES ('candidate'), ('baseline')) a (arm) CROSS JOIN generate_series(0, 2) k
  CROSS JOIN LATERAL (SELECT (c.id * 31 + k * 7 + length(a.arm) * 13) %% 10 > 1 AS passed) p
  CROSS JOIN LATERAL (
    SELECT string_agg(md5(concat_ws(' ', %(run)s, c.id, a.arm, k, n)), ' ') AS words FROM generate_series(1, %(words)s) n
  ) said
  WHERE c.suite_version_id = %(suite)s
"""


def fill(count: int, cases: int, *, words: int = 0) -> tuple[_scene.Scene, list[Run]]:
    """So many ended runs of one suite of so many cases, each with a baseline; answers are a label and so many words by chance."""
    scene = _scene.scene()
    body = {"name": "fixed", "base_url": "https://provider.example/v1", "models": ["fixed"]}
    create_provider(scene.owner, parse_provider(body, allow=frozenset()))
    suite = scene.suite("pages", cases, repeats=3)
    base = scene.version()
    runs = []
    for _ in range(count):
        run = start_run(scene.owner, scene.version(), suite, baseline=base)
        with connection.cursor() as cursor:
            cursor.execute(_ANSWERS, {"run": run.pk, "suite": run.suite_version_id, "words": words})
        run.chunks.update(state=JobState.DONE, done=F("total"))
        Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED, finished_at=Now())
        runs.append(Run.objects.get(pk=run.pk))
    return scene, runs


def timed(client: Client, addresses: dict[str, str], *, rounds: int = _scene.ROUNDS) -> dict[str, list[float]]:
    """Milliseconds of each address in rising order, of rounds in turns after one that warms up."""
    taken: dict[str, list[float]] = {name: [] for name in addresses}
    for number in range(rounds + 1):
        for name, address in addresses.items():
            begun = time.perf_counter()
            answer = client.get(address, headers={"Host": "localhost"})
            spent = (time.perf_counter() - begun) * 1000
            if answer.status_code != 200:
                raise SystemExit(f"{address} answered {answer.status_code}.")
            taken[name] += [spent] if number else []
    return {name: sorted(values) for name, values in taken.items()}


def main() -> None:
    """Measure, and print a table."""
    scene, runs = fill(2, CASES)
    member = Member.objects.select_related("user", "workspace").get(pk=scene.owner.member_id)
    client, here = Client(), f"/w/{member.workspace.slug}"
    client.force_login(member.user)
    old, new = (run.pk for run in runs)
    trivial = {"providers, the trivial page": f"{here}/settings/providers"}
    compares = {
        "two runs compared": f"{here}/runs/{old}/compare/{new}",
        "two versions of a run compared": f"{here}/runs/{new}/compare/{new}?old_arm=baseline",
    }
    run = f"{here}/runs/{new}"
    pages = {
        "run": run,
        "its last page of cases": f"{run}?page=200",
        "its flipped cases": f"{run}?status=flipped",
        "its failed cases of a text": f"{run}?status=failed&text=case-77",
        "one case": f"{run}/cases/{CASES // 2}",
        "one case among the flipped": f"{run}/cases/{CASES // 2}?status=flipped",
        "its figures": f"{run}/figures",
        "its tags": f"{run}/tags",
    }
    counted = timed(client, trivial | compares)
    begun = time.perf_counter()
    for run in runs:
        write_tallies(run)
    adding = (time.perf_counter() - begun) * 500
    found = timed(client, trivial | compares | pages, rounds=ROUNDS)
    print(
        f"{CASES:,} cases, both versions, 3 answers each: {CASES * 6:,} answers a run; adding one up took {adding:.0f} ms"
    )
    least = statistics.median(found["providers, the trivial page"])
    print(f"{ROUNDS} rounds; to reach by pages of one run: p95 {MOST_MS} ms")
    for name, times in found.items():
        median, p95 = statistics.median(times), times[int(len(times) * 0.95)]
        over = "  over" if name in pages and p95 > MOST_MS else ""
        before = f"   answer by answer {statistics.median(counted[name]):7.0f} ms" if name in compares else ""
        print(f"{name:32} p50 {median:7.0f} ms   p95 {p95:7.0f} ms   {median / least:6.1f} x{before}{over}")


if __name__ == "__main__":
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": PLAIN}):
        main()
