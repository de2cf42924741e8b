from evals_app.actions.runs import start_run
from evals_app.models import Result, Run
from evals_app.scripted_provider import Rule
from prompts_app.models import VersionCheck
from tests import builders
from tests.builders import Cast
from tests.evals.building import add_provider, scripted, suite, work


def test_run__first_version_all_right__passes_its_floor_and_posts_a_check(cast: Cast):
    with scripted() as provider:
        add_provider(cast, provider)
        prompt = builders.prompt(cast.ada, text="{{ q }}")
        version = prompt.versions.get()
        run = start_run(cast.ada, version, suite(cast.ada), baseline=None)
        assert run.state == "queued"
        run = work(run)
    assert (run.state, run.verdict) == ("finished", "passed"), run.summary
    assert Result.objects.filter(run=run, is_passed=True).count() == 60 == provider.calls
    states = VersionCheck.objects.order_by("pk").values_list("name", "state", "run_id", "baseline_digest")
    assert list(states) == [("suite/numbers", "pending", run.pk, None), ("suite/numbers", "passed", run.pk, None)]
    [metric] = run.metrics.all()
    assert metric.name == "passes" and "First version: no comparison" in metric.sentence


def test_run__candidate_much_worse_than_live__fails(cast: Cast):
    with scripted(Rule(anywhere="worse", answer="nonsense")) as provider:
        add_provider(cast, provider)
        prompt = builders.prompt(cast.ada, text="{{ q }}")
        base = prompt.versions.get()
        worse = builders.version(cast.ada, prompt, "worse {{ q }}")
        run = work(start_run(cast.ada, worse, suite(cast.ada), baseline=base))
    assert (run.state, run.verdict) == ("finished", "failed"), run.summary
    assert provider.calls == 120
    assert Run.objects.count() == 1
