"""Sequences of actions by everybody on everything, beside a model of our own that says what must come of them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from prompts_app.actions import applying, promotions, reviews, rollback
from prompts_app.actions.checks import define_check
from prompts_app.actions.environments import change_environment, end_freeze, freeze_environment
from prompts_app.actions.prompts import change_prompt
from prompts_app.actions.versions import create_version, yank_version
from prompts_app.facts import current_policy, judge, live_deployment, subject_of
from prompts_app.gates import standing
from prompts_app.models import (
    CheckState,
    Deployment,
    Environment,
    Freeze,
    Override,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
    Quarantine,
    Vote,
)
from registry.core.actions.workspaces import change_member
from registry.core.actor import Role
from registry.core.clock import database_now
from registry.core.errors import Conflict, RegistryError
from registry.core.models import Member
from tests import tally
from tests.builders import again
from tests.invariants.checker import untold, violations
from tests.invariants.hands import TEXTS, Ballot, Hands, parts
from tests.scenes import fresh, in_minutes, let_pass, post

ENVIRONMENTS = ["staging", "production"]
LOOSER_AND_STRICTER: dict[str, tuple[Any, Any]] = {
    "approvals": (0, 2),
    "require_suites": (False, True),
    "min_suites": (0, 1),
    "external_checks": ([], ["lint"]),
    "protected": (False, True),
    "require_predecessor": (False, True),
    "allow_override": (True, False),
}
REASON = "a reason of more than twenty characters"
votes = st.sampled_from([Vote.APPROVE, Vote.APPROVE, Vote.REQUEST_CHANGES, Vote.WITHDRAWN])
people = st.sampled_from(["ada", "grace", "gwen", "rosa", "otto", "olga", "key"])
reviewers = st.sampled_from(["grace", "gwen", "rosa", "otto", "grace", "gwen", "ada", "key"])
releasers = st.sampled_from(["rosa", "rosa", "otto", "olga", "key", "grace"])
moves = st.sampled_from(["demote", "deactivate", "restore"])
fields = st.sampled_from(sorted(LOOSER_AND_STRICTER))
where = st.sampled_from(ENVIRONMENTS)
nth = st.integers(0, 7)


class Registry(Hands):
    """One prompt and two environments, many hands. After every step the workspace is looked at as a whole."""

    # What people do

    @rule(who=people, text=st.sampled_from(TEXTS), based_on=st.none() | nth)
    def save(self, who: str, text: str, based_on: int | None) -> None:
        if not self.can_act(who):
            return
        newest = Prompt.objects.get(pk=self.prompt.pk).last_number
        same = PromptVersion.objects.get(prompt=self.prompt, number=newest).load().source.text == text
        with self.refusals():
            saved = create_version(self.actor(who), self.prompt, {"text": text}, based_on=based_on)
            assert saved.version.number == (newest if same else newest + 1)
            assert same or based_on in {None, newest}

    @rule(who=people, n=nth, env=where, acknowledge=st.booleans())
    def open(self, who: str, n: int, env: str, acknowledge: bool) -> None:
        versions = list(PromptVersion.objects.filter(prompt=self.prompt).select_related("prompt").order_by("-number"))
        version = versions[n % len(versions)]
        if not self.can_act(who):
            return
        with self.refusals():
            place = self.cast.environment(env)
            row = promotions.open_promotion(self.actor(who), version, place, acknowledge_breaking=acknowledge)
            live = live_deployment(self.prompt, place)
            assert row.base_id == (live.pk if live else None)

    @rule(ballots=st.lists(st.tuples(reviewers, votes), min_size=1, max_size=5), n=nth)
    def vote(self, ballots: list[tuple[str, Vote]], n: int) -> None:
        for who, choice in ballots:
            row = self.promotion(n)
            if row is None or not self.can_act(who):
                return
            actor = self.actor(who)
            with self.refusals():
                reviews.vote(actor, row, choice, stamp=row.stamp, subject_hash=subject_of(row).hash)
                assert actor.is_person and self.reviews(actor.member_id)
                if choice is not Vote.WITHDRAWN:
                    assert actor.member_id not in {row.author_id, *self.chain(row)}, "9"
                self.ballots.setdefault(row.pk, []).append(Ballot(actor.member_id, choice, parts(row)))

    @rule(
        who=people,
        n=nth,
        change=st.sampled_from(["unschedule", "resume", "rebase", "close", "acknowledge", "deny", "ready", "reopen"]),
    )
    def change(self, who: str, n: int, change: str) -> None:
        row = self.promotion(n)
        if row is None or not self.can_act(who):
            return
        calls: dict[str, Callable[..., Promotion]] = {
            "unschedule": promotions.unschedule,
            "resume": promotions.resume,
            "rebase": promotions.rebase,
            "close": promotions.close,
            "acknowledge": promotions.acknowledge_breaking,
            "deny": lambda actor, one, stamp: promotions.acknowledge_breaking(
                actor, one, stamp=stamp, acknowledged=False
            ),
            "ready": promotions.set_ready,
            "reopen": promotions.reopen,
        }
        with self.refusals():
            calls[change](self.actor(who), row, stamp=row.stamp)
            if change == "reopen":
                self.ballots.pop(row.pk, None)

    @rule(who=releasers, n=nth, override=st.booleans())
    def apply(self, who: str, n: int, override: bool) -> None:
        row = self.promotion(n)
        if row is None or not self.can_act(who):
            return
        actor = self.actor(who)
        present = standing(judge(row, actor).blockers)
        quarantined = Quarantine.objects.filter(
            environment=row.environment, prompt=row.prompt, digest=row.version.digest, cleared_at=None
        ).exists()
        with self.refusals():
            try:
                if override:
                    applying.override_promotion(actor, row, stamp=row.stamp, reason=REASON)
                else:
                    applying.apply_promotion(actor, row, stamp=row.stamp)
            except Conflict as refused:
                if refused.code == "promotion.blocked":
                    assert present, "5: refused with nothing in the way"
                raise
            assert row.state == PromotionState.OPEN
            assert not present or override, "5: applied over blockers"
            kept = Override.objects.filter(promotion=row).first()
            codes = [blocker["code"] for blocker in json.loads(kept.blockers)] if kept else []
            assert codes == [blocker.code for blocker in present], "5"
            assert not quarantined or "digest.quarantined" in codes, "16"
            assert not present or "override" in actor.grants, "21"

    @rule(who=releasers, n=nth, minutes_late=st.sampled_from([-5, 1, 14, 16]))
    def schedule(self, who: str, n: int, minutes_late: int) -> None:
        """Schedule, and let the time come; whoever votes then votes for that time."""
        row = self.promotion(n)
        if row is None or not self.can_act(who):
            return
        with self.refusals():
            scheduled = promotions.schedule(self.actor(who), row, stamp=row.stamp, at=in_minutes(10))
            let_pass(scheduled, timedelta(minutes=10 + minutes_late), "scheduled_for")

    @rule()
    def clock(self) -> None:
        """17 and 18: what is due is applied once or suspended, what is not due is left alone."""
        rows = Promotion.objects.in_workspace(self.cast.workspace.pk).filter(state=PromotionState.SCHEDULED)
        for row in [fresh(one) for one in rows]:
            assert row.scheduled_for is not None
            late = database_now() - row.scheduled_for
            blocked = standing(judge(row, None).blockers)
            moved = applying.apply_due(row.pk)
            state = fresh(row).state
            if late < timedelta(0):
                assert (moved, state) == (None, PromotionState.SCHEDULED)
            elif late > timedelta(minutes=15) or blocked:
                assert (moved, state) == (None, PromotionState.SUSPENDED)
            else:
                assert moved is not None and state == PromotionState.APPLIED
            assert applying.apply_due(row.pk) is None

    @rule(
        who=releasers,
        env=where,
        n=st.none() | nth,
        acknowledge=st.booleans(),
        clear=st.booleans(),
        quarantine=st.booleans(),
    )
    def roll_back(self, who: str, env: str, n: int | None, acknowledge: bool, clear: bool, quarantine: bool) -> None:
        """15: refused for its four reasons and no other."""
        if not self.can_act(who):
            return
        place, actor = self.cast.environment(env), self.actor(who)
        history = list(Deployment.objects.filter(prompt=self.prompt, environment=place).order_by("pk"))
        target = history[n % len(history)] if history and n is not None else None
        live = live_deployment(self.prompt, place)
        excuse = self.excuse(actor, place, target, live, acknowledge=acknowledge, clear=clear)
        with self.refusals():
            try:
                moved = rollback.roll_back(
                    actor,
                    self.prompt,
                    place,
                    reason="because",
                    to_deployment=target.pk if target else None,
                    acknowledge_breaking=acknowledge,
                    clear_quarantine=clear,
                    quarantine=quarantine,
                )
            except RegistryError:
                assert excuse or target is None, "15: refused without a reason of the rules"
                raise
            assert not excuse, f"15: not refused although {excuse}"
            assert moved.deployment.version is not None
            if target is not None:
                assert target.version is not None
                assert moved.deployment.version.digest == target.version.digest, "15"
            if live is not None and live.version is not None and moved.deployment != live:
                rows = Quarantine.objects.filter(environment=place, digest=live.version.digest, cleared_at=None)
                assert not quarantine or rows.exists(), "16"

    @rule(env=where, field=fields, strict=st.booleans())
    def policy(self, env: str, field: str, strict: bool) -> None:
        """11: loosening never makes a blocked one ready."""
        before = self.ready()
        value = LOOSER_AND_STRICTER[field][strict]
        change_environment(self.cast.olga, self.cast.environment(env), policy={field: value})
        if not strict:
            assert self.ready() <= before, "11"

    @rule(who=st.sampled_from(["grace", "gwen", "rosa"]), how=moves)
    def change_member(self, who: str, how: str) -> None:
        """10: whoever can no longer review has no effect on anything pending."""
        member = Member.objects.select_related("user").get(pk=self.actors[who].member_id)
        restored = {"role": self.actors[who].role, "is_active": True}
        changes: dict[str, Any] = {
            "demote": {"role": Role.EDITOR},
            "deactivate": {"is_active": False},
            "restore": restored,
        }
        change_member(self.cast.olga, member, **changes[how])
        for row in Promotion.objects.in_workspace(self.cast.workspace.pk).pending():
            voters = {vote.member_id for vote in judge(fresh(row), self.cast.olga).facts.valid_approvals()}
            assert how == "restore" or member.pk not in voters, "10"

    def check(self, n: int, env: str, state: CheckState, other: bool) -> None:
        versions = list(PromptVersion.objects.filter(prompt=self.prompt).select_related("prompt").order_by("-number"))
        post(versions[n % len(versions)], self.cast.environment(env), state, recipe="e" * 64 if other else None)

    def change_suite(self, recipe: str) -> None:
        define_check(
            self.cast.ada, "suite/intents", title="t", recipe=recipe * 64, is_safety=False, changed_by_person=False
        )

    def freeze(self, env: str, on: bool) -> None:
        place = self.cast.environment(env)
        if on:
            freeze_environment(self.cast.olga, place, starts_at=in_minutes(-1), ends_at=in_minutes(60), reason="sale")
        for one in Freeze.objects.filter(environment=place, cancelled_at=None) if not on else []:
            end_freeze(self.cast.olga, one)

    def yank(self, n: int) -> None:
        versions = list(PromptVersion.objects.filter(prompt=self.prompt).select_related("prompt").order_by("-number"))
        if len(versions) > 2:
            with self.refusals():
                yank_version(self.cast.ada, versions[n % len(versions)], reason="leaks")

    def archive(self, env: str) -> None:
        """23: not while a protected environment serves it; and while it is archived nothing new goes live."""
        with self.refusals():
            change_prompt(self.cast.ada, self.prompt, archived=True)
            assert not any(live_deployment(self.prompt, place) for place in self.protected()), "23"
            assert not Promotion.objects.filter(prompt=self.prompt).pending().exists()
        if not Prompt.objects.get(pk=self.prompt.pk).is_archived:
            return
        place = self.cast.environment(env)
        was_live = live_deployment(self.prompt, place) is not None
        with self.refusals():
            rollback.roll_back(again(self.cast.olga), self.prompt, place, reason="x", acknowledge_breaking=True)
            assert was_live
        change_prompt(self.cast.ada, self.prompt, archived=False)

    @rule(
        data=st.data(),
        who=people,
        n=nth,
        env=where,
        ballots=st.lists(st.tuples(reviewers, votes), min_size=2, max_size=4),
        disturbed=st.sampled_from(["", "", "acknowledge", "rebase", "member", "policy", "world", "roll_back"]),
        by=releasers,
        how=st.sampled_from(["apply", "apply", "override", "ready", "schedule"]),
    )
    def the_usual_way(
        self,
        data: st.DataObject,
        who: str,
        n: int,
        env: str,
        ballots: list[tuple[str, Vote]],
        disturbed: str,
        by: str,
        how: str,
    ) -> None:
        """Asked for, voted on, disturbed perhaps, and then applied in one of the ways there are."""
        self.open(who, n, env, acknowledge=True)
        if how == "schedule":
            self.schedule(by, 0, 1)
        self.vote(ballots, 0)
        disturbances: dict[str, Callable[[], None]] = {
            "acknowledge": lambda: self.change("ada", 0, data.draw(st.sampled_from(["acknowledge", "deny"]))),
            "rebase": lambda: self.change("ada", 0, "rebase"),
            "member": lambda: self.change_member(data.draw(st.sampled_from(["gwen", "rosa"])), data.draw(moves)),
            "policy": lambda: self.policy(env, data.draw(fields), strict=data.draw(st.booleans())),
            "world": lambda: self.the_world_changes(data, env, n, by, yes=data.draw(st.booleans())),
            "roll_back": lambda: self.roll_back(by, env, None, acknowledge=True, clear=False, quarantine=True),
        }
        if disturbed:
            disturbances[disturbed]()
        ways: dict[str, Callable[[], None]] = {
            "apply": lambda: self.apply(by, 0, override=False),
            "override": lambda: self.apply("otto", 0, override=True),
            "ready": lambda: self.change(by, 0, "ready"),
            "schedule": self.clock,
        }
        ways[how]()

    @rule(data=st.data(), env=where, n=nth, who=releasers, yes=st.booleans())
    def the_world_changes(self, data: st.DataObject, env: str, n: int, who: str, yes: bool) -> None:
        """What happens less often, one of it."""
        events: dict[str, Callable[[], None]] = {
            "withdraw": lambda: self.withdraw(who, env, yes),
            "clear": lambda: self.clear_quarantine(who, env),
            "check": lambda: self.check(n, env, data.draw(st.sampled_from(CheckState)), other=yes),
            "suite": lambda: self.change_suite("0f"[yes]),
            "freeze": lambda: self.freeze(env, yes),
            "yank": lambda: self.yank(n),
            "archive": lambda: self.archive(env),
        }
        events[data.draw(st.sampled_from(sorted(events)))]()

    def protected(self) -> list[Environment]:
        places = Environment.objects.in_workspace(self.cast.workspace.pk)
        return [place for place in places if current_policy(place).load().protected]

    @rule()
    def deliver(self) -> None:
        """Messages arrive: what is ready is applied by itself, people are told."""
        self.hand_out()

    # What holds after every step

    @invariant()
    def all_is_well(self) -> None:
        """Everything at every seventh step, since it reads all there is; the end of the sequence is looked at anyway."""
        self.steps += 1
        tally.note("promotions: steps")
        if self.steps % 7 == 0:
            found = violations(self.cast.workspace.pk)
            assert found == [], found

    @invariant()
    def votes_count_as_they_should(self) -> None:
        """8, 9 and 10, by a model that knows no hash."""
        for row in Promotion.objects.filter(pk__in=self.ballots).pending():
            loaded = fresh(row)
            valid = {vote.member_id for vote in judge(loaded, self.cast.olga).facts.valid_approvals()}
            assert valid == self.counting(loaded), "8"

    def teardown(self) -> None:
        tally.note("promotions: sequences")
        self.hand_out()
        found = [*untold(self.cast.workspace.pk, self.missed), *violations(self.cast.workspace.pk)]
        assert found == [], found
