"""A worker that dies while judges are asked, in both orders: every result is there once, and none without its judge."""

import json
import os
import signal

import pytest

from evals_app.models import Result, RunChunk
from evals_app.scripted_provider import Rule
from tests.faults.stage import Stage, half_done, pid_of, wait

CASES, LATENCY_S = 60, 0.1
SCORERS = [{"kind": "contains"}, {"kind": "rubric", "value": "it is the question"}, {"kind": "pairwise"}]
ANSWERS = 2
JUDGED = 4  # a rubric for each version's answer, and a pair in both orders


@pytest.mark.faults
def test_worker__child_killed_while_judges_are_asked__nothing_is_double_and_nothing_unjudged(stage: Stage) -> None:
    stage.provider.latency_s = LATENCY_S
    met, tie = ('{"reason": "r", "verdict": "met"}', '{"reason": "r", "verdict": "tie"}')
    stage.provider.script(Rule(anywhere="FIRST ANSWER", answer=tie), Rule(anywhere=" CRITERION", answer=met))
    stage.add_provider(concurrency=4)
    suite = stage.suite(CASES, scorers=SCORERS, mode="all_pass")
    with stage.worker():
        run = stage.run_of(stage.client.post("runs", {**stage.ask(suite), "baseline": 1}))
        wait("no chunk was half done", half_done)
        lost = half_done()
        assert lost is not None
        os.kill(pid_of(lost.owner), signal.SIGKILL)
        recovery = wait("it was not taken up", lambda: RunChunk.objects.get(pk=lost.pk).attempt == 2)
        stage.all_ended()
    run.refresh_from_db()
    assert (run.state, run.verdict) == ("finished", "passed"), run.summary
    for text in Result.objects.filter(run=run).values_list("scores", flat=True):
        assert [score["name"] for score in json.loads(text)] == ["contains", "rubric", "pairwise"]
    # What a worker that dies has begun and not written: twice what the provider bears, on each of its chunks.
    in_vain = stage.provider.calls - CASES * (ANSWERS + JUDGED)
    assert 0 <= in_vain < CASES * (ANSWERS + JUDGED) / 2
    stage.close("F1 worker child killed while judges are asked", recovery=f"{recovery:.1f} s, {in_vain} asked in vain")
