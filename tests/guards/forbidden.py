"""The world in which forbidden deeds are tried, what counts in it, and the table that attempts are put into."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from prompts_app.actions.labels import set_label
from prompts_app.actions.promotions import open_promotion
from prompts_app.actions.rollback import roll_back
from prompts_app.models import (
    Approval,
    Deployment,
    LivePointer,
    PolicyVersion,
    Promotion,
    PromotionState,
    Prompt,
    PromptVersion,
    Quarantine,
    ServedVersion,
    VersionCheck,
    VersionLabel,
    VersionYank,
)
from registry.core.models import ApiKey, Member
from registry.core.permissions import CI_SCOPES
from tests import builders
from tests.api.client import Answer, Api
from tests.builders import Cast, Key
from tests.compat.client import Langfuse
from tests.scenes import go_live, policy

NAME = "support/triage"
REFUSED = (401, 403, 404, 405, 409, 412, 422, 428)


@dataclass(frozen=True)
class World:
    """v1 is live in production (protected, one approval); v2 in staging (one approval), where v3 was rolled back."""

    cast: Cast
    prompt: Prompt
    ci: Key
    writes: Key
    theirs: Key
    service: Key
    to_production: Promotion
    to_staging: Promotion
    again: Promotion

    @property
    def rest(self) -> Api:
        return Api(self.ci)

    @property
    def langfuse(self) -> Langfuse:
        return Langfuse(self.ci)

    def version(self, number: int) -> PromptVersion:
        return self.prompt.versions.select_related("prompt").get(number=number)

    def bundle(self, **prompt: Any) -> dict[str, Any]:
        """What export gives of the prompt, changed."""
        whole = json.loads(self.rest.get("export/bundle").body)
        entry = next(one for one in whole["prompts"] if one["name"] == NAME)
        return {**whole, "prompts": [{**entry, **prompt}]}


def make_world(cast: Cast) -> World:
    policy(cast, "development", auto_apply=False)
    prompt = builders.prompt(cast.ada, NAME, text="one {{ a }}")
    first = prompt.versions.select_related("prompt").get()
    second, third = (builders.version(cast.ada, prompt, f"{text} {{{{ a }}}}") for text in ("two", "three"))
    go_live(cast, first, "production")
    for version in (second, third):
        go_live(cast, version, "staging")
    roll_back(cast.rosa, prompt, cast.environment("staging"), reason="worse")
    policy(cast, "production", protected=True, approvals=1, allow_override=True)
    policy(cast, "staging", approvals=1)
    set_label(cast.ada, first, "kept")
    only = builders.prompt(cast.ada, "only/staging", text="secret of staging")
    policy(cast, "staging", approvals=0)
    go_live(cast, only.versions.select_related("prompt").get(), "staging")
    policy(cast, "staging", approvals=1)
    issued = Api(cast.linus).post("keys", {"kind": "ci", "name": "ci", "scopes": sorted(CI_SCOPES)})
    return World(
        cast=cast,
        prompt=prompt,
        ci=cast.key(scopes=CI_SCOPES, responsible=Member.objects.get(pk=cast.ada.member_id)),
        writes=cast.key(scopes=["read", "write"], name="writes"),
        theirs=Key(issued.json["secret"], issued.json["id"]),
        service=cast.key("service", environment="production"),
        to_production=open_promotion(cast.rosa, second, cast.environment("production")),
        to_staging=open_promotion(cast.ada, first, cast.environment("staging")),
        again=open_promotion(cast.ada, third, cast.environment("staging")),
    )


def what_counts(world: World) -> dict[str, Any]:
    """Everything that only the rules may change, of what there was."""
    here = world.cast.workspace
    of_prompt, of_place = {"prompt__workspace": here}, {"environment__workspace": here}
    return {
        "live": sorted(
            LivePointer.objects.filter(**of_place).values_list("environment__name", "prompt__name", "deployment")
        ),
        "deployments": Deployment.objects.filter(**of_place).count(),
        "applied": Promotion.objects.filter(**of_place).exclude(state=PromotionState.OPEN).count(),
        "approvals": Approval.objects.count(),
        "yanked": VersionYank.objects.count(),
        "labels": sorted(VersionLabel.objects.filter(**of_prompt).values_list("name", "version__number")),
        "policies": PolicyVersion.objects.filter(**of_place).count(),
        "quarantines": Quarantine.objects.filter(cleared_at=None).count(),
        "checks": VersionCheck.objects.count(),
        "archived": Prompt.objects.filter(workspace=here).exclude(archived_at=None).count(),
        "keys": ApiKey.objects.filter(workspace=here).count(),
        "members": Member.objects.count(),
        "served": ServedVersion.objects.count(),
        "content": list(world.prompt.versions.values_list("number", "digest", "content", "author"))[-3:],
    }


type Attempt = Callable[[World], Any]
ROWS: list[tuple[str, str, Attempt]] = []
PLACE = f"environments/production/prompts/{NAME}"


def row(deed: str, surface: str) -> Callable[[Attempt], Attempt]:
    """Put an attempt into the table."""

    def add(attempt: Attempt) -> Attempt:
        ROWS.append((deed, surface, attempt))
        return attempt

    return add


def rows(deed: str, surface: str, *attempts: Attempt) -> None:
    for attempt in attempts:
        ROWS.append((deed, surface, attempt))


def imported(world: World, **prompt: Any) -> Answer:
    """A bundle taken for what it may be: its effect is looked at, not its status."""
    answer = world.rest.post("import/bundle", world.bundle(**prompt))
    assert answer.status in {200, 422}
    return answer


def without_effect(answer: Answer) -> None:
    assert answer.status in {200, 422}


def hides(answer: Any, *words: str) -> None:
    """Whatever it answers, it says nothing of these."""
    told = json.dumps(answer.json) if answer.json is not None else getattr(answer, "body", b"").decode()
    assert not [word for word in words if word in told], told


QUARANTINE = "brings back a quarantined digest"


def tried(world: World, deed: str, surface: str, attempt: Attempt) -> dict[str, Any]:
    """What was wrong about one attempt, undone afterwards."""
    with transaction.atomic():
        if deed == QUARANTINE and surface != "REST":
            policy(world.cast, "staging", approvals=0)
        before = what_counts(world)
        answer = attempt(world)
        after = what_counts(world)
        transaction.set_rollback(True)
    wrong = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    if answer is not None and answer.status not in (*REFUSED, 400):
        wrong["answer"] = (answer.status, answer.json)
    return wrong
