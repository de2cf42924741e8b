"""Texts taken away: what goes, what stays, what is refused; and that everything that proves something still does."""

import hashlib
import io
import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from evals_app.actions.labels import set_label
from evals_app.actions.purging import erase_text, purge_answer, purge_case
from evals_app.actions.retention import apply_retention, set_retention
from evals_app.actions.runs import retry_errors, start_run
from evals_app.actions.suite_drafts import add_cases
from evals_app.actions.suite_imports import receive_file
from evals_app.actions.suites import save_suite_version
from evals_app.models import Case, DraftCase, PendingImport, Purge, Result, ResultLabel, Run, RunSlice, SuiteVersion
from evals_app.run_queries import sheet
from evals_app.scripted_provider import Rule
from prompts_app.actions import reviews
from prompts_app.actions.versions import save_draft
from prompts_app.digest_queries import damaged_versions
from prompts_app.facts import not_eligible
from prompts_app.models import Comment, Draft, PromptVersion, VersionCheck
from prompts_app.record_queries import record_of
from registry.core.audit import verify_chain
from registry.core.canonical import digest
from registry.core.errors import Conflict, Forbidden, Invalid
from registry.core.models import AuditEvent, Webhook, WebhookDelivery, WebhookEvent, WebhookTry
from registry.core.texts import forms_of, holds
from tests import builders, scenes
from tests.api.client import Api
from tests.builders import Cast, make_cast
from tests.evals import building
from tests.pages.evaluated import Evaluated, evaluated

SOMEBODY = "Ada Müller"


@pytest.fixture
def world(cast: Cast) -> Iterator[Evaluated]:
    with evaluated(cast) as made:
        yield made


def age(run: Run, days: int) -> None:
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - timedelta(days=days))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_case__that_a_gate_rests_on__goes_only_when_asked_for_and_the_check_counts_no_longer(
    cast: Cast, world: Evaluated
) -> None:
    case = world.run.suite_version.cases.get(key="case-9")
    content, before = case.content, sheet(world.run)
    digests = dict(SuiteVersion.objects.values_list("pk", "digest"))
    with pytest.raises(Conflict) as refused:
        purge_case(cast.olga, case, reason="")
    assert (refused.value.code, refused.value.extra) == (
        "purge.needed",
        {"suites": ["numbers"], "runs": [world.run.pk]},
    )

    purged = purge_case(cast.olga, case, reason="asked for", also_needed=True)

    assert purged.gone == {"cases": 1, "answers": 2} and [one.slug for one in purged.suites] == ["numbers"]
    case.refresh_from_db()
    assert case.purged_digest == sha256(content)
    assert json.loads(case.content) == {"key": "case-9", "tags": ["odd"]} and case.tags == ["odd"]
    newest = SuiteVersion.objects.get(suite=world.suite, number=2)
    assert newest.case_count == 59 and not newest.cases.filter(key="case-9").exists()
    assert digests.items() <= dict(SuiteVersion.objects.values_list("pk", "digest")).items()
    answer = Result.objects.get(run=world.run, case=case, arm="candidate")
    assert (answer.output, answer.tool_calls, answer.request_digest, answer.is_passed) == ("", "[]", "", True)
    assert [one["name"] for one in json.loads(answer.scores)] == ["contains", "regex"]
    assert answer.purged_digest == sha256("Now 9.[]")
    assert sheet(world.run).arms == before.arms, "numbers stay"

    check = VersionCheck.objects.filter(run_id=world.run.pk).order_by("-pk")[0]
    assert check.state == "error" and "by Olga" in check.summary
    blockers = scenes.codes(world.promotion, cast.rosa)
    assert {code for code in blockers if code.startswith("check.suite/numbers")}
    assert cast.olga.member_id in not_eligible(world.promotion, world.promotion.base)
    again = start_run(cast.ada, world.run.candidate, world.suite, baseline=world.run.baseline)
    assert again.pk != world.run.pk and again.posts_check
    with pytest.raises(Conflict, match="purged"):
        retry_errors(cast.ada, Run.objects.select_related("suite_version").get(pk=world.run.pk))


def test_everything_that_proves_something__after_a_purge__still_does(cast: Cast, world: Evaluated) -> None:
    scenes.policy(cast, "production", require_suites=False, min_suites=0)
    deployment = scenes.go_live(cast, builders.version(cast.ada, world.prompt, "Then {{ q }}."))
    applied = deployment.promotion
    assert applied is not None
    before = record_of(applied)

    purge_case(cast.olga, world.run.suite_version.cases.get(key="case-9"), reason="", also_needed=True)
    erase_text(cast.olga, "four <b>bold", reason="", also_needed=True)

    assert verify_chain(cast.workspace.pk).ok
    assert list(damaged_versions()) == []
    after = record_of(applied)
    assert digest({name: value for name, value in after.items() if name != "record_digest"}) == after["record_digest"]
    moving = {"made_at", "record_digest"}
    assert {n: v for n, v in after.items() if n not in moving} == {n: v for n, v in before.items() if n not in moving}


def test_case__changed_in_any_other_way__is_refused_by_the_table_itself(cast: Cast) -> None:
    suite = building.suite(cast.ada, of=building.cases(2))
    case = Case.objects.filter(suite_version__suite=suite).first()
    assert case is not None
    purge = Purge.objects.create(workspace=cast.workspace, by_name="Olga")
    right = sha256(case.content)
    bare = json.dumps({"key": case.key})
    for content, row, told in (
        ('{"key": "x", "expected": "y"}', purge.pk, right),
        (bare, None, right),
        (bare, purge.pk, sha256("another")),
    ):
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            Case.objects.filter(pk=case.pk).update(content=content, purge=row, purged_digest=told)
    for other in ({"position": 7}, {"is_critical": True}):
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            Case.objects.filter(pk=case.pk).update(content=bare, purge=purge.pk, purged_digest=right, **other)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        connection.cursor().execute("DELETE FROM evals_app_case")
    assert Case.objects.filter(pk=case.pk).update(content=bare, purge=purge.pk, purged_digest=right) == 1
    with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
        Case.objects.filter(pk=case.pk).update(purged_digest=sha256("another"))


def test_text__erased__is_nowhere_but_in_history_and_nothing_of_others_goes(cast: Cast) -> None:
    other = make_cast("other")
    theirs = building.suite(other.ada, of=[{"key": "k", "variables": {"q": SOMEBODY}, "expected": "1"}])
    cases = [
        {"key": SOMEBODY, "variables": {"q": "1"}, "expected": "1", "cluster": SOMEBODY, "tags": [SOMEBODY, "kept"]},
        {"key": "within", "variables": {"q": "1", "note": {"deep": ['"ADA MU\u0308LLER"']}}, "expected": "1"},
        *building.cases(3),
    ]
    with building.scripted(Rule(anywhere="2", answer=f"Dear {SOMEBODY}")) as provider:
        building.add_provider(cast, provider)
        made = builders.prompt(cast.ada, text="{{ q }}")
        version = made.versions.select_related("prompt").get()
        suite = building.suite(cast.ada, of=cases)
        run = building.work(start_run(cast.ada, version, suite, baseline=None))
    written = builders.version(cast.ada, made, f"Greet {SOMEBODY}")
    save_draft(cast.ada, made, {"text": f"Hello {SOMEBODY}"})
    add_cases(cast.ada, suite, [{"key": "typed", "variables": {"q": SOMEBODY}}])
    answer = Result.objects.get(run=run, case__key="case-0")
    set_label(cast.grace, answer, label="failed", note=f"{SOMEBODY} said so")
    asked = reviews.comment(cast.grace, scenes.open_promotion(cast.ada, written, cast.environment("staging")), body="x")
    Comment.objects.filter(pk=asked.pk).update(body=f"Is this {SOMEBODY}?", quote=SOMEBODY)
    before = AuditEvent.objects.count()

    purged = erase_text(cast.olga, f" {SOMEBODY.lower()} ", reason="asked for", also_needed=True)

    assert purged.gone["cases"] == 2 and purged.gone["answers"] == 3 and purged.gone["cases of drafts"] >= 1
    assert {"comments": 1, "notes on answers": 1, "drafts of prompts": 1}.items() <= purged.gone.items()
    forms = forms_of(SOMEBODY)
    left = [*Case.objects.filter(suite_version__suite=suite), *Result.objects.filter(run=run)]
    texts = [str(value) for row in left for value in vars(row).values()]
    texts += Comment.objects.values_list("body", flat=True)
    texts += Comment.objects.values_list("quote", flat=True)
    texts += ResultLabel.objects.values_list("note", flat=True)
    texts += DraftCase.objects.values_list("content", flat=True)
    assert [text for text in texts if holds(text, forms)] == []
    assert not Draft.objects.exists() and Comment.objects.get(pk=asked.pk).body.startswith("Purged on 20")
    emptied = Case.objects.get(suite_version__suite=suite, suite_version__number=1, position=0)
    assert emptied.tags == ["kept"] and emptied.key == f"purged-{emptied.pk}"
    assert holds(PromptVersion.objects.get(pk=written.pk).content, forms), "history is not rewritten"
    assert SOMEBODY in Case.objects.get(suite_version__suite=theirs).content
    new = list(AuditEvent.objects.order_by("pk")[before:])
    assert [one.event for one in new] == ["suite.saved", "content.purged"]
    assert not any(holds(one.detail, forms) for one in new)
    with pytest.raises(Conflict, match="nothing"):
        erase_text(cast.olga, SOMEBODY, reason="")
    for text, reason in (("ab", ""), ("Greet", "do not greet")):
        with pytest.raises(Invalid):
            erase_text(cast.olga, text, reason=reason)
    with pytest.raises(Forbidden):
        erase_text(cast.rosa, SOMEBODY, reason="")


def test_text__in_a_tag_that_was_judged_or_what_an_endpoint_answered__goes_too(cast: Cast, world: Evaluated) -> None:
    numbers = {"position": 1, "metric": "passes", "mean_new": 1, "case_count": 1, "cluster_count": 1, "unit": "cases"}
    for tag in (SOMEBODY, "others"):
        said = f"Worse on {tag}."
        RunSlice.objects.create(run=world.run, tag=tag, sentence=said, verdict="failed", **numbers)
    hook = Webhook.objects.create(workspace=cast.workspace, name="hook", url="https://example.com/")
    event = WebhookEvent.objects.create(workspace=cast.workspace, type="x.done", text="x", data="{}")
    sent = WebhookDelivery.objects.create(webhook=hook, event=event)
    answer = WebhookTry.objects.create(delivery=sent, answer=f"{SOMEBODY} is unknown here")
    purged = erase_text(cast.olga, SOMEBODY, reason="asked for")
    assert purged.gone == {"what runs say by tag": 1, "answers to webhooks": 1}
    assert set(world.run.slices.values_list("tag", flat=True)) == {"even", "odd", "others"}
    answer.refresh_from_db()
    assert answer.answer == purged.purge.told


def test_text__in_the_last_case_or_while_it_is_asked__stays_until_that_is_over(cast: Cast, world: Evaluated) -> None:
    building.suite(cast.ada, "only", of=[{"key": "k", "variables": {"q": SOMEBODY}, "expected": "1"}])
    receive_file(cast.ada, world.suite, f"key,q\nx,{SOMEBODY}\n", name="f.csv")
    with pytest.raises(Conflict) as refused:
        erase_text(cast.olga, SOMEBODY, reason="", also_needed=True)
    assert refused.value.code == "purge.last_case" and PendingImport.objects.exists()
    with pytest.raises(Conflict) as refused:
        purge_case(cast.olga, world.waiting.suite_version.cases.get(key="case-1"), reason="", also_needed=True)
    assert (refused.value.code, refused.value.extra["runs"]) == ("purge.run_open", [world.waiting.pk])


def test_answer__purged__is_found_by_no_cache_and_neither_are_its_copies(cast: Cast) -> None:
    with building.scripted() as provider:
        building.add_provider(cast, provider)
        version = builders.prompt(cast.ada, text="{{ q }}").versions.select_related("prompt").get()
        suite = building.suite(cast.ada, of=building.cases(2))

        def explore() -> Run:
            return building.work(start_run(cast.ada, version, suite, baseline=None, config={"temperature": 0}))

        first, _ = explore(), explore()
        assert provider.calls == 2
        purged = purge_answer(cast.olga, first.results.get(case__key="case-0"), reason="")
        assert purged.gone == {"answers": 2}
        third = explore()
        assert provider.calls == 3 and third.results.get(case__key="case-0").output == "0"
        with pytest.raises(Conflict, match="purged"):
            set_label(cast.ada, first.results.get(case__key="case-0"), label="passed")


def test_retention__in_its_night__takes_what_is_old_and_needed_by_nobody(cast: Cast, world: Evaluated) -> None:
    set_retention(cast.olga, answers_days=30, inputs_days=60)
    other = building.suite(cast.ada, "more", of=building.cases(5), scorers=[{"kind": "contains"}])
    free = builders.prompt(cast.ada, "free", text="{{ q }}").versions.select_related("prompt").get()
    old, young = (building.work(start_run(cast.ada, free, other, baseline=None, again=True)) for _ in range(2))
    save_suite_version(cast.ada, other, {"cases": building.cases(6)[2:], "scorers": [{"kind": "contains"}]})
    for run, days in ((old, 45), (young, 20), (world.run, 45)):
        age(run, days)

    assert apply_retention(most_s=60) == 5

    assert not old.results.exclude(output="").exists() and not young.results.filter(output="").exists()
    assert not Result.objects.filter(run=world.run, output="", error="").exists(), "a promotion waits for it"
    old.refresh_from_db()
    assert old.is_purged and old.purge is not None and old.purge.by is None
    event = AuditEvent.objects.get(event="content.purged")
    assert (event.actor_name, json.loads(event.detail)["rows"]) == ("the retention time", {"answers": 5})
    assert apply_retention(most_s=60) == 0 and AuditEvent.objects.filter(event="content.purged").count() == 1

    age(young, 70)
    age(old, 70)
    scenes.let_pass(old.suite_version, timedelta(days=70))
    assert apply_retention(most_s=60) == 5 + 2
    assert set(Case.objects.exclude(purge=None).values_list("key", flat=True)) == {"case-0", "case-1"}
    assert verify_chain(cast.workspace.pk).ok


def test_retention__out_of_bounds__is_refused(cast: Cast) -> None:
    for days in (0, 3651):
        with pytest.raises(Invalid):
            set_retention(cast.olga, answers_days=days, inputs_days=None)
    with pytest.raises(Forbidden):
        set_retention(cast.rosa, answers_days=30, inputs_days=None)


def test_api__of_retention_and_purges__tells_and_takes(cast: Cast, world: Evaluated) -> None:
    olga, vera = Api(cast.olga), Api(cast.vera)
    assert olga.put("retention", {"answers_days": 90, "inputs_days": None}).json["answers_days"] == 90
    assert vera.get("retention").json == {"answers_days": 90, "inputs_days": None}
    assert olga.put("retention", {"answers_days": 0, "inputs_days": None}).status == 422
    found = olga.post("purges/search", {"text": "four <b>bold"}).json
    assert found["gone"] == {"answers": 1} and found["needed"] == [f"run {world.run.pk}"]
    for wrong in ({}, {"text": "abc", "run": 1}, {"case": "case-3"}, {"run": world.run.pk}):
        assert olga.post("purges", wrong).status == 422
    answer = Result.objects.get(run=world.run, case__key="case-3", arm="candidate")
    refused = olga.post("purges", {"run": world.run.pk, "result": answer.pk})
    assert (refused.status, refused.code, refused.json["runs"]) == (409, "purge.needed", [world.run.pk])
    taken = olga.post("purges", {"run": world.run.pk, "result": answer.pk, "reason": "r", "also_needed": True})
    assert (taken.status, taken.json["gone"], taken.json["by"]) == (201, {"answers": 1}, "olga@example.com")
    shown = vera.get(f"runs/{world.run.pk}/results?status=failed").json["results"][0]
    assert shown["output"] == "" and shown["purged"]["by"] == "Olga" and len(shown["purged"]["sha256"]) == 64
    assert [one["id"] for one in olga.get("purges").json["results"]] == [taken.json["id"]]
    case = olga.post("purges", {"run": world.run.pk, "case": "case-4", "also_needed": True})
    assert case.json["suites"] == ["numbers"] and case.json["gone"]["cases"] == 1
    version = vera.get("suites/numbers/versions/1").json
    assert version["cases"][4]["purged"].endswith("by Olga.") and "variables" not in version["cases"][4]
    assert olga.post("purges", {"run": world.run.pk, "case": "no"}).status == 404


def test_command__purge__looks_and_takes_what_it_reads(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    building.suite(cast.ada, of=[{"key": "k", "variables": {"q": SOMEBODY}, "expected": "1"}, *building.cases(2)])

    def purge(*options: str) -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{SOMEBODY}\n"))
        out = io.StringIO()
        call_command("purge", "--workspace", "acme", "--email", "olga@example.com", *options, stdout=out)
        return out.getvalue()

    assert "cases: 1 to purge" in purge("--preview") and "suite numbers" in purge("--preview")
    with pytest.raises(CommandError, match="Gates still rely on it"):
        purge()
    assert "cases: 1 purged" in purge("--also-needed")
