"""Two runs side by side: which cases flipped, what each score says, and what only one of them asked."""

from collections.abc import Iterator
from typing import Any

import pytest

from evals_app import stats
from evals_app.actions.runs import find_run, start_run
from evals_app.actions.suites import save_suite_version
from evals_app.comparison_queries import compare, flips_page
from evals_app.comparison_sql import RunArm
from evals_app.excerpts import EXCERPT, excerpt
from evals_app.models import Arm, ArmTally, Result, Run, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from evals_app.tallies import write_tallies
from prompts_app.models import Prompt
from registry.core.errors import NotFound
from tests import builders
from tests.builders import Cast
from tests.evals import building

SCORERS = [{"kind": "contains"}, {"kind": "regex", "name": "old", "value": "^Old", "weight": 0}]


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    """Echoes; version 2 gets cases 3 to 6 wrong, version 1 case 50 and no answer to 51."""
    wrong = [Rule(anywhere=f"Now {n}.", answer="nothing") for n in range(3, 7)]
    old = [Rule(anywhere="Old 50.", answer="nothing"), Rule(anywhere="Old 51.", status=400)]
    with building.scripted(*wrong, *old) as scripted:
        building.add_provider(cast, scripted)
        yield scripted


@pytest.fixture
def prompt(cast: Cast, provider: ScriptedProvider) -> Prompt:
    made = builders.prompt(cast.ada, "numbers/echo", text="Old {{ q }}.")
    builders.version(cast.ada, made, "Now {{ q }}.")
    return made


def ran(cast: Cast, prompt: Prompt, suite: Suite, number: int) -> Run:
    version = prompt.versions.select_related("prompt").get(number=number)
    run = building.work(start_run(cast.ada, version, suite, baseline=None))
    return find_run(prompt.workspace_id, run.pk)


def test_compare__two_runs_of_one_suite__pairs_their_cases(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=SCORERS)
    old, new = (RunArm(ran(cast, prompt, suite, number)) for number in (1, 2))

    found = compare(old, new)

    assert (found.common, found.left_out, found.is_one_suite) == (60, 0, True)
    assert found.counts == {"better": 1, "worse": 4, "passed": 54, "failed": 0, "error": 1}
    passes, contains, old_words = (line.found for line in found.differences)
    assert (passes.name, passes.n, passes.wins, passes.losses) == ("passes", 59, 1, 4)
    assert passes.p_value == pytest.approx(12 / 32)
    assert passes.delta == pytest.approx(-3 / 59) and passes.word == "unclear"
    assert (passes.lower, passes.upper) == pytest.approx(stats.tango_bounds(1, 4, 59, 0.05))
    assert contains.delta == passes.delta
    assert old_words.name == "old" and old_words.word == "worse" and old_words.losses == 58
    assert [flip.row.key for flip in flips_page(found, which="", page="1").flips] == [
        "case-3",
        "case-4",
        "case-5",
        "case-6",
        "case-50",
    ]
    (better,) = flips_page(found, which="better", page="1").flips
    assert (better.row.key, better.old_excerpt, better.new_excerpt) == ("case-50", "nothing", "Now 50.")


def test_excerpt__of_an_answer_that_is_longer__ends_in_an_ellipsis(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=SCORERS)
    run = start_run(cast.ada, prompt.versions.select_related("prompt").get(number=1), suite, baseline=None)
    for case, output in zip(run.suite_version.cases.all(), ("", "a" * EXCERPT, "b" * EXCERPT + "c"), strict=False):
        Result.objects.create(run=run, case=case, arm="candidate", repeat=0, output=output)

    shown = list(Result.objects.filter(run=run).order_by("pk").values_list(excerpt(), flat=True))

    assert shown == ["", "a" * EXCERPT, "b" * (EXCERPT - 1) + "…"]


def test_compare__the_other_way_round__negates(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=SCORERS)
    old, new = (RunArm(ran(cast, prompt, suite, number)) for number in (1, 2))

    there, back = compare(old, new), compare(new, old)

    assert (there.counts["better"], there.counts["worse"]) == (back.counts["worse"], back.counts["better"])
    for one, other in zip(there.differences, back.differences, strict=True):
        assert one.found.delta == pytest.approx(-other.found.delta)
        assert one.found.lower == pytest.approx(-(other.found.upper or 0))


def test_compare__several_answers_and_clusters__counts_clusters(cast: Cast, prompt: Prompt) -> None:
    grouped = [case | {"cluster": f"group-{n // 4}"} for n, case in enumerate(building.cases(40))]
    suite = building.suite(cast.ada, of=grouped, repeats=2, scorers=[{"kind": "contains"}])
    old, new = (RunArm(ran(cast, prompt, suite, number)) for number in (1, 2))

    passes, _ = (line.found for line in compare(old, new).differences)

    deltas = [-1.0 if 3 <= n <= 6 else 0.0 for n in range(40)]
    expected = stats.clustered_t(deltas, [f"group-{n // 4}" for n in range(40)], 0.05, binary=True)
    assert (passes.lower, passes.upper) == pytest.approx((expected.lower, expected.upper))


def test_compare__arms_of_one_run__is_what_the_run_says(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=[{"kind": "contains"}])
    first, second = prompt.versions.select_related("prompt").order_by("number")
    run = building.work(start_run(cast.ada, second, suite, baseline=first))
    run = find_run(prompt.workspace_id, run.pk)
    metric = run.metrics.get(name="passes")

    found = compare(RunArm(run, Arm.BASELINE), RunArm(run))

    passes = found.differences[0].found
    assert found.counts["worse"] == 4
    assert (passes.delta, passes.lower, passes.upper) == pytest.approx((metric.delta, metric.lower, metric.upper))


def test_compare__suite_changed_between__uses_what_both_ask_alike(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=[{"kind": "contains"}])
    old = RunArm(ran(cast, prompt, suite, 1))
    changed = [case | ({"expected": "x"} if n == 3 else {}) for n, case in enumerate(building.cases(60))]
    changed = [*reversed(changed[:55]), {"key": "new", "variables": {"q": "1"}, "expected": "1"}]
    content = {"cases": changed, "scorers": [{"kind": "contains"}, {"kind": "equals", "weight": 0}], "repeats": 1}
    save_suite_version(cast.ada, suite, content)
    new = RunArm(ran(cast, prompt, suite, 2))

    found = compare(old, new)

    assert (found.common, found.left_out, found.scores_alike) == (54, 60 + 56 - 2 * 54, False)
    assert (found.counts["worse"], found.counts["better"], found.counts["error"]) == (3, 1, 1)
    worse = flips_page(found, which="worse", page=None).flips
    assert [(flip.row.key, flip.row.position, flip.row.old_position) for flip in worse] == [
        ("case-6", 48, 6),
        ("case-5", 49, 5),
        ("case-4", 50, 4),
    ]


def test_compare__latency_and_cost__are_told_with_what_is_unknown(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=[{"kind": "contains"}])
    old, new = (RunArm(ran(cast, prompt, suite, number)) for number in (1, 2))
    Result.objects.filter(run=old.run, error="").update(latency_ms=100, cost="0.002")
    Result.objects.filter(run=new.run).update(latency_ms=300)
    Result.objects.filter(run=new.run, case__position__lt=6).update(latency_ms=9000, cost="0.01")
    for side in (old, new):
        write_tallies(side.run)

    latency, cost = compare(old, new).distributions

    assert latency.chart and cost.chart
    assert (latency.old.median, latency.old.p90) == (100, 100)
    assert (latency.new.median, latency.new.p90) == (300, pytest.approx(1170))
    assert (cost.old.unknown, cost.old.total) == (0, pytest.approx(0.118))
    assert (cost.new.unknown, cost.new.answers, cost.new.total) == (54, 60, pytest.approx(0.06))
    assert sum(part.old for part in latency.chart.bins) == 59 and sum(part.new for part in latency.chart.bins) == 60


def test_compare__no_answer_in_common__says_so_instead_of_failing(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=[{"kind": "contains"}])
    old = RunArm(ran(cast, prompt, suite, 1))
    version = prompt.versions.select_related("prompt").get(number=2)
    waiting = find_run(prompt.workspace_id, start_run(cast.ada, version, suite, baseline=None).pk)

    found = compare(old, RunArm(waiting))

    assert found.differences == () and found.flip_count == 0 and found.is_moving


def test_compare__runs_of_two_suites_or_a_missing_arm__are_not_found(cast: Cast, prompt: Prompt) -> None:
    one = RunArm(ran(cast, prompt, building.suite(cast.ada, of=building.cases(2)), 1))
    other = RunArm(ran(cast, prompt, building.suite(cast.ada, "others", of=building.cases(3)), 1))

    with pytest.raises(NotFound, match=r"comparison\.suites"):
        compare(one, other)
    with pytest.raises(NotFound, match=r"comparison\.no_baseline"):
        compare(RunArm(one.run, Arm.BASELINE), one)


def test_compare__ended_runs__says_from_what_was_added_up_what_counting_says(cast: Cast, prompt: Prompt) -> None:
    suite = building.suite(cast.ada, scorers=SCORERS, repeats=2)
    pks = [ran(cast, prompt, suite, number).pk for number in (1, 2)]
    Result.objects.filter(run=pks[1], repeat=0, case__position__lt=9, error="").update(is_passed=False, cost="0.25")
    Result.objects.filter(run=pks[0], case__position__gte=57).delete()
    for run in Run.objects.filter(pk__in=pks):
        write_tallies(run)

    def told() -> Any:
        old, new = (RunArm(find_run(prompt.workspace_id, pk)) for pk in pks)
        found = compare(old, new)
        differences = [line.found for line in found.differences]
        numbers = [(one.mean_old, one.mean_new, one.delta, one.lower, one.upper) for one in differences]
        words = [(one.name, one.n, one.wins, one.losses, one.word) for one in differences]
        flips = [[flip.row for flip in flips_page(found, which=which, page="1").flips] for which in ("", "worse")]
        shapes = [(one.measure, one.old, one.new, one.chart) for one in found.distributions]
        return found.counts, words, numbers, flips, shapes

    added_up = told()
    ArmTally.objects.all().delete()
    counted = told()

    assert added_up[0]["worse"] > 0 and len(added_up[3][0]) > 4
    assert added_up[:2] == counted[:2] and added_up[3:] == counted[3:]
    assert added_up[2] == [pytest.approx(row) for row in counted[2]]


def test_compare__an_amount_that_is_negated__is_better_the_other_way_round(cast: Cast, prompt: Prompt) -> None:
    """What the answers took is to be many tokens here: the same difference is read the other way."""
    amounts = [
        {"kind": "contains"},
        {"kind": "output_tokens", "name": "few", "most": 1000, "weight": 0},
        {"kind": "output_tokens", "name": "many", "most": 1000, "weight": 0, "negate": True},
    ]
    suite = building.suite(cast.ada, scorers=amounts)
    old, new = (RunArm(ran(cast, prompt, suite, number)) for number in (1, 2))
    found = {line.found.name: line.found for line in compare(old, new).differences}
    assert found["few"].delta == -found["many"].delta != 0
    assert (found["few"].wins, found["few"].losses) == (found["many"].losses, found["many"].wins) != (0, 0)
