"""Every event of the catalogue is told by the action that it is named after, in the form that it promises."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jsonschema
from django.db import transaction
from django.test import Client

from evals_app.models import Run
from prompts_app.actions import promotions, prompts
from prompts_app.models import Vote
from registry.core import events, outbox
from registry.core.actions import workspaces
from registry.core.actions.deliveries import body_of
from registry.core.actions.webhooks import create_webhook
from registry.core.models import Member, Webhook, WebhookEvent
from registry.core.webhook_settings import WebhookInput, WebhookSettings
from tests.builders import Cast, deliver, signed_in, version
from tests.guards.test_audit_rows import ROWS, World
from tests.scenes import go_live, let_pass


def _archived(w: World) -> Any:
    made = prompts.create_prompt(w.cast.ada, "over", kind="text")
    return prompts.change_prompt(w.cast.rosa, made, archived=True)


def _unarchived(w: World) -> None:
    prompts.change_prompt(w.cast.rosa, _archived(w), archived=False)


def _expired(w: World) -> None:
    let_pass(w.row, timedelta(days=15), "last_activity_at")
    promotions.expire_promotions()


def _superseded(w: World) -> None:
    version(w.cast.ada, w.prompt, "between")
    go_live(w.cast, version(w.cast.ada, w.prompt, "c"), "staging")


def _withdrawn_vote(w: World) -> None:
    w.vote(Vote.APPROVE)
    w.vote(Vote.WITHDRAWN)


def _finished(w: World) -> None:
    run = w.run()
    Run.objects.filter(pk=run.pk).update(state="finished", verdict="passed")
    outbox.send(run.workspace_id, "run.finished", {"run_id": run.pk})


# What no row of the audit guard does.
MORE: dict[str, Callable[[World], Any]] = {
    "member.deactivated": lambda w: workspaces.change_member(w.cast.olga, w.member(), is_active=False),
    "promotion.changes_requested": lambda w: w.vote(Vote.REQUEST_CHANGES),
    "promotion.expired": _expired,
    "promotion.superseded": _superseded,
    "promotion.suspended": lambda w: w.suspended(),
    "promotion.vote_withdrawn": _withdrawn_vote,
    "prompt.archived": _archived,
    "prompt.unarchived": _unarchived,
    "run.finished": _finished,
}


def test_catalogue__every_event__is_told_in_its_form_with_a_page_that_is_there(free: Cast) -> None:
    create_webhook(free.olga, WebhookInput(WebhookSettings("all", "https://example.com/"), None))
    world, seen = World(free), dict[str, WebhookEvent]()
    browser = signed_in(Client(), Member.objects.get(pk=free.olga.member_id).user)
    schemas = {kind.name: events.schema_of(kind) for kind in events.types()}
    acts = {**ROWS, **{name: lambda w, act=act: lambda: act(w) for name, act in MORE.items()}}
    for name, prepare in acts.items():
        with transaction.atomic():
            act = prepare(world)
            deliver()
            before = set(WebhookEvent.objects.values_list("pk", flat=True))
            act()
            deliver()
            for row in WebhookEvent.objects.exclude(pk__in=before).exclude(type=events.TEST):
                body = json.loads(body_of(Webhook.objects.select_related("workspace").latest("pk"), row))
                jsonschema.validate(body, schemas[row.type])
                if row.type not in seen:
                    assert row.url and browser.get(row.url).status_code == 200, (name, row.type, row.url)
                seen.setdefault(row.type, row)
            transaction.set_rollback(True)
        world.row = promotions.find_promotion(free.workspace.pk, world.row.pk)
    assert sorted(schemas.keys() - seen.keys()) == []
    for kind in events.types():
        is_somewhere = bool(seen[kind.name].environment)
        assert is_somewhere == kind.in_environment == (kind.name.split(".")[0] in PLACED), kind.name


# What happens in an environment, by which endpoints choose.
PLACED = {"promotion", "deployment", "environment", "quarantine"}
