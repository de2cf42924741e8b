"""Sixteen readers over two processes while what is live changes and listeners lose their connection."""

from pathlib import Path

import pytest

from prompts_app.actions.environments import change_environment
from tests.builders import Cast, prompt
from tests.delivery.history import Change, Readers, Reading, Record, change_again_and_again
from tests.servers import run_web

ROUNDS = 45


@pytest.mark.django_db(transaction=True)
def test_readings__over_two_processes_that_lose_their_listener__are_explained_by_the_changes(
    cast: Cast, tmp_path: Path
):
    made = prompt(cast.ada, text="first")
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": False})
    service = cast.key("service", environment="development")
    record = Record()
    with run_web(tmp_path) as one, run_web(tmp_path) as other:
        ports = [int(web.url.rpartition(":")[2]) for web in (one, other)]
        with Readers(ports, service, 16, record):
            change_again_and_again(cast, made, ROUNDS, record, cut_every=10)
    assert record.failures == []
    assert record.contradictions() == []
    assert len(record.readings) > 16 * 10
    assert sum(change.seen_at != float("inf") for change in record.changes) > ROUNDS / 2
    assert {reading.revision for reading in record.readings} > {1, ROUNDS // 2}


def test_contradictions__where_there_are_some__are_found():
    changes = [Change(1, 1, 1.0), Change(2, 2, 5.0), Change(3, 3, float("inf"))]
    good = [Reading(0, 0.5, 1, 1, False), Reading(0, 6.0, 2, 2, False), Reading(0, 7.0, 3, 3, False)]
    assert Record(changes, good).contradictions() == []
    assert Record(changes, [Reading(0, 2.0, 2, 1, False)]).contradictions() != [], "another content at that revision"
    assert Record(changes, [*good, Reading(0, 8.0, 2, 2, False)]).contradictions() != [], "it went back"
    assert Record(changes, [Reading(1, 5.5, 1, 1, False)]).contradictions() != [], "older than what all had seen"
    assert Record(changes, [Reading(1, 5.5, 1, 1, True)]).contradictions() == [], "and said so"
