"""Runs judged by more than their pass rate: cost and speed, scorers by name, tags, and what a judge's word may carry."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from evals_app.actions.judges import add_judges
from evals_app.actions.labels import set_label
from evals_app.actions.runs import start_run
from evals_app.metric_lines import metrics_of
from evals_app.models import Arm, Result, Run, RunMetric
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import VersionCheck
from registry.core.models import Member
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    with scripted() as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


@pytest.fixture
def priced(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Two thousandths of a dollar an answer; the candidate's, of two tokens more, as told."""

    def price(candidate: str) -> None:
        def cost(*, input_tokens: int | None = 0, **_: object) -> Decimal:
            return Decimal(candidate) if (input_tokens or 0) > 1 else Decimal("0.002")

        monkeypatch.setattr("evals_app.engine.scoring.cost_of", cost)

    return price


def ran(cast: Cast, text: str = "longer by words {{ q }}", **rules: Any) -> Run:
    """Version 2 of that text against version 1, which says the question alone."""
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    base = prompt.versions.get()
    version = builders.version(cast.ada, prompt, text)
    rules.setdefault("scorers", [{"kind": "contains"}])
    return work(start_run(cast.ada, version, suite(cast.ada, **rules), baseline=base))


def metric(run: Run, name: str) -> RunMetric:
    return run.metrics.get(name=name)


COST = {"name": "cost", "margin": 0.10, "first_floor": 0.01}


@pytest.mark.parametrize(("price", "verdict"), [("0.0021", "passed"), ("0.0024", "failed"), ("0.001", "passed")])
def test_cost__against_the_baseline__may_rise_by_the_margin(
    cast: Cast, provider: ScriptedProvider, priced: Callable[[str], None], price: str, verdict: str
):
    priced(price)
    run = ran(cast, metrics=[COST])
    assert run.verdict == verdict, run.summary
    cost = metric(run, "cost")
    assert (cost.verdict, cost.unit, cost.mean_new) == (verdict, "dollars", pytest.approx(float(price)))
    assert metric(run, "passes").verdict == "passed"
    assert ("cost: More than 10 % higher" in run.summary) == (verdict == "failed")
    assert VersionCheck.objects.order_by("-pk")[0].state == verdict


def test_budgets__of_tokens_and_latency__are_ceilings(cast: Cast, provider: ScriptedProvider):
    metrics = [
        {"name": "output_tokens", "mode": "floor", "floor": 1},
        {"name": "latency", "mode": "floor", "floor": 60_000},
    ]
    run = ran(cast, metrics=metrics)
    assert (metric(run, "latency").verdict, metric(run, "output_tokens").verdict) == ("passed", "failed")
    assert run.verdict == "failed" and "at most 1 tokens" in metric(run, "output_tokens").sentence


def test_cost__of_a_model_without_a_price__is_an_error_that_says_so(cast: Cast, provider: ScriptedProvider):
    run = ran(cast, metrics=[COST])
    assert (run.state, run.verdict) == ("error", "")
    assert "cost: No verdict" in run.summary
    assert metric(run, "cost").verdict == "error"


def test_first_version__cost__is_judged_by_what_it_may_cost_at_most(
    cast: Cast, provider: ScriptedProvider, priced: Callable[[str], None]
):
    priced("0.002")
    version = builders.prompt(cast.ada, text="{{ q }}").versions.get()
    run = work(start_run(cast.ada, version, suite(cast.ada, metrics=[COST]), baseline=None))
    assert (run.verdict, metric(run, "cost").mode) == ("passed", "floor")


def test_scorer_by_name__must_pass_although_it_is_not_counted(cast: Cast, provider: ScriptedProvider):
    scorers = [{"kind": "contains"}, {"kind": "equals", "name": "bare", "weight": 0}]
    run = ran(cast, scorers=scorers, metrics=[{"name": "bare", "margin": 0.1}])
    assert (metric(run, "passes").verdict, metric(run, "bare").verdict, run.verdict) == ("passed", "failed", "failed")
    assert run.summary.startswith("bare: Worse than the live version")


def test_tags__one_got_worse__fails_the_run_is_stored_and_is_told_everywhere(
    cast: Cast, provider: ScriptedProvider, client: Client
):
    provider.script(*[Rule(contains=f"kinder {n}!", answer="nonsense") for n in range(24)])
    of = [{"key": f"c{n}", "variables": {"q": f"{n}!"}, "expected": f"{n}!", "tags": ["refund" if n < 24 else "card"]}
          for n in range(700)]  # fmt: skip
    run = ran(cast, "kinder {{ q }}", of=of)

    assert (run.verdict, metric(run, "passes").verdict) == ("failed", "passed")
    assert "with the tag refund" in run.summary and VersionCheck.objects.order_by("-pk")[0].state == "failed"
    rows = {one.tag: one for one in run.slices.all()}
    assert {tag: one.verdict for tag, one in rows.items()} == {"refund": "failed", "card": "passed"}
    assert (rows["refund"].case_count, rows["refund"].mean_base, rows["refund"].mean_new) == (24, 1.0, 0.0)
    told = Api(cast.ada).get(f"runs/{run.pk}").json
    assert [(one["tag"], one["verdict"]) for one in told["slices"]] == [("card", "passed"), ("refund", "failed")]
    client.force_login(Member.objects.get(pk=cast.vera.member_id).user)
    page = client.get(f"/w/acme/runs/{run.pk}").content.decode()
    assert "By tag" in page and "These cases got worse" in page and "not shown to be worse" in page


def test_amounts__beside_each_other__are_told_in_their_own_units(
    cast: Cast, provider: ScriptedProvider, client: Client
):
    of_words = {"kind": "output_tokens", "name": "length", "most": 3, "weight": 0}
    own = [{"kind": "edit_distance", "most": 50}]
    run = ran(cast, scorers=[{"kind": "contains"}, of_words], of=cases(4, scorers=own))
    client.force_login(Member.objects.get(pk=cast.vera.member_id).user)
    for rest in (f"compare/{run.pk}?old_arm=baseline", "figures"):
        page = client.get(f"/w/acme/runs/{run.pk}/{rest}").content.decode()
        assert "1 tokens" in page and "4 tokens" in page and "3 tokens worse" in page, rest
        assert "16 worse" in page and "400\N{NO-BREAK SPACE}%" not in page, rest


def test_inconclusive__over_the_api__says_what_would_settle_it(cast: Cast, provider: ScriptedProvider):
    run = ran(cast, of=cases(20))
    told = Api(cast.ada).get(f"runs/{run.pk}").json["metrics"][0]
    assert run.verdict == "inconclusive" and told["settle"].startswith("About 5 more cases")
    assert told["sentence"].endswith(told["settle"])
    assert (told["cases"], told["clusters"], told["line"], told["unit"]) == (20, 20, -0.1, "rate")


def test_outlook__of_a_suite__is_judged_by_its_last_run(cast: Cast, provider: ScriptedProvider):
    api = Api(cast.ada)
    made = suite(cast.ada, "fresh", of=cases(60))
    before = api.get("suites/fresh/versions/1").json["outlook"]
    assert (before[0]["seen"], before[0]["metric"]) == (False, "passes") and 0.5 < before[0]["chance"] < 1
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    base = prompt.versions.get()
    work(start_run(cast.ada, builders.version(cast.ada, prompt, " {{ q }}"), made, baseline=base))
    after = api.get("suites/fresh/versions/1").json["outlook"]
    assert (after[0]["seen"], after[0]["chance"]) == (True, 1.0)
    RunMetric.objects.update(error=0.5)
    work(start_run(cast.ada, builders.version(cast.ada, prompt, "  {{ q }}"), made, baseline=base))
    assert api.get("suites/fresh/versions/1").json["outlook"] == after


def test_summary__of_two_versions__names_them_and_says_which_way_they_differ(cast: Cast, provider: ScriptedProvider):
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    base = prompt.versions.get()
    made = suite(cast.ada, of=cases(60))

    run = work(start_run(cast.ada, builders.version(cast.ada, prompt, " {{ q }}"), made, baseline=base))

    assert run.summary.endswith(": v2 100 %, live v1 100 %, no clear difference.")
    assert metrics_of([run])[run.pk][0].word == "no clear difference"


@pytest.mark.parametrize("labels", [0, 50])
def test_superior__by_a_judge__takes_fifty_labels(cast: Cast, provider: ScriptedProvider, labels: int):
    met, unmet = (json.dumps({"reason": "r", "verdict": verdict}) for verdict in ("met", "not met"))
    provider.script(Rule(anywhere=" ANSWER\nbetter", answer=met), Rule(anywhere=" CRITERION", answer=unmet))
    add_judges(cast.ada)
    prompt = builders.prompt(cast.ada, text="{{ q }}")
    base = prompt.versions.get()
    better = builders.version(cast.ada, prompt, "better {{ q }}")
    made = suite(cast.ada, of=cases(50), scorers=[{"kind": "rubric", "value": "it is better"}], mode="superior")
    run = work(start_run(cast.ada, better, made, baseline=base))
    assert run.verdict == "inconclusive" and "people have labelled (rubric has 0)" in run.summary.replace("that ", "")
    for result in Result.objects.filter(run=run, arm=Arm.CANDIDATE)[:labels]:
        set_label(cast.ada, result, label="passed", scorer="rubric")
    again = work(start_run(cast.ada, better, made, baseline=base, again=True)) if labels else run
    assert again.verdict == ("passed" if labels else "inconclusive")
