import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.invariants.machine import Registry

settings.register_profile(
    "invariants",
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


@pytest.mark.django_db(transaction=True)
def test_sequences__of_any_actions_by_anybody__keep_every_invariant() -> None:
    run_state_machine_as_test(Registry, settings=settings.get_profile("invariants"))
