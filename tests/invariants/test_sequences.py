import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.invariants.machine import Registry

# The same few sequences each time; `SEQUENCES=500` looks at that many new ones.
MORE = int(os.environ.get("SEQUENCES", "0"))
settings.register_profile(
    "invariants",
    max_examples=MORE or 10,
    stateful_step_count=20,
    deadline=None,
    derandomize=not MORE,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.django_db(transaction=True)
def test_sequences__of_any_actions_by_anybody__keep_every_invariant() -> None:
    run_state_machine_as_test(Registry, settings=settings.get_profile("invariants"))
