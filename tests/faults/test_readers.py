"""Sixteen readers over two processes during a thousand promotions and rollbacks, listeners cut at random: F30, in full."""

import itertools
import time
from pathlib import Path

import pytest

from prompts_app.actions.environments import change_environment
from tests.builders import make_cast, prompt
from tests.delivery.history import Readers, Record, change_again_and_again
from tests.faults import table
from tests.faults.ledger import Account
from tests.servers import run_web

CHANGES, READERS, CUT_ONE_IN = 1_000, 16, 25


@pytest.mark.faults
def test_readings__of_a_thousand_changes__are_explained_by_them(transactional_db: None, tmp_path: Path) -> None:
    cast = make_cast(f"w{time.monotonic_ns()}")
    made = prompt(cast.ada, text="first")
    change_environment(cast.olga, cast.environment("development"), policy={"auto_apply": False})
    service = cast.key("service", environment="development")
    record, began = Record(), time.monotonic()
    with run_web(tmp_path) as one, run_web(tmp_path) as other:
        ports = [int(web.url.rpartition(":")[2]) for web in (one, other)]
        with Readers(ports, service, READERS, record, longest_pause_s=0.05):
            change_again_and_again(cast, made, CHANGES, record, cut_every=CUT_ONE_IN)
    took = time.monotonic() - began
    account = Account(lost=record.failures[:20], wrong=record.contradictions()[:20])
    told = sum(change.seen_at != float("inf") for change in record.changes)
    marked = sum(reading.is_marked for reading in record.readings)
    assert told > CHANGES / 2 and len(record.readings) > CHANGES
    assert len({reading.revision for reading in record.readings}) > CHANGES / 4
    rest = f"{len(record.readings):,} answers, {marked:,} marked; {told:,} changes propagated"
    table.note("F30 fetches while what is live changes", account, schedules=CHANGES, recovery=f"{rest}; {took:.0f} s")
    assert all(a.revision < b.revision for a, b in itertools.pairwise(record.changes))
