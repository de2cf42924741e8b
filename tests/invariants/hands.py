"""What the state machine works with: the people and the place, and our own model of which votes count."""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Sum
from hypothesis.stateful import RuleBasedStateMachine, initialize

from prompts_app.actions import promotions, rollback
from prompts_app.actions.environments import change_environment
from prompts_app.actions.prompts import create_prompt
from prompts_app.actions.versions import create_version
from prompts_app.facts import breaking_changes, judge, live_deployment
from prompts_app.gates import standing
from prompts_app.models import (
    Approval,
    Deployment,
    Environment,
    Override,
    Promotion,
    Prompt,
    PromptVersion,
    Quarantine,
    VersionYank,
    Vote,
)
from registry.core.actor import Actor, Role
from registry.core.errors import RegistryError
from registry.core.models import AuditEvent, JobState, Member, OutboxMessage
from tests.builders import Cast, again, deliver, join, make_cast
from tests.scenes import fresh, go_live, suite

TEXTS = ["a", "b", "{{ x }}", "{{ x }} {{ y }}"]
SLUGS = itertools.count()


@dataclass(frozen=True)
class Ballot:
    """A vote as our own model remembers it: who, what, and on exactly which parts."""

    member: int
    choice: Vote
    parts: tuple[object, ...]


def parts(row: Promotion) -> tuple[object, ...]:
    """What an approval is bound to, without any hash."""
    return (row.version.digest, row.base_id, row.environment_id, row.scheduled_for, row.acknowledges_breaking)


class Hands(RuleBasedStateMachine):
    """One prompt and two environments, many people; no rules yet."""

    @initialize()
    def people_come(self) -> None:
        cast: Cast = make_cast(f"seq-{next(SLUGS)}", is_open=True)
        self.cast = cast
        key = cast.key(scopes=["read", "write", "promote", "check"], name="promoter")
        self.actors: dict[str, Actor] = {
            "ada": cast.ada,
            "grace": cast.grace,
            "gwen": join(cast.olga, "Gwen", Role.REVIEWER),
            "rosa": cast.rosa,
            "otto": join(cast.olga, "Otto", Role.RELEASER, grants=("override",)),
            "olga": cast.olga,
            "key": key.actor,
        }
        self.prompt: Prompt = create_prompt(cast.ada, "p", kind="text")
        authors = [cast.ada, cast.ada, cast.grace, cast.ada]
        versions = [
            create_version(author, self.prompt, {"text": text}).version
            for author, text in zip(authors, TEXTS, strict=True)
        ]
        suite(cast.ada, self.prompt)
        go_live(cast, versions[0], "staging")
        go_live(cast, versions[1], "staging")
        change_environment(cast.olga, cast.environment("production"), policy={"approvals": 1})
        for version, env in ((versions[2], "staging"), (versions[3], "staging"), (versions[0], "production")):
            promotions.open_promotion(cast.ada, version, cast.environment(env))
        self.ballots: dict[int, list[Ballot]] = {}
        self.missed: set[tuple[int, UUID]] = set()
        self.steps = 0

    # Helpers

    def actor(self, who: str) -> Actor:
        """As a request would find them now."""
        known = self.actors[who]
        return known if known.kind == "key" else again(known)

    def can_act(self, who: str) -> bool:
        """Whether a request of theirs would get past authentication."""
        known = self.actors[who]
        return known.kind == "key" or Member.objects.get(pk=known.member_id).can_act

    def promotion(self, n: int) -> Promotion | None:
        """Some promotion, rather a pending one."""
        rows = Promotion.objects.in_workspace(self.cast.workspace.pk).order_by("-pk")
        pending = list(rows.pending()) or list(rows)
        return fresh(pending[n % len(pending)]) if pending else None

    def state(self) -> tuple[object, ...]:
        """All that a refused action must leave as it is."""
        workspace = self.cast.workspace.pk
        mine = Promotion.objects.in_workspace(workspace)
        return (
            AuditEvent.objects.filter(workspace=workspace).count(),
            OutboxMessage.objects.filter(workspace=workspace).count(),
            Deployment.objects.filter(prompt__workspace=workspace).count(),
            mine.aggregate(n=Sum("stamp"))["n"],
            mine.count(),
            Override.objects.filter(promotion__in=mine).count(),
            Quarantine.objects.filter(prompt__workspace=workspace, cleared_at=None).count(),
            Approval.objects.filter(promotion__in=mine).count(),
            Prompt.objects.get(pk=self.prompt.pk).last_number,
        )

    @contextmanager
    def refusals(self) -> Any:
        """A refusal is an answer; it changes nothing, and its code is of the kind it says."""
        before = self.state()
        try:
            yield
        except RegistryError as error:
            refused = error
        else:
            return
        assert 400 <= refused.status < 500, refused
        assert self.state() == before, f"{refused} changed something"

    def counting(self, row: Promotion) -> set[int]:
        """Who approves, by our own model: votes on these very parts, by people who may, each once."""
        latest = {ballot.member: ballot for ballot in self.ballots.get(row.pk, [])}
        barred = {row.author_id, *self.chain(row)}
        return {
            ballot.member
            for ballot in latest.values()
            if ballot.choice is Vote.APPROVE
            and ballot.parts == parts(row)
            and ballot.member not in barred
            and self.reviews(ballot.member)
        }

    def reviews(self, member: int) -> bool:
        row = Member.objects.select_related("user").get(pk=member)
        return row.can_act and row.rank >= Role.REVIEWER.rank

    def chain(self, row: Promotion) -> set[int]:
        live = live_deployment(row.prompt, row.environment)
        authors, number = set(), row.version.number
        while number > 0 and not (live and live.version and live.version.number == number):
            authors.add(PromptVersion.objects.get(prompt=row.prompt, number=number).author_id)
            number -= 1
        return authors

    def hand_out(self) -> None:
        """Messages arrive; who is deactivated at this moment misses them."""
        messages = OutboxMessage.objects.filter(workspace=self.cast.workspace)
        before = set(messages.filter(state=JobState.DONE).values_list("event_id", flat=True))
        deliver()
        events = set(messages.values_list("event_id", flat=True)) - before
        away = Member.objects.in_workspace(self.cast.workspace.pk).difference(Member.objects.active())
        self.missed |= {(member.pk, event) for member in away for event in events}

    def ready(self) -> set[int]:
        """Promotions that Rosa could apply now."""
        rosa = again(self.cast.rosa)
        rows = Promotion.objects.in_workspace(self.cast.workspace.pk).pending()
        return {row.pk for row in rows if not standing(judge(fresh(row), rosa).blockers)}

    def excuse(
        self,
        actor: Actor,
        place: Environment,
        target: Deployment | None,
        live: Deployment | None,
        *,
        acknowledge: bool,
        clear: bool,
    ) -> str:
        """What refuses a rollback, by the rules: empty where nothing may."""
        if actor.role is None or actor.role.rank < Role.RELEASER.rank:
            return "no right"
        if target is None:
            return ""
        if target.version is None:
            return "a withdrawal is no target"
        if live and live.version and live.version.digest == target.version.digest:
            return ""
        if live is None and Prompt.objects.get(pk=self.prompt.pk).is_archived:
            return "archived"
        if VersionYank.objects.filter(version=target.version).exists():
            return "yanked"
        if live and live.version and breaking_changes(live.version, target.version) and not acknowledge:
            return "breaking"
        held = Quarantine.objects.filter(
            environment=place, prompt=self.prompt, digest=target.version.digest, cleared_at=None
        )
        return "quarantined" if held.exists() and not clear else ""

    def withdraw(self, who: str, env: str, quarantine: bool) -> None:
        if self.can_act(who):
            with self.refusals():
                rollback.withdraw(
                    self.actor(who), self.prompt, self.cast.environment(env), reason="off", quarantine=quarantine
                )
                assert live_deployment(self.prompt, self.cast.environment(env)) is None

    def clear_quarantine(self, who: str, env: str) -> None:
        place = self.cast.environment(env)
        held = Quarantine.objects.filter(environment=place, cleared_at=None).first()
        if held and self.can_act(who):
            with self.refusals():
                rollback.clear_quarantine(self.actor(who), self.prompt, place, digest=held.digest, reason="found it")
