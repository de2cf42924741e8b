"""Everybody does everything at once: no deadlock, no error that is no refusal, and every invariant afterwards."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest

from prompts_app.actions import applying, promotions, reviews, rollback
from prompts_app.actions.checks import post_external_check
from prompts_app.actions.environments import change_environment, freeze_environment
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.versions import create_version, newest_version, yank_version
from prompts_app.facts import subject_of
from prompts_app.models import CheckState, Deployment, Promotion, PromotionState, Prompt, Vote
from prompts_app.tasks import apply_due, apply_ready
from registry.core import outbox
from registry.core.actions.people import rename_person
from registry.core.actions.workspaces import change_member
from registry.core.actor import Actor, Role
from registry.core.errors import RegistryError
from registry.core.models import JobState, Member, OutboxMessage
from tests.builders import Cast, deliver, join, make_cast, prompt, version
from tests.invariants.checker import untold, violations
from tests.invariants.racing import race
from tests.scenes import fresh, go_live, in_minutes, post, suite

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS, STEPS = 6, 45


class Hands:
    """One caller: picks an action by its own dice; refusals are counted, anything else ends the test."""

    def __init__(self, cast: Cast, prompts: list[Prompt], people: dict[str, Actor], seed: int) -> None:
        self.cast, self.prompts, self.people, self.dice = cast, prompts, people, random.Random(seed)
        self.answers: Counter[str] = Counter()

    def work(self) -> Counter[str]:
        for _ in range(STEPS):
            name, action = self.dice.choice(list(ACTIONS.items()))
            try:
                action(self)
                self.answers[name] += 1
            except RegistryError as refused:
                self.answers[f"{name} {refused.code}"] += 1
        return self.answers

    def who(self, *names: str) -> Actor:
        return self.people[self.dice.choice(names or tuple(self.people))]

    def prompt(self) -> Prompt:
        return self.dice.choice(self.prompts)

    def place(self) -> str:
        return self.dice.choice(["staging", "production"])

    def promotion(self) -> Promotion:
        rows = list(Promotion.objects.in_workspace(self.cast.workspace.pk).pending().order_by("-pk")[:8])
        if not rows:
            self.open()
            return self.promotion()
        return fresh(self.dice.choice(rows))

    def save(self) -> None:
        create_version(self.who("ada", "gwen"), self.prompt(), {"text": f"text {self.dice.random()}"})

    def open(self) -> None:
        made = self.prompt()
        saved = create_version(self.who("ada"), made, {"text": f"text {self.dice.random()}"}).version
        promotions.open_promotion(self.who("ada", "rosa"), saved, self.cast.environment(self.place()))

    def vote(self) -> None:
        row = self.promotion()
        choice = self.dice.choice([Vote.APPROVE, Vote.APPROVE, Vote.REQUEST_CHANGES, Vote.WITHDRAWN])
        reviews.vote(self.who("grace", "gwen", "rosa"), row, choice, stamp=None, subject_hash=subject_of(row).hash)

    def apply(self) -> None:
        applying.apply_promotion(self.who("rosa", "olga"), self.promotion(), stamp=None)

    def override(self) -> None:
        reason = "a reason of more than twenty characters"
        applying.override_promotion(self.who("otto"), self.promotion(), stamp=None, reason=reason)

    def change(self) -> None:
        calls: list[Callable[[Promotion], object]] = [
            lambda row: promotions.rebase(self.who("ada"), row, stamp=None),
            lambda row: promotions.reopen(self.who("ada"), row, stamp=None),
            lambda row: promotions.set_ready(self.who("rosa"), row, stamp=None),
            lambda row: promotions.unschedule(self.who("ada"), row, stamp=None),
            lambda row: promotions.resume(self.who("ada"), row, stamp=None),
            lambda row: promotions.acknowledge_breaking(self.who("ada"), row, stamp=None),
            lambda row: promotions.close(self.who("ada"), row, stamp=None),
            lambda row: reviews.comment(self.who("ada"), row, body="hm"),
        ]
        self.dice.choice(calls)(self.promotion())

    def schedule(self) -> None:
        row = promotions.schedule(self.who("rosa"), self.promotion(), stamp=None, at=in_minutes(1))
        soon = Promotion.objects.filter(pk=row.pk, state=PromotionState.SCHEDULED, stamp=row.stamp)
        soon.update(scheduled_for=row.scheduled_for - timedelta(minutes=2))

    def tick(self) -> None:
        self.dice.choice([apply_due, apply_ready, promotions.expire_promotions])()

    def go_back(self) -> None:
        made, place = self.prompt(), self.cast.environment(self.place())
        if self.dice.random() < 0.3:
            rollback.withdraw(self.who("rosa"), made, place, reason="off", quarantine=self.dice.random() < 0.5)
            return
        earlier = list(Deployment.objects.filter(prompt=made, environment=place).values_list("pk", flat=True))
        target = self.dice.choice([None, *earlier])
        clear = self.dice.random() < 0.5
        rollback.roll_back(self.who("rosa"), made, place, reason="bad", to_deployment=target, clear_quarantine=clear)

    def policy(self) -> None:
        place = self.cast.environment(self.place())
        if self.dice.random() < 0.2:
            freeze_environment(self.who("olga"), place, starts_at=in_minutes(-2), ends_at=in_minutes(-1), reason="x")
        change_environment(self.who("olga"), place, policy={"approvals": self.dice.choice([0, 1])})

    def member(self) -> None:
        row = Member.objects.select_related("user").get(pk=self.who("grace", "gwen").member_id)
        change_member(self.who("olga"), row, role=self.dice.choice([Role.REVIEWER, Role.EDITOR, Role.REVIEWER]))
        rename_person(self.who("gwen"), row.user, name=row.user.name)

    def check(self) -> None:
        newest = newest_version(self.prompt())
        assert newest is not None
        if self.dice.random() < 0.5:
            post(newest, self.cast.environment(self.place()), self.dice.choice(list(CheckState)))
        else:
            post_external_check(self.who("key"), newest, name="external/lint", state="passed")

    def curate(self) -> None:
        made = self.prompt()
        if self.dice.random() < 0.5:
            yank_version(self.who("ada"), self.dice.choice(list(made.versions.select_related("prompt"))), reason="x")
        else:
            change_prompt(self.who("ada"), made, archived=True)
            change_prompt(self.who("ada"), made, archived=False)

    def deliver(self) -> None:
        for pk in OutboxMessage.objects.filter(state=JobState.QUEUED).values_list("pk", flat=True)[:6]:
            outbox.dispatch(pk, owner=f"hands {id(self)}")


ACTIONS: dict[str, Callable[[Hands], None]] = {
    name: getattr(Hands, name)
    for name in (
        *("save", "open", "open", "vote", "apply", "override", "change", "schedule", "tick"),
        *("go_back", "policy", "member", "check", "curate", "deliver"),
    )
}


@pytest.mark.parametrize("seed", [1, 2])
def test_hammer__many_hands_on_two_prompts__never_deadlock_and_keep_every_invariant(seed: int) -> None:
    cast = make_cast(is_open=True)
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": True})
    people = {
        "ada": cast.ada,
        "grace": cast.grace,
        "gwen": join(cast.olga, "Gwen", Role.REVIEWER),
        "rosa": cast.rosa,
        "otto": join(cast.olga, "Otto", Role.RELEASER, grants=("override",)),
        "olga": cast.olga,
        "key": cast.key(scopes=["check"]).actor,
    }
    prompts = [prompt(cast.ada, name, text="one") for name in ("p", "q")]
    suite(cast.ada, prompts[0])
    suite(cast.ada, prompts[1])
    for made in prompts:
        go_live(cast, version(cast.ada, made, "two"), "staging")
    hands = [Hands(cast, prompts, people, seed * 100 + n) for n in range(WORKERS)]
    answers = sum((outcome.value for outcome in race(*(one.work for one in hands))), Counter())
    assert violations(cast.workspace.pk) == []
    deliver()
    assert untold(cast.workspace.pk) == []
    assert violations(cast.workspace.pk) == []
    assert OutboxMessage.objects.filter(state=JobState.ERROR).count() == 0
    happened = {name for name in answers if " " not in name}
    assert happened >= {"save", "open", "vote", "change", "policy", "member", "check", "tick"}, answers
