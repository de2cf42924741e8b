"""Each action that a person or key asks for leaves exactly one audit row. A new public function of an actions module
belongs either in ROWS, with a call, or in `unaudited.py`, with the reason why it leaves none of its own."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

import evals_app.actions
import prompts_app.actions
import registry.core.actions
from evals_app.actions import batches, budgets, labels, newer_judges, providers, runs, suite_drafts, suites
from evals_app.budgets import Budget
from evals_app.models import Result, Run, RunBatch, Suite
from evals_app.provider_settings import parse_provider
from prompts_app.actions import (
    applying,
    checks,
    environments,
    histories,
    imports,
    keys,
    pending_imports,
    promotions,
    prompts,
    reviews,
    rollback,
    versions,
)
from prompts_app.actions import labels as version_labels
from prompts_app.facts import subject_of
from prompts_app.models import CheckState, Deployment, Override, Promotion, Prompt, Vote
from prompts_app.transfer.histories import PromptHistory, WrittenVersion
from registry.core.actions import keys as core_keys
from registry.core.actions import people, workspaces
from registry.core.actor import KeyKind, Role
from registry.core.models import ApiKey, AuditEvent, Member
from tests.builders import Cast, join, prompt, version
from tests.evals import building
from tests.guards.audited_people import PEOPLE
from tests.guards.audited_purges import PURGES
from tests.guards.audited_tries import TRIES
from tests.guards.unaudited import OTHERWISE
from tests.scenes import approve, go_live, in_minutes, let_pass, policy

PACKAGES = (registry.core.actions, prompts_app.actions, evals_app.actions)
REASON = "a reason of more than twenty characters"


class World:
    """A workspace with one of everything, on which each action is tried and taken back."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.prompt = prompt(cast.ada, "p", text="a")
        self.first = self.prompt.versions.select_related("prompt").get()
        self.second = version(cast.ada, self.prompt, "b")
        self.staging, self.production = cast.environment("staging"), cast.environment("production")
        go_live(cast, self.first, "staging")
        go_live(cast, self.second, "staging")
        self.third = version(cast.ada, self.prompt, "c")
        self.row = promotions.open_promotion(cast.ada, self.third, self.staging)
        self.otto = join(cast.olga, "Otto", Role.RELEASER, grants=("override",))
        self.suite = building.suite(cast.ada)
        self.key = cast.key()

    def member(self, name: str = "vera") -> Member:
        return Member.objects.select_related("user").get(pk=getattr(self.cast, name).member_id)

    def vote(self, choice: Vote) -> Any:
        return reviews.vote(self.cast.grace, self.row, choice, stamp=None, subject_hash=subject_of(self.row).hash)

    def scheduled(self) -> Promotion:
        return promotions.schedule(self.cast.rosa, self.row, stamp=None, at=in_minutes(9))

    def suspended(self) -> Promotion:
        self.scheduled()
        rollback.roll_back(self.cast.rosa, self.prompt, self.staging, reason="x")
        return self.row

    def provider(self) -> Any:
        body = {
            "name": "p",
            "base_url": "https://models.example/v1",
            "models": ["m"],
            "api_key": "k" * 20,
            "default": True,
        }
        return parse_provider(body, allow=frozenset())

    def written(self) -> histories.Prepared:
        history = PromptHistory("p", "text", (WrittenVersion(9, {"text": "z"}),))
        return histories.prepare_written(history, history.versions[0], lambda pin: pytest.fail(str(pin)))

    def run(self) -> Run:
        providers.create_provider(self.cast.olga, self.provider())
        return runs.start_run(self.cast.ada, self.first, self.suite, baseline=None)

    def batch(self) -> RunBatch:
        return batches.start_batch(self.cast.ada, self.first, self.suite, configs=({}, {"temperature": 1}))


def _override_then_review(w: World) -> Callable[[], Any]:
    policy(w.cast, "staging", approvals=1)
    applying.override_promotion(w.otto, w.row, stamp=None, reason=REASON)
    return lambda: applying.review_override(w.cast.grace, Override.objects.get(promotion=w.row))


def _after(prepare: Callable[[World], Any], act: Callable[[World, Any], Any]) -> Callable[[World], Callable[[], Any]]:
    """A row that needs something done first, which does not count."""

    def row(w: World) -> Callable[[], Any]:
        given = prepare(w)
        return lambda: act(w, given)

    return row


PROMPTY = "---\nname: n\n---\n"


def _imported(w: World, text: str) -> bool:
    """A Prompty file that Ada has taken over."""
    pending_imports.receive_import(w.cast.ada, PROMPTY + text, name="n.prompty")
    return bool(pending_imports.take_over(w.cast.ada))


def _now(act: Callable[[World], Any]) -> Callable[[World], Callable[[], Any]]:
    return lambda w: lambda: act(w)


def _quarantined(w: World) -> None:
    rollback.roll_back(w.cast.rosa, w.prompt, w.staging, reason="x")


def _with_newer_judge(w: World) -> Suite:
    suite = building.suite(w.cast.ada, "judged", scorers=[{"kind": "rubric", "value": "polite"}])
    judge = Prompt.objects.get(name="judges/rubric")
    newer = {**judge.versions.get().editable(), "config": {"seed": 1}}
    versions.create_version(w.cast.ada, judge, newer)
    return suite


def _answered(w: World) -> Result:
    run = w.run()
    case = run.suite_version.cases.all()[0]
    return Result.objects.create(run=run, case=case, arm="candidate", repeat=0, output="x")


def _labelled(w: World) -> Result:
    result = _answered(w)
    labels.set_label(w.cast.ada, result, label="failed")
    return result


def _ended_run(w: World) -> Run:
    run = w.run()
    Run.objects.filter(pk=run.pk).update(state="error")
    return Run.objects.get(pk=run.pk)


ROWS: dict[str, Callable[[World], Callable[[], Any]]] = {
    "core.workspaces.create_workspace": _now(
        lambda w: workspaces.create_workspace("new", name="N", owner=w.member().user)
    ),
    "core.workspaces.rename_workspace": _now(lambda w: workspaces.rename_workspace(w.cast.olga, slug="new")),
    "core.workspaces.add_member": _after(
        lambda w: workspaces.find_or_create_user("new@example.com"),
        lambda w, user: workspaces.add_member(w.cast.olga, user, role=Role.EDITOR),
    ),
    "core.workspaces.invite": _now(lambda w: workspaces.invite(w.cast.olga, "new@example.com", role=Role.EDITOR)),
    "core.workspaces.change_member": _now(
        lambda w: workspaces.change_member(w.cast.olga, w.member(), role=Role.EDITOR)
    ),
    "core.people.set_password": _now(
        lambda w: people.set_password(w.cast.vera, w.member().user, password="a long and lonely road")
    ),
    "core.people.rename_person": _now(lambda w: people.rename_person(w.cast.vera, w.member().user, name="V")),
    "core.keys.create_key": _now(lambda w: core_keys.create_key(w.cast.olga, kind=KeyKind.CI, name="k")),
    "core.keys.rotate_key": _now(lambda w: core_keys.rotate_key(w.cast.olga, ApiKey.objects.get(pk=w.key.pk))),
    "core.keys.revoke_key": _now(lambda w: core_keys.revoke_key(w.cast.olga, ApiKey.objects.get(pk=w.key.pk))),
    "prompts.keys.issue_key": _now(lambda w: keys.issue_key(w.cast.olga, kind=KeyKind.CI, name="k")),
    "prompts.environments.create_environment": _now(lambda w: environments.create_environment(w.cast.olga, "e")),
    "prompts.environments.change_environment": _now(
        lambda w: environments.change_environment(w.cast.olga, w.staging, label="S", policy={"approvals": 3})
    ),
    "prompts.environments.archive_environment": _now(
        lambda w: environments.archive_environment(w.cast.olga, w.production)
    ),
    "prompts.environments.freeze_environment": _now(
        lambda w: environments.freeze_environment(
            w.cast.olga, w.staging, starts_at=in_minutes(0), ends_at=in_minutes(9), reason="x"
        )
    ),
    "prompts.environments.end_freeze": _after(
        lambda w: environments.freeze_environment(
            w.cast.olga, w.staging, starts_at=in_minutes(0), ends_at=in_minutes(9), reason="x"
        ),
        lambda w, freeze: environments.end_freeze(w.cast.olga, freeze),
    ),
    "prompts.prompts.create_prompt": _now(lambda w: prompts.create_prompt(w.cast.ada, "q", kind="text")),
    "prompts.prompts.change_prompt": _now(lambda w: prompts.change_prompt(w.cast.ada, w.prompt, description="d")),
    "prompts.versions.create_version": _now(lambda w: versions.create_version(w.key.actor, w.prompt, {"text": "n"})),
    "prompts.versions.yank_version": _now(lambda w: versions.yank_version(w.cast.ada, w.first, reason="x")),
    "prompts.labels.set_label": _now(lambda w: version_labels.set_label(w.cast.ada, w.first, "kept")),
    "prompts.labels.remove_label": _after(
        lambda w: version_labels.set_label(w.cast.ada, w.first, "kept"),
        lambda w, _: version_labels.remove_label(w.cast.ada, w.first, "kept"),
    ),
    "prompts.histories.keep_version": _now(lambda w: histories.keep_version(w.cast.ada, w.prompt, w.written())),
    "prompts.imports.import_histories": _now(
        lambda w: imports.import_histories(w.cast.ada, [PromptHistory("new", "text", ())])
    ),
    "prompts.imports.import_prompty": _now(
        lambda w: imports.import_prompty(
            w.cast.ada, PromptHistory("p", "text", (WrittenVersion(1, {"text": "from a file"}),))
        )
    ),
    "prompts.pending_imports.take_over": _after(
        lambda w: (
            _imported(w, "Hello") and pending_imports.receive_import(w.cast.ada, PROMPTY + "Hi", name="n.prompty")
        ),
        lambda w, _: pending_imports.take_over(w.cast.ada),
    ),
    "prompts.checks.post_external_check": _now(
        lambda w: checks.post_external_check(w.key.actor, w.first, name="external/lint", state="passed")
    ),
    "prompts.promotions.open_promotion": _now(lambda w: promotions.open_promotion(w.key.actor, w.third, w.production)),
    "prompts.promotions.schedule": _now(lambda w: w.scheduled()),
    "prompts.promotions.unschedule": _after(
        lambda w: w.scheduled(), lambda w, row: promotions.unschedule(w.cast.ada, row, stamp=None)
    ),
    "prompts.promotions.resume": _after(
        lambda w: w.suspended(), lambda w, row: promotions.resume(w.cast.ada, row, stamp=None)
    ),
    "prompts.promotions.rebase": _after(_quarantined, lambda w, _: promotions.rebase(w.cast.ada, w.row, stamp=None)),
    "prompts.promotions.reopen": _now(lambda w: promotions.reopen(w.cast.ada, w.row, stamp=None)),
    "prompts.promotions.close": _now(lambda w: promotions.close(w.cast.ada, w.row, stamp=None)),
    "prompts.promotions.acknowledge_breaking": _now(
        lambda w: promotions.acknowledge_breaking(w.cast.ada, w.row, stamp=None)
    ),
    "prompts.promotions.set_ready": _now(lambda w: promotions.set_ready(w.cast.rosa, w.row, stamp=None)),
    "prompts.reviews.vote": _now(lambda w: w.vote(Vote.APPROVE)),
    "prompts.reviews.dismiss_request": _after(
        lambda w: w.vote(Vote.REQUEST_CHANGES),
        lambda w, _: reviews.dismiss_request(w.cast.olga, w.row, w.member("grace"), stamp=None, reason="x"),
    ),
    "prompts.reviews.comment": _now(lambda w: reviews.comment(w.cast.ada, w.row, body="hm")),
    "prompts.reviews.resolve_comment": _after(
        lambda w: reviews.comment(w.cast.ada, w.row, body="hm"),
        lambda w, remark: reviews.resolve_comment(w.cast.grace, remark),
    ),
    "prompts.applying.apply_promotion": _now(lambda w: applying.apply_promotion(w.cast.rosa, w.row, stamp=None)),
    "prompts.applying.override_promotion": _after(
        lambda w: policy(w.cast, "staging", approvals=1),
        lambda w, _: applying.override_promotion(w.otto, w.row, stamp=None, reason=REASON),
    ),
    "prompts.applying.review_override": _override_then_review,
    "prompts.applying.apply_due": _after(
        lambda w: let_pass(w.scheduled(), timedelta(minutes=10), "scheduled_for"),
        lambda w, _: applying.apply_due(w.row.pk),
    ),
    "prompts.applying.apply_if_ready": _after(
        lambda w: promotions.set_ready(w.cast.rosa, w.row, stamp=None),
        lambda w, _: applying.apply_if_ready(w.row.pk),
    ),
    "prompts.rollback.roll_back": _now(
        lambda w: rollback.roll_back(w.cast.rosa, w.prompt, w.staging, reason="x", clear_quarantine=True)
    ),
    "prompts.rollback.withdraw": _now(lambda w: rollback.withdraw(w.cast.rosa, w.prompt, w.staging, reason="x")),
    "prompts.rollback.clear_quarantine": _after(
        _quarantined,
        lambda w, _: rollback.clear_quarantine(w.cast.rosa, w.prompt, w.staging, digest=w.second.digest, reason="x"),
    ),
    "evals.providers.create_provider": _now(lambda w: providers.create_provider(w.cast.olga, w.provider())),
    "evals.providers.update_provider": _after(
        lambda w: providers.create_provider(w.cast.olga, w.provider()),
        lambda w, one: providers.update_provider(w.cast.olga, one, w.provider()),
    ),
    "evals.suites.create_suite": _now(lambda w: suites.create_suite(w.cast.ada, "s", title="S")),
    "evals.suites.save_suite_version": _now(
        lambda w: suites.save_suite_version(
            w.cast.ada, w.suite, {"cases": building.cases(40), "scorers": [{"kind": "equals"}], "margin": 0.1}
        )
    ),
    "evals.suite_drafts.save_suite_draft": _after(
        lambda w: suite_drafts.add_cases(w.cast.ada, w.suite, [{"key": "new", "expected": "1"}]),
        lambda w, _: suite_drafts.save_suite_draft(w.cast.ada, w.suite),
    ),
    "evals.budgets.set_default_budget": _now(
        lambda w: budgets.set_default_budget(w.cast.olga, Budget(requests=1_000)),
    ),
    "evals.newer_judges.take_judge": _after(
        _with_newer_judge,
        lambda w, suite: newer_judges.take_judge(w.cast.ada, suite, name="judges/rubric", version=2),
    ),
    "evals.suites.attach_suite": _now(lambda w: suites.attach_suite(w.cast.ada, w.suite, w.prompt, required=True)),
    "evals.suites.detach_suite": _after(
        lambda w: suites.attach_suite(w.cast.ada, w.suite, w.prompt, required=True),
        lambda w, _: suites.detach_suite(w.cast.ada, w.suite, w.prompt),
    ),
    "evals.runs.start_run": _after(
        lambda w: providers.create_provider(w.cast.olga, w.provider()),
        lambda w, _: runs.start_run(w.cast.ada, w.first, w.suite, baseline=None),
    ),
    "evals.runs.cancel_run": _after(lambda w: w.run(), lambda w, run: runs.cancel_run(w.cast.ada, run)),
    "evals.runs.resume_run": _after(
        lambda w: runs.cancel_run(w.cast.ada, w.run()), lambda w, run: runs.resume_run(w.cast.ada, run)
    ),
    "evals.batches.start_batch": _after(
        lambda w: providers.create_provider(w.cast.olga, w.provider()), lambda w, _: w.batch()
    ),
    "evals.batches.cancel_batch": _after(
        lambda w: providers.create_provider(w.cast.olga, w.provider()) and w.batch(),
        lambda w, batch: batches.cancel_batch(w.cast.ada, batch),
    ),
    "evals.labels.set_label": _after(_answered, lambda w, row: labels.set_label(w.cast.ada, row, label="passed")),
    "evals.labels.remove_label": _after(_labelled, lambda w, row: labels.remove_label(w.cast.ada, row)),
    "evals.runs.retry_errors": _after(_ended_run, lambda w, run: runs.retry_errors(w.cast.ada, run)),
}


ROWS |= {name: lambda w, row=row: row(w.cast) for name, row in PEOPLE.items()}  # type: ignore[misc]
ROWS |= PURGES | TRIES


def public_functions() -> set[str]:
    """Every public function of every actions module, by app, module and name."""
    found = set()
    for package in PACKAGES:
        app = package.__name__.removesuffix(".actions").removeprefix("registry.").removesuffix("_app")
        for info in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{info.name}")
            for name, value in vars(module).items():
                if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                    found.add(f"{app}.{info.name}.{name}")
    return found


def test_table__every_public_function__is_in_it_once() -> None:
    assert public_functions() == set(ROWS) | set(OTHERWISE)
    assert not set(ROWS) & set(OTHERWISE)


@pytest.mark.parametrize("app", ["core", "prompts", "evals"])
def test_action__asked_for_by_a_person_or_key__leaves_exactly_one_row(free: Cast, app: str) -> None:
    world = World(free)
    wrong = {}
    for name in (name for name in ROWS if name.startswith(f"{app}.")):
        with transaction.atomic():
            act = ROWS[name](world)
            before = AuditEvent.objects.count()
            act()
            left = AuditEvent.objects.count() - before
            if left != 1:
                wrong[name] = left
            transaction.set_rollback(True)
        world.row = promotions.find_promotion(free.workspace.pk, world.row.pk)
    assert wrong == {}


def test_action__that_also_goes_live_by_itself__leaves_one_row_for_each(free: Cast) -> None:
    policy(free, "development", auto_apply=True)
    made = prompt(free.ada, "p", text=None)
    before = AuditEvent.objects.count()
    versions.create_version(free.ada, made, {"text": "x"})
    names = list(
        AuditEvent.objects.order_by("-pk").values_list("event", flat=True)[: AuditEvent.objects.count() - before]
    )
    assert sorted(names) == ["version.created", "version.promoted"]
    assert Deployment.objects.count() == 1


def test_machinery__of_its_own_accord__leaves_none(free: Cast) -> None:
    row = promotions.open_promotion(free.ada, prompt(free.ada).versions.get(), free.environment("staging"))
    approve(free.grace, row)
    before = AuditEvent.objects.count()
    versions.save_draft(free.ada, row.prompt, {"text": "x"})
    checks.record_check(
        row.prompt, digest="d" * 64, name="suite/x", baseline_digest=None, evidence_key="k", state=CheckState.PASSED
    )
    let_pass(row, timedelta(days=15), "last_activity_at")
    assert promotions.expire_promotions() == 1
    assert AuditEvent.objects.count() == before
