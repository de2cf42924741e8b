"""Judges as suites and runs show them: agreement with people, newer versions on offer, warnings, and what they may claim."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client, override_settings

from evals_app.actions.labels import set_label
from evals_app.actions.newer_judges import take_judge
from evals_app.actions.runs import start_run
from evals_app.actions.suites import attach_suite
from evals_app.engine import machinery
from evals_app.judge_reports import run_warnings, suite_judges
from evals_app.models import Result, ResultLabel, Run, Suite
from evals_app.scripted_provider import Rule, ScriptedProvider
from prompts_app.models import Prompt, PromptVersion
from registry.core.actor import Actor
from registry.core.errors import Invalid, NotFound
from registry.core.models import Member
from tests import builders
from tests.api.client import Api
from tests.builders import Cast
from tests.evals.building import add_provider, cases, scripted, suite, work

MET, NOT_MET = '{"reason": "r", "verdict": "met"}', '{"reason": "r", "verdict": "not met"}'
RUBRIC = [{"kind": "rubric", "value": "it is a number"}]


@pytest.fixture
def provider(cast: Cast) -> Iterator[ScriptedProvider]:
    """A judge that lets everything pass but answers 0 and 1."""
    rules = (Rule(anywhere=" ANSWER\n0\n", answer=NOT_MET), Rule(anywhere=" ANSWER\n1\n", answer=NOT_MET),
             Rule(anywhere=" CRITERION", answer=MET))  # fmt: skip
    with scripted(*rules) as running_provider:
        add_provider(cast, running_provider)
        yield running_provider


@pytest.fixture
def version(cast: Cast, provider: ScriptedProvider) -> PromptVersion:
    return builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()


def judged(cast: Cast, version: PromptVersion, count: int = 6, **rules: Any) -> tuple[Suite, Run]:
    made = suite(cast.ada, of=cases(count), scorers=RUBRIC, **{"mode": "all_pass", **rules})
    return made, work(start_run(cast.ada, version, made, baseline=None))


def say(actor: Actor, run: Run, marks: dict[int, str], **more: str) -> None:
    for number, label in marks.items():
        result = Result.objects.select_related("case", "run__prompt").get(run=run, case__key=f"case-{number}")
        set_label(actor, result, label=label, **more)


def line_of(made: Suite) -> Any:
    (line,) = suite_judges(made.versions.select_related("suite").order_by("-number")[0]).lines
    return line


def newer(cast: Cast, **config: Any) -> PromptVersion:
    judge = Prompt.objects.get(name="judges/rubric")
    content = {**judge.versions.order_by("-number")[0].editable(), "config": {"temperature": 0, **config}}
    return builders.create_version(cast.ada, judge, content).version


def test_agreement__of_a_judge_with_people__counts_the_answers_both_have_judged(
    cast: Cast, version: PromptVersion
) -> None:
    made, run = judged(cast, version)
    assert (line_of(made).agreement.n, line_of(made).agreement.kappa) == (0, None)
    say(cast.ada, run, {0: "failed", 1: "failed", 2: "passed", 3: "passed", 4: "failed"})
    how = line_of(made).agreement
    # The judge: 2 failed, 3 passed; people: 3 failed, 2 passed; they agree on 4 of 5, and by chance on 12 of 25.
    assert (how.n, how.agreed) == (5, 0.8)
    assert how.kappa == pytest.approx((0.8 - 0.48) / (1 - 0.48))
    assert how.lower < how.kappa < how.upper


def test_agreement__several_people__count_by_majority_and_what_names_the_scorer_first(
    cast: Cast, version: PromptVersion
) -> None:
    made, run = judged(cast, version)
    for actor, label in ((cast.ada, "passed"), (cast.grace, "failed")):
        say(actor, run, {0: label})
    assert line_of(made).agreement.n == 0
    say(cast.rosa, run, {0: "failed"})
    assert (line_of(made).agreement.n, line_of(made).agreement.agreed) == (1, 1.0)
    say(cast.ada, run, {0: "passed"}, scorer="rubric")
    assert line_of(made).agreement.agreed == 0.0


def test_agreement__with_another_version_of_the_judge__starts_anew(cast: Cast, version: PromptVersion) -> None:
    made, run = judged(cast, version)
    say(cast.ada, run, {0: "failed", 2: "passed"})
    newer(cast, seed=3)
    assert (line_of(made).agreement.n, line_of(made).newest, line_of(made).is_behind) == (2, 2, True)
    saved = take_judge(cast.ada, made, name="judges/rubric", version=2)
    assert (saved.is_new, saved.version.number, saved.version.case_count) == (True, 2, 6)
    made.refresh_from_db()
    assert (line_of(made).version, line_of(made).agreement.n, line_of(made).is_behind) == (2, 0, False)
    assert not take_judge(cast.ada, made, name="judges/rubric", version=2).is_new
    take_judge(cast.ada, made, name="judges/rubric", version=1)
    assert line_of(made).agreement.n == 2


def test_take__what_there_is_not__is_refused(cast: Cast, version: PromptVersion) -> None:
    made, _ = judged(cast, version, 1)
    with pytest.raises(NotFound):
        take_judge(cast.ada, made, name="judges/pairwise", version=1)
    with pytest.raises(Invalid, match="correct"):
        take_judge(cast.ada, made, name="judges/rubric", version=9)


def test_warning__a_judge_of_the_same_family__on_suite_and_run(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
) -> None:
    made, run = judged(cast, version, 1)
    assert line_of(made).warnings == ()
    attach_suite(cast.ada, made, version.prompt)
    for warnings in (line_of(made).warnings, run_warnings(run)):
        assert len(warnings) == 1 and "judges/rubric" in warnings[0] and "family" in warnings[0]
    add_provider(cast, provider, name="other", models=["gpt-x"])
    newer(cast, provider="other", model="gpt-x")
    take_judge(cast.ada, made, name="judges/rubric", version=2)
    made.refresh_from_db()
    assert line_of(made).warnings == ()
    assert run_warnings(work(start_run(cast.ada, version, made, baseline=None))) == ()


def test_judges__that_nobody_can_be_asked_for__are_a_problem_that_the_page_tells(
    cast: Cast, version: PromptVersion
) -> None:
    made, _ = judged(cast, version, 1)
    newer(cast, model="gone")
    take_judge(cast.ada, made, name="judges/rubric", version=2)
    report = suite_judges(made.versions.select_related("suite").order_by("-number")[0])
    assert report.lines == () and "gone" in report.problem


def test_judge__whose_provider_is_down__is_asked_of_the_fallback_and_that_is_told(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion
) -> None:
    with ScriptedProvider([Rule(status=500)]) as dead:
        allow = frozenset({f"127.0.0.1:{port}" for port in (dead.port, provider.port)})
        with override_settings(OUTBOUND_ALLOW=allow):
            add_provider(cast, dead, name="down", models=["judge"], fallback="scripted")
            made, _ = judged(cast, version, 3)
            newer(cast, provider="down", model="judge")
            take_judge(cast.ada, made, name="judges/rubric", version=2)
            machinery.shut_down()
            run = work(start_run(cast.ada, version, made, baseline=None))
            machinery.shut_down()
    result = run.results.get(case__key="case-2")
    assert result.is_passed and "(scripted stood in) met" in result.scores and dead.calls > 0


@pytest.mark.parametrize(("labels", "verdict"), [(49, "inconclusive"), (50, "passed")])
def test_superior__claimed_by_a_judge__needs_fifty_labels(
    cast: Cast, provider: ScriptedProvider, version: PromptVersion, labels: int, verdict: str
) -> None:
    better = builders.version(cast.ada, version.prompt, "good {{ q }}")
    provider.script(Rule(anywhere=" ANSWER\ngood", answer=MET), Rule(anywhere=" CRITERION", answer=NOT_MET))
    made = suite(cast.ada, of=cases(60), scorers=RUBRIC, mode="superior")
    first = work(start_run(cast.ada, better, made, baseline=version))
    assert first.verdict == "inconclusive" and "labelled" in first.metrics.order_by("position")[0].sentence
    answers = Result.objects.filter(run=first, arm="candidate").order_by("pk")[:labels]
    ResultLabel.objects.bulk_create(
        ResultLabel(result=one, member_id=cast.ada.member_id, label="passed") for one in answers
    )
    assert work(start_run(cast.ada, better, made, baseline=version, again=True)).verdict == verdict


def test_api__judges_of_a_suite__are_told_and_a_newer_one_is_taken(cast: Cast, version: PromptVersion) -> None:
    _, run = judged(cast, version)
    say(cast.ada, run, {0: "failed", 2: "passed"})
    newer(cast, seed=3)
    api = Api(cast.ada)
    (line,) = Api(cast.vera).get("suites/numbers/judges").json["judges"]
    assert (line["judge"], line["version"], line["newest_version"]) == ("judges/rubric", 1, 2)
    assert (line["labels"], line["kappa"], line["may_claim_superior"]) == (2, 1.0, False)
    taken = api.post("suites/numbers/judges", {"judge": "judges/rubric", "version": 2})
    assert (taken.status, taken.json["version"], taken.json["judges"][0]["version"]) == (201, 2, 2)
    assert api.post("suites/numbers/judges", {"judge": "judges/rubric", "version": 2}).status == 200
    assert api.post("suites/numbers/judges", {"judge": "judges/rubric", "version": 7}).status == 422
    assert api.post("suites/numbers/judges", {"judge": "x", "version": 1}).status == 404
    shown = api.get(f"runs/{run.pk}").json
    assert [one["judge"] for one in shown["judges"]] == ["judges/rubric"] and len(shown["warnings"]) == 1
    plain = suite(cast.ada, "plain", of=cases(2))
    assert api.get(f"suites/{plain.slug}/judges").json == {"judges": [], "problem": ""}


def test_pages__of_suite_and_run__tell_of_judges_and_offer_the_newer_one(cast: Cast, version: PromptVersion) -> None:
    made, run = judged(cast, version)
    attach_suite(cast.ada, made, version.prompt)
    say(cast.ada, run, {0: "failed", 2: "passed"})
    newer(cast, seed=3)
    client = Client()
    client.force_login(Member.objects.get(pk=cast.ada.member_id).user)
    page = client.get("/w/acme/suites/numbers").content.decode()
    assert 'kappa <span class="num">1.00</span>' in page and "48 more labels" in page and "Ask version 2" in page
    assert "of the same family" in page
    run_page = client.get(f"/w/acme/runs/{run.pk}").content.decode()
    assert "of the same family" in run_page and "Judged by" in run_page and "judges/rubric v1" in run_page
    refused = client.post("/w/acme/suites/numbers/judge", {"judge": "judges/rubric", "version": "9"}, follow=True)
    assert "which there is not" in refused.content.decode()
    taken = client.post("/w/acme/suites/numbers/judge", {"judge": "judges/rubric", "version": "2"}, follow=True)
    assert "Version 2 asks version 2 of judges/rubric" in taken.content.decode()
    assert "Ask version" not in taken.content.decode()
