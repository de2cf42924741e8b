"""What runs used, added up by month, prompt, model and version; what is not known is said."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from evals_app.actions.budgets import set_default_budget
from evals_app.actions.judges import add_judges
from evals_app.actions.runs import cancel_run, retry_errors, start_run
from evals_app.budgets import Budget
from evals_app.models import Result, Run, RunUsage
from evals_app.scripted_provider import Rule
from evals_app.usage_queries import last_pace, month_usage, months_of, record_usage, usage_of_version
from prompts_app.models import Prompt
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated

THIS_MONTH = datetime.now(UTC).date()


def test_usage__of_an_ended_run__is_written_by_arm_and_model(world: Evaluated) -> None:
    rows = RunUsage.objects.filter(run=world.run).order_by("part").values_list("part", "answers", "errors", "unpriced")

    assert [row for row in rows if row[0] == "baseline"] == [("baseline", 60, 0, 60)]
    assert sum(row[1] for row in rows if row[0] == "candidate") == 59
    assert sum(row[2] for row in rows if row[0] == "candidate") == 1
    assert RunUsage.objects.filter(run=world.waiting).count() == 0


def test_usage__price_known_of_some__sums_those_and_counts_the_others(cast: Cast, world: Evaluated) -> None:
    some = Result.objects.filter(run=world.run, arm="candidate", case__position__lt=3)
    some.update(cost="0.5")
    Result.objects.filter(run=world.run, arm="candidate", case__position=10).update(is_cached=True, cost=0)
    record_usage(world.run)

    month = month_usage(cast.workspace.pk, THIS_MONTH)

    assert (month.total.cost, month.total.unpriced, month.total.answers) == (Decimal("1.5"), 115, 118)
    assert (month.total.cached, month.total.errors, month.under_way) == (1, 1, 1)
    assert [line.name for line in month.by_prompt] == ["numbers/echo"] and month.by_prompt[0].runs == 1
    assert month.by_model[0].name == "scripted: scripted"
    second = usage_of_version(world.run.candidate)
    assert (second.answers, second.unpriced, second.cost) == (58, 55, Decimal("1.5"))
    assert usage_of_version(world.run.baseline).answers == 60  # type: ignore[arg-type]


def test_pace__of_the_last_finished_run__is_of_each_answer_and_priced_where_all_are(
    cast: Cast, world: Evaluated
) -> None:
    prompt, results = world.run.prompt, Result.objects.filter(run=world.run)
    unpriced = last_pace(prompt, "numbers")
    results.update(cost="0.5")
    record_usage(world.run)

    pace = last_pace(prompt, "numbers")

    assert pace and unpriced and unpriced.cost is None and last_pace(prompt, "of-no-such-name") is None
    assert world.run.started_at and world.run.finished_at
    assert pace.of(119).took == pytest.approx(
        world.run.finished_at - world.run.started_at, abs=timedelta(milliseconds=1)
    )
    assert pace.cost == pytest.approx(Decimal("0.5") * 120 / 119)


def test_usage__errors_asked_again__is_written_anew(cast: Cast, world: Evaluated) -> None:
    world.provider.script(Rule())
    building.work(retry_errors(cast.ada, world.run))

    total = month_usage(cast.workspace.pk, THIS_MONTH).total

    assert (total.answers, total.errors, total.runs) == (120, 0, 1)


def test_usage__of_a_cancelled_run__counts_what_was_answered(cast: Cast, world: Evaluated) -> None:
    cancel_run(cast.ada, world.waiting)
    asked = start_run(cast.ada, world.run.candidate, world.suite, baseline=None, again=True)
    Result.objects.create(run=asked, case=asked.suite_version.cases.first(), arm="candidate", repeat=0, output="x")
    cancel_run(cast.ada, asked)

    assert RunUsage.objects.get(run=asked).answers == 1


def test_usage__of_another_month_or_workspace__is_apart(cast: Cast, world: Evaluated) -> None:
    Run.objects.filter(pk=world.run.pk).update(finished_at=datetime(2025, 12, 31, 23, 59, tzinfo=UTC))

    assert month_usage(cast.workspace.pk, date(2025, 12, 5)).total.answers == 119
    assert month_usage(cast.workspace.pk, date(2026, 1, 1)).total.answers == 0
    assert month_usage(cast.linus.workspace_id, date(2025, 12, 1)).total.answers == 0
    assert [month for month, _ in months_of(cast.workspace.pk)] == [date(2025, 12, 1)]


def test_usage__on_its_page_and_over_the_api__says_what_is_not_known(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    page = as_(cast.vera).get("/w/acme/usage").content.decode()
    told = Api(cast.vera).get("usage").json
    panel = as_(cast.vera).get("/w/acme/prompts/numbers/echo/versions/2/checks").content.decode()

    assert "price not known for 119 answers" in page and "numbers/echo" in page and "$0" not in page
    assert (told["month"], told["total"]["unpriced"], told["total"]["cost"]) == (f"{THIS_MONTH:%Y-%m}", 119, None)
    assert "v2 gave 59 answers" in panel and "the price of them is not known" in panel
    assert Api(cast.vera).get("usage?month=2026-13").status == 422
    assert as_(cast.vera).get("/w/acme/usage?month=last").status_code == 404


def test_usage__of_judges__is_told_by_the_model_that_was_asked_in_calls_tokens_and_cost(
    cast: Cast, world: Evaluated, as_: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def price(*, model: str, **_: object) -> Decimal | None:
        return Decimal("0.25") if model == "other" else None

    monkeypatch.setattr("evals_app.engine.grading.cost_of", price)
    reply = json.dumps({"reason": "because", "verdict": "met"})
    world.provider.script(Rule(anywhere=" CRITERION", answer=reply))
    building.add_provider(cast, world.provider, name="second", models=["other"])
    add_judges(cast.ada)
    content = Prompt.objects.get(name="judges/rubric").versions.get().editable()
    strict = builders.create_prompt(cast.ada, "judges/strict", kind="chat")
    builders.create_version(cast.ada, strict, {**content, "config": {"provider": "second", "model": "other"}})
    scorers = [
        {"kind": "rubric", "value": "a"},
        {"kind": "rubric", "name": "b", "value": "b", "judge": "judges/strict"},
    ]
    asked = building.suite(cast.ada, "judged", of=building.cases(3), scorers=scorers)
    building.work(start_run(cast.ada, world.run.candidate, asked, baseline=None))

    told = {line.name: line for line in month_usage(cast.workspace.pk, THIS_MONTH).by_judge}

    assert set(told) == {"scripted: scripted", "second: other"}
    assert (told["second: other"].answers, told["second: other"].cost) == (3, Decimal("0.75"))
    assert (told["scripted: scripted"].answers, told["scripted: scripted"].unpriced) == (3, 3)
    assert told["second: other"].input_tokens and told["second: other"].output_tokens
    answer = Api(cast.ada).get("usage").json
    assert (answer["by_judge"][0]["name"], answer["by_judge"][0]["cost"]) == ("second: other", 0.75)
    assert all("judge" not in line["name"] for line in answer["by_model"])
    page = as_(cast.ada).get("/w/acme/usage").content.decode()
    assert "Judges by provider and model" in page and "second: other" in page and "Calls" in page


def test_usage__of_a_run_that_kept_no_replies_of_its_judges__is_still_told(cast: Cast, world: Evaluated) -> None:
    Result.objects.filter(run=world.run, case__position__lt=2).update(judge_input_tokens=5, judge_cost="0.5")
    record_usage(world.run)

    (line,) = month_usage(cast.workspace.pk, THIS_MONTH).by_judge

    assert (line.name, line.answers, line.input_tokens, line.cost) == ("model not recorded", 4, 20, Decimal(2))


def test_usage__of_a_run_that_its_budget_stopped__is_counted(cast: Cast, world: Evaluated) -> None:
    asked = building.suite(cast.ada, "short", of=building.cases(8))
    run = start_run(cast.ada, world.run.candidate, asked, baseline=None, budget=Budget(requests=3))
    assert building.work(run).state == "error"

    assert RunUsage.objects.get(run=run).answers == 3


def test_default_budget__is_set_on_the_page_by_an_admin_and_read_by_everybody(cast: Cast, as_: SignedIn) -> None:
    admin, reader = as_(cast.olga), as_(cast.vera)
    assert "There is none" in reader.get("/w/acme/usage").content.decode()
    wrong = admin.post("/w/acme/usage/budget", {"budget_cost": "-1", "budget_requests": ""})
    assert wrong.status_code == 422 and "At least 0." in wrong.content.decode()
    assert admin.post("/w/acme/usage/budget", {"budget_cost": "2.5", "budget_requests": "900"}).status_code == 302
    assert "more than $2.50 or 900 requests" in reader.get("/w/acme/usage").content.decode()
    assert 'value="2.5"' in admin.get("/w/acme/usage").content.decode()
    assert reader.post("/w/acme/usage/budget", {}).status_code == 403
    assert admin.post("/w/acme/usage/budget", {}).status_code == 302
    assert "There is none" in as_(cast.vera).get("/w/acme/usage").content.decode()


def test_default_budget__that_cannot_be_kept__is_said_at_the_field_of_a_run(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    set_default_budget(cast.olga, Budget(cost=Decimal(1)))
    given = {"version": "1", "suite": "numbers", "baseline": "", "budget_cost": "", "budget_requests": ""}
    answer = as_(cast.ada).post("/w/acme/runs/new?prompt=numbers/echo", given)
    page = answer.content.decode()
    field = page.split('id="id_budget_cost"')[1].split("</div>\n")[0]
    assert answer.status_code == 422 and "default budget" in field and "budget.cost:" not in page
