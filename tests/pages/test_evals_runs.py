"""A run on its page: while it works, when it has ended, case by case; and started by hand."""

import json
import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from evals_app.actions.runs import start_run
from evals_app.models import ArmTally, DraftCase, Provider, Result, Run, RunChunk, RunState
from evals_app.scripted_provider import Rule
from prompts_app.actions.rollback import withdraw
from registry.core.models import JobState
from tests import builders
from tests.builders import Cast
from tests.evals import building
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import Evaluated

HTMX = {"HX-Request": "true"}


def test_run__under_way__is_told_by_events_until_it_has_ended(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.waiting.pk}"

    page = client.get(path).content.decode()
    moving = client.get(f"{path}/events")
    building.work(world.waiting)
    ended = client.get(f"{path}/events").content.decode()
    cases = client.get(f"{path}/results?status=failed", headers=HTMX).content.decode()

    assert f'hx-sse:connect="{path}/events"' in page and f'hx-get="{path}/results' in page
    assert moving["Content-Type"] == "text/event-stream"
    assert "0 of 360 answers" in moving.content.decode() and "\nevent: moved\n" in moving.content.decode()
    assert ended.count("\n\n") == 2 and "\nevent: ended\n" in ended and "<html" not in ended and "Passed" in ended
    assert 'hx-trigger="moved' not in cases and "case-3" in cases
    assert "hx-sse" not in client.get(path).content.decode()


def test_cases__picked_by_text__are_those_with_it_in_key_or_answer(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}"

    def found(query: str) -> set[int]:
        page = client.get(f"{path}?{query}").content.decode()
        return {n for n in range(60) if f">case-{n}</a>" in page}

    assert found("text=FOUR") == {3}
    assert found("text=case-5&status=error") == {5}
    assert found("text=case-4&tag=even") == {4, 40, 42, 44, 46, 48}
    assert found("text=nothing+of+the+kind") == set()


def test_cases__picked_by_a_script__are_a_part_and_the_address_follows(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}"

    picked = client.get(f"{path}/results?status=flipped", headers=HTMX)
    by_itself = client.get(f"{path}/results?status=flipped", headers=HTMX | {"HX-Source": "section#results"})

    assert picked["HX-Push-Url"] == f"{path}?status=flipped" and "HX-Push-Url" not in by_itself
    assert picked.content.decode().strip().startswith("<section") and ">case-3</a>" in picked.content.decode()


def test_figures__of_a_run__say_which_way_cases_went_and_what_answers_took(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}/figures"

    page = client.get(path).content.decode()
    part = client.get(path, headers=HTMX).content.decode()
    empty = client.get(f"/w/acme/runs/{world.waiting.pk}/figures").content.decode()

    assert "got worse: 1. " in page and "passed on both: 58. " in page and "no answer on a side: 1. " in page
    assert "contains" in page and "Latency of an answer" in page
    assert "<html" not in part and "got worse: 1. " in part
    assert "drawn when the run has ended" in empty


def test_answer__looked_at_in_full__shows_the_very_request_it_answers(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}/cases"
    answer = Result.objects.get(run=world.run, case__key="case-3", arm="candidate")
    error = Result.objects.get(run=world.run, case__key="case-5", arm="candidate")

    case = client.get(f"{path}/4").content.decode()
    page = client.get(f"{path}/4/answers/{answer.pk}").content.decode()
    failed = client.get(f"{path}/6/answers/{error.pk}").content.decode()

    assert f'href="{path}/4/answers/{answer.pk}' in case
    assert "Now 3." in page and "four &lt;b&gt;bold" in page and "The very bytes that were sent" in page
    assert "Now 5." in failed and "HTTP 400" in failed
    assert client.get(f"{path}/5/answers/{answer.pk}").status_code == 404
    assert as_(cast.linus).get(f"{path}/4/answers/{answer.pk}").status_code == 404


def test_run__ended__shows_verdict_interval_and_its_cases(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}"

    page = client.get(path).content.decode()
    flipped = client.get(f"{path}?status=flipped").content.decode()
    errors = client.get(f"{path}?status=error").content.decode()
    second = client.get(f"{path}?page=2").content.decode()

    assert 'hx-trigger="every' not in page.partition("<main")[2]
    assert "Not worse than the live version" in page and '<svg class="interval"' in page
    assert "120 <small>of 120, 1 error" in page
    assert ">case-3<" in flipped and ">case-4<" not in flipped and "four &lt;b&gt;bold" in flipped
    assert ">case-5<" in errors and ">case-3<" not in errors
    assert ">case-59<" in second and ">case-0<" not in second


def test_run__once_its_baseline_is_live_nowhere__says_what_was_live_then(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    vera, run = as_(cast.vera), f"/w/acme/runs/{world.run.pk}"
    compared = "/w/acme/prompts/numbers/echo/diff/evidence?from=1&to=2"
    pages = (run, "/w/acme/prompts/numbers/echo/versions/2", compared)
    before = [vera.get(page).content.decode() for page in pages]
    withdraw(cast.rosa, world.prompt, cast.environment("production"), reason="for now")
    after = [vera.get(page).content.decode() for page in pages]

    assert all("Not worse than the live version" in page and "live v1" in page for page in before)
    assert all("Not worse than what was live then (v1)" in page and "the live version" not in page for page in after)
    assert not any("live v1" in page for page in after)
    assert 'class="end">v2</th><th scope="col" class="end">v1</th>' in after[0]


def test_run__that_did_not_pass__opens_on_the_cases_that_flipped_the_worst_first(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}"
    passed = client.get(path).content.decode()
    Run.objects.filter(pk=world.run.pk).update(verdict="failed")
    for key, arm in (("case-1", "baseline"), ("case-40", "candidate")):  # one better, and one more that is worse
        Result.objects.filter(run=world.run, case__key=key, arm=arm).update(is_passed=False)
    ArmTally.objects.filter(run=world.run).delete()

    opened = client.get(path).content.decode()
    wanted = client.get(f"{path}?status=all").content.decode()
    tagged = client.get(f"{path}?tag=even").content.decode()
    following = client.get(f"{path}/cases/41?status=flipped").content.decode()

    assert ">case-0</a>" in passed and f'href="{path}?status=all#results"' in passed
    for page in (opened, client.get(f"{path}?page=1").content.decode()):
        assert re.findall(r">case-(\d+)</a>", page) == ["3", "40", "1"]
    assert f'href="{path}?status=all#results"' in opened and ">case-0</a>" in wanted and ">case-0</a>" in tagged
    assert f'rel="prev" href="{path}/cases/4?status=flipped"' in following
    assert f'rel="next" href="{path}/cases/2?status=flipped"' in following
    assert 'name="status" value="all"' in client.get(f"{path}/results?status=all", headers=HTMX).content.decode()


def test_case__of_a_run__stands_side_by_side_with_what_differs(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.run.pk}/cases"

    page = client.get(f"{path}/4?status=flipped").content.decode()
    error = client.get(f"{path}/6").content.decode()

    assert "<del>" in page and "<ins>four &lt;b&gt;bold" in page and "does not occur" in page
    assert "worse than v1" in page and 'aria-disabled="true"' in page
    assert "rejected" in error and "HTTP 400" in error
    assert client.get(f"{path}/61").status_code == 404
    assert client.get(f"{path}/0").status_code == 404


def test_run__cancelled_on_its_page__stops_and_a_second_press_is_told(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), f"/w/acme/runs/{world.waiting.pk}"

    assert as_(cast.vera).post(f"{path}/cancel").status_code == 403
    assert client.post(f"{path}/cancel").status_code == 302
    again = client.post(f"{path}/cancel")

    assert Run.objects.get(pk=world.waiting.pk).state == RunState.CANCELLED
    assert again.status_code == 409 and "cancelled already" in again.content.decode()


def test_run__with_errors__is_asked_again_where_no_answer_came(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.ada), f"/w/acme/runs/{world.run.pk}"
    world.provider.script()

    assert "Run the error again" in client.get(path).content.decode()
    assert "Run the error again" not in as_(cast.vera).get(path).content.decode()
    assert client.post(f"{path}/retry").status_code == 302
    building.work(Run.objects.get(pk=world.run.pk))

    assert "120 <small>of 120</small>" in client.get(path).content.decode()
    assert client.post(f"{path}/retry").status_code == 409


def test_run__whose_cases_lack_a_variable__says_that_asking_again_cannot_help(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    lacking = builders.version(cast.ada, world.prompt, "{{ q }} {{ tone }}")
    run = building.work(start_run(cast.ada, lacking, world.suite, baseline=None))

    page = as_(cast.ada).get(f"/w/acme/runs/{run.pk}").content.decode()
    assert "Asking again here cannot help" in page and f"/w/acme/runs/{run.pk}/retry" not in page
    other = as_(cast.ada).get(f"/w/acme/runs/{world.run.pk}").content.decode()
    assert "Run the error again" in other and "cannot help" not in other


def test_run__whose_answers_are_all_there__says_that_its_verdict_is_being_worked_out(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.vera), f"/w/acme/runs/{world.waiting.pk}"
    Run.objects.filter(pk=world.waiting.pk).update(state=RunState.RUNNING)
    before = client.get(path).content.decode()
    RunChunk.objects.filter(run=world.waiting).update(done=F("total"))

    page, checks = client.get(path).content.decode(), client.get("/w/acme/prompts/numbers/echo/checks").content.decode()

    assert ">Running<" in before and "0 of 360 answers" in before and "Working out the verdict" not in before
    for drawn in (page, checks, client.get("/w/acme/runs").content.decode()):
        assert "Working out the verdict" in drawn and ">Running<" not in drawn
    assert "360 of 360 answers" not in page and "360/360" not in checks


def test_run__that_ended_in_errors__says_why_they_came_and_what_helps(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    world.provider.script(Rule(anywhere="Third 1", status=400))
    third = builders.version(cast.ada, world.prompt, "Third {{ q }}")
    run = building.work(start_run(cast.ada, third, world.suite, baseline=None))
    path = f"/w/acme/runs/{run.pk}"

    rejected = as_(cast.ada).get(path).content.decode()
    Result.objects.filter(run=run).exclude(error="").update(error="timeout")
    late, admin = as_(cast.ada).get(path).content.decode(), as_(cast.olga).get(path).content.decode()

    assert run.state == RunState.ERROR
    assert re.search(r"Rejected in 11 answers\.\s+It does not accept the request", rejected)
    assert "Run the 11 errors again" in rejected
    assert "An admin can give the provider more time" in late and "settings/providers/scripted" not in late
    assert re.search(r"Timeout in 11 answers\.\s+It took longer than its time limit\.", admin)
    assert f'href="/w/acme/settings/providers/scripted?back=%2Fw%2Facme%2Fruns%2F{run.pk}"' in admin


def test_run_new__says_how_many_questions_it_asks__for_what_is_chosen(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), "/w/acme/runs/new"
    chosen = {"prompt": "numbers/echo", "version": "2", "suite": "numbers"}

    def told(**more: str) -> str:
        page = client.get(path, {**chosen, **more}).content.decode()
        told = page.partition('id="questions"')[2].partition("</p>")[0].partition(">")[2]
        return " ".join(re.sub(r"<[^>]+>", "", told).split())

    building.suite(cast.ada, "thrice", of=building.cases(4), repeats=3)
    both, alone, refused = told(baseline="version:1"), told(baseline="", suite="thrice"), told(suite="of-no-such-name")
    page = client.get(f"/w/acme/runs/{world.run.pk}").content.decode()

    pace = rf"If it goes as run {world.run.pk} did, that takes about \d+ \w+. Where the same"
    assert re.match(rf"Asks the model 120 questions: 60 cases, of both versions. {pace}", both), both
    assert alone.startswith("Asks the model 12 questions: 4 cases, 3 times each. Where the same was asked")
    assert refused == ""
    assert "<dt>Questions</dt><dd>120: 60 cases, of both versions</dd>" in page
    assert '<a href="/w/acme/prompts/numbers/echo">What comes next for numbers/echo</a>' in page


def test_run__started_by_hand__compares_with_what_was_chosen(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, path = as_(cast.ada), "/w/acme/runs/new?prompt=numbers/echo"
    chosen = {"version": "2", "suite": "shape", "baseline": ""}

    form = client.get(path).content.decode()
    alone = client.post(path, chosen)
    same = client.post(path, chosen)
    compared = client.post(path, chosen | {"suite": "numbers", "baseline": "live:production"})

    assert '<option value="live:production" selected>' in form and "Production: v1" in form
    assert alone.status_code == 302 and same["Location"] == alone["Location"]
    assert Run.objects.get(pk=int(alone["Location"].rpartition("/")[2])).baseline is None
    assert 'All <span class="count">60</span>' in client.get(alone["Location"]).content.decode()
    assert compared["Location"] == f"/w/acme/runs/{world.run.pk}"
    assert client.post(path, chosen | {"baseline": "live:nowhere"}).status_code == 422
    assert client.post(path, chosen | {"version": "9"}).status_code == 422
    assert as_(cast.vera).get(path).status_code == 403


def test_runs__filtered__are_those_that_fit(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client = as_(cast.vera)

    def runs(query: str) -> list[int]:
        page = client.get(f"/w/acme/runs?{query}").content.decode()
        return [run.pk for run in (world.run, world.waiting) if f'href="/w/acme/runs/{run.pk}"' in page]

    assert runs("") == [world.run.pk, world.waiting.pk]
    assert runs("state=open") == runs("suite=shape") == [world.waiting.pk]
    assert runs("state=passed&prompt=echo") == [world.run.pk]
    assert runs("prompt=nothing") == []


def test_case__answered_by_calling_a_tool__shows_the_call(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    world.provider.script(Rule(calls=(("look_up", '{"city": "<b>Rome"}'),)))
    building.work(world.waiting)

    page = as_(cast.vera).get(f"/w/acme/runs/{world.waiting.pk}/cases/1").content.decode()

    assert "calls a tool" in page and "look_up" in page and "&lt;b&gt;Rome" in page
    assert "an empty answer" not in page


def test_case__added_to_a_suite_with_an_answer_as_expected__is_in_the_draft(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), f"/w/acme/runs/{world.run.pk}/cases/4/add"
    asked = client.get(path).content.decode()
    answer = Result.objects.get(run=world.run, case__key="case-3", arm="candidate")
    added = client.post(path, {"suite": "shape", "expected": str(answer.pk)})
    row = DraftCase.objects.get(draft__suite__slug="shape", key="case-3 (2)")

    assert "What the candidate answered" in asked and "<b>bold</b>" not in asked
    assert added.status_code == 302 and added["Location"].endswith(f"#row-{row.row}")
    assert json.loads(row.content)["expected"] == "four <b>bold</b>"
    assert client.post(path, {"suite": "none"}).status_code == 404
    case = path.removesuffix("/add")
    assert f'href="{path}"' in client.get(case).content.decode()
    assert f'href="{path}"' not in as_(cast.vera).get(case).content.decode(), "who only reads is not led there"
    assert client.post(path, {"suite": "shape", "expected": "1"}).status_code == 404
    assert as_(cast.vera).get(path).status_code == 403 and as_(cast.linus).get(path).status_code == 404


@pytest.mark.parametrize("path", ["/w/acme/runs/new", "/w/acme/runs/batches/new"])
def test_run_new__where_one_prompt_can_be_meant__is_about_that_and_asks_only_where_more_can(
    cast: Cast, world: Evaluated, as_: SignedIn, path: str
) -> None:
    client = as_(cast.ada)

    def page(query: str = "") -> str:
        return client.get(path + query).content.decode()

    only, asked = page(), page("?prompt=&suite=numbers")
    builders.prompt(cast.ada, "support/triage", text="{{ q }}")
    suited, which = page("?suite=numbers"), page()

    assert "Of which prompt?" not in only and f'action="{path}?prompt=numbers%2Fecho"' in only
    assert "Another prompt" in only and f'href="{path}?prompt="' in only
    assert "Of which prompt?" in asked and 'value="numbers/echo"' in asked and 'value="numbers"' in asked
    assert "Of which prompt?" not in suited and '<option value="numbers" selected>' in suited
    assert "Of which prompt?" in which and 'autofocus value="' not in which


def test_run_new__of_a_version_that_is_live__never_holds_it_against_itself(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    client, path = as_(cast.ada), "/w/acme/runs/new"

    newest = client.get(f"{path}?prompt=numbers/echo").content.decode()
    live = client.get(f"{path}?prompt=numbers/echo&version=1").content.decode()

    assert '<option value="live:production" selected>' in newest
    assert '<option value="" selected>' in live, "version 1 is what is live"


def test_run_new__where_no_model_can_be_asked__says_so_before_anything_is_started(
    cast: Cast, world: Evaluated, as_: SignedIn
) -> None:
    path = "/w/acme/runs/new?prompt=numbers/echo"
    before = as_(cast.olga).get(path).content.decode()
    Provider.objects.all().delete()

    owner, editor = (as_(who).get(path).content.decode() for who in (cast.olga, cast.ada))

    assert "No model can be asked yet" not in before and "Asks the model" in before
    assert "No model can be asked yet" in owner and "Asks the model" not in owner
    assert 'href="/w/acme/settings/providers?back=' in owner and "Add a provider" in owner
    assert "An admin of this workspace adds a provider" in editor and "settings/providers?back=" not in editor


def test_run__without_an_answer_yet__says_what_it_waits_for(cast: Cast, world: Evaluated, as_: SignedIn) -> None:
    client, chunks = as_(cast.vera), RunChunk.objects.filter(run=world.waiting)

    def said() -> str:
        page = client.get(f"/w/acme/runs/{world.waiting.pk}").content.decode()
        found = re.search(r'id="waits-for">(.*?)</p>', page)
        return found[1] if found else ""

    assert said() == "It waits for a worker to take it up."
    Run.objects.filter(pk=world.waiting.pk).update(created_at=timezone.now() - timedelta(minutes=1))
    assert said() == "No worker has taken it up: is one running?"
    RunChunk.objects.filter(run=world.run).update(state=JobState.RUNNING, owner="one", lease_until=timezone.now())
    assert said() == "It waits in the queue: workers are at other runs."
    chunks.update(state=JobState.RUNNING, owner="one", lease_until=timezone.now() + timedelta(minutes=5))
    assert said() == "A worker asks scripted at scripted: the first answer has not come yet."
    chunks.update(done=1)
    assert said() == ""
