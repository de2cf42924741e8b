"""What operators are told, and that dashboard, alerts and runbooks name nothing else."""

import json
import os
import re
import time
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from django.test import Client

from prompts_app.delivery.metrics import metrics_of
from registry.core import checkpoints, metrics, sweeps, tasks, valkey
from registry.core.models import JobState, OutboxMessage
from tests.builders import Cast, deliver
from tests.scenes import as_superuser, let_pass

ROOT = Path(__file__).parents[2]
ALERTS, DASHBOARD = ROOT / "deploy" / "alerts.yml", ROOT / "deploy" / "grafana-dashboard.json"


def told() -> dict[str, float]:
    """Each sample by its name and labels, without the process."""
    lines = metrics.to_text(metrics.collected()).splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {re.sub(r'process="\d+",?', "", name): float(value) for name, _, value in pairs}


def delivered() -> str:
    """What a process that delivers tells of itself, with an environment in memory."""
    counts = SimpleNamespace(hits=0, misses=0, evictions=0, drops=0, damaged=0)
    listener = SimpleNamespace(is_connected=True, reconnects=0, stale_s=0)

    class Shelf(list[int]):
        bytes = 0

    shelf = Shelf()
    shelf.counts = counts  # type: ignore[attr-defined]
    feed = SimpleNamespace(count=0)
    known = {(1, "production"): SimpleNamespace(revision=7)}
    store: Any = SimpleNamespace(shelf=shelf, listener=listener, grants=[], feed=feed, revisions=lambda: known)
    return metrics_of(store)


def exported() -> set[str]:
    """Every name that `/metrics` has."""
    text = metrics.to_text(metrics.collected()) + delivered()
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names | {"greenroom_database_up"}


@pytest.mark.parametrize("path", [ALERTS, DASHBOARD], ids=lambda path: path.name)
def test_alerts_and_dashboard__name_only_what_is_exported(free: Cast, path: Path) -> None:
    named = set(re.findall(r"greenroom_\w+", path.read_text()))
    assert named and named - exported() == set()


def rules() -> dict[str, str]:
    """The expression of each alert."""
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def test_alerts__of_what_a_single_process_says__do_not_rest_on_which_one_answered_last() -> None:
    """Processes that share a port answer scrapes in turn: `for` would begin anew whenever another one is asked."""
    of_one = re.compile(
        r"greenroom_(?:delivery|database_pool|versions_damaged|http)\w+(?:\{[^}]*\})?(?P<over>\[\w+\])?"
    )
    found = [match for expression in rules().values() for match in of_one.finditer(expression)]
    assert len(found) > 5 and [match[0] for match in found if not match["over"]] == []


def test_alerts__that_add_up__do_not_fall_silent_where_one_of_the_numbers_is_missing() -> None:
    added = [expression for expression in rules().values() if "+" in expression]
    assert added and all(expression.count("or vector(0)") == expression.count("+") + 1 for expression in added)


def test_alerts__somebody_is_told_when_nobody_can_be_asked() -> None:
    assert "absent(greenroom_database_up)" in rules()["NobodyAnswers"]


def test_delivery__numbers_of_a_process__say_whose_they_are() -> None:
    """Else a counter would seem to begin anew at every scrape, and an increase to go on for ever."""
    lines = [line for line in delivered().splitlines() if not line.startswith("#")]
    assert len(lines) > 10 and all(re.search(r'\{process="\d+"', line) for line in lines)


def test_sweeps__how_long_ago_the_last_one_was__also_when_there_was_none(free: Cast) -> None:
    valkey.client().flushdb()
    assert told()["greenroom_sweep_age_seconds"] == sweeps.REMEMBERED_S
    tasks.sweep()
    assert told()["greenroom_sweep_age_seconds"] < 30


def test_messages__that_were_given_up__are_counted(free: Cast) -> None:
    assert told()["greenroom_messages_given_up"] == 0
    OutboxMessage.objects.create(workspace=free.workspace, topic="x", payload="{}", state=JobState.ERROR)
    assert told()["greenroom_messages_given_up"] == 1
    page = (ROOT / "docs" / "operations.md").read_text()
    [again] = re.findall(r'^python manage.py shell -c "(.*)"$', page, re.MULTILINE)
    exec(again)
    assert told()["greenroom_messages_given_up"] == 0
    assert told()['greenroom_jobs{queue="core.outboxmessage",state="queued"}'] > 0


def test_alerts__each_has_its_runbook_and_the_runbooks_have_no_other() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    runbooks = re.findall(r"runbook: docs/operations.md#(\w+)", ALERTS.read_text())
    page = (ROOT / "docs" / "operations.md").read_text()
    assert len(alerts) > 5 and re.findall(r"^### (\w+)$", page, re.MULTILINE) == alerts
    assert runbooks == [name.lower() for name in alerts]


def test_dashboard__is_one_that_can_be_imported() -> None:
    board = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) > 10
    assert all(target["expr"] for panel in board["panels"] for target in panel["targets"])


def test_queues__what_waits_and_for_how_long(free: Cast) -> None:
    deliver()
    row = OutboxMessage.objects.create(workspace=free.workspace, topic="x", payload="{}")
    let_pass(row, timedelta(minutes=5), "not_before")
    found = told()
    assert found['greenroom_jobs{queue="core.outboxmessage",state="queued"}'] == 1
    assert 299 < found['greenroom_job_waiting_seconds{queue="core.outboxmessage"}'] < 400
    assert found['greenroom_runs_open{state="queued"}'] == 0
    assert found["greenroom_audit_events_total"] > 0


def test_backup__made__tells_its_age_and_is_no_nightly_checkpoint(free: Cast, settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_DIR = tmp_path / "checkpoints"
    ages = {"greenroom_backup_age_seconds", "greenroom_audit_checkpoint_age_seconds"}
    assert not ages & told().keys()
    path = checkpoints.export_checkpoint(kind=checkpoints.BACKUP)
    os.utime(path, (time.time() - 3600,) * 2)
    assert 3590 < told()["greenroom_backup_age_seconds"] < 3700 and len(ages & told().keys()) == 1
    checkpoints.export_checkpoint()
    assert told()["greenroom_audit_checkpoint_age_seconds"] < 60 and told()["greenroom_backup_age_seconds"] > 3590
    assert len(checkpoints.exported()) == 2, "both bear witness"


def test_triggers__one_disabled__is_told(free: Cast) -> None:
    assert told()["greenroom_history_triggers_missing"] == 0
    with as_superuser() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE core_auditevent DISABLE TRIGGER USER")
    assert told()["greenroom_history_triggers_missing"] == 2


def test_requests__by_surface_method_and_status__with_time(db: None) -> None:
    before = told()
    Client().get("/livez")
    Client().generic("BREW", "/livez")
    Client().get("/api/v1/prompts")
    after = told()

    def more(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert more('greenroom_http_requests_total{surface="page",method="GET",status="2xx"}') == 1
    assert sum(more(name) for name in after if 'method="other"' in name) == 1
    assert more('greenroom_http_requests_total{surface="api",method="GET",status="4xx"}') == 1
    assert more('greenroom_http_request_seconds_count{surface="page"}') == 2
    assert more('greenroom_http_request_seconds_bucket{surface="page",le="+Inf"}') == 2


def test_labels__whatever_their_text__stay_one_line() -> None:
    family = metrics.Family("x", "gauge", "X.").add(1, name='a"b\\c\nd')
    assert metrics.to_text([family]).splitlines()[-1] == r'x{name="a\"b\\c\nd"} 1'
