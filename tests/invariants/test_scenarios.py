import pytest

from tests.builders import make_cast
from tests.invariants.racing import Play, one_after_the_other, side_by_side
from tests.invariants.scenarios import SCENARIOS, Scenario


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("play", [one_after_the_other, side_by_side], ids=lambda play: play.__name__)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_worst_moment__played_out_exactly__leaves_nothing_wrong(scenario: Scenario, play: Play) -> None:
    assert scenario(make_cast(is_open=True), play) == []
