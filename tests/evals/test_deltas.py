"""How a required suite changed since what is live went live, in the words that a reviewer reads."""

from evals_app.actions.suites import save_suite_version
from evals_app.comparison_sql import Spread
from evals_app.delta_queries import Measure, suite_changes
from registry.core.clock import database_now
from tests.builders import Cast
from tests.evals import building


def test_changes__of_a_suite_saved_since__say_which_cases_scorers_and_rules(cast: Cast) -> None:
    suite = building.suite(cast.ada, of=building.cases(50), margin=0.2)
    quiet = building.suite(cast.ada, "quiet", of=building.cases(50))
    before = database_now()
    changed = [*building.cases(50)[2:], {"key": "new", "variables": {"q": "x"}, "expected": "y"}]
    save_suite_version(
        cast.grace, suite, {"cases": changed, "scorers": [{"kind": "contains"}], "margin": 0.3, "repeats": 1}
    )

    (found,) = suite_changes([suite, quiet], before)

    assert (found.suite.pk, found.authors, found.old and found.old.number, found.new.number) == (
        suite.pk,
        ("Grace",),
        1,
        2,
    )
    words = "; ".join(found.words)
    assert "cases: 1 added, 2 removed" in words and "margin: 0.2, now 0.3" in words and "scorer contains added" in words
    assert suite_changes([suite, quiet], database_now()) == () == suite_changes([suite], None)


def test_changes__of_a_suite_made_since__say_that_it_is_new(cast: Cast) -> None:
    before = database_now()
    suite, alone = building.suite(cast.ada, of=building.cases(50)), building.suite(cast.ada, "a", of=building.cases(1))

    found = {change.suite.slug: change for change in suite_changes([suite, alone], before)}

    assert found["numbers"].old is None and found["numbers"].words == ("new since: 50 cases",)
    assert found["a"].words == ("new since: 1 case",)


def test_measure__of_two_sides__says_how_much_more_or_less() -> None:
    def words(old: float | None, new: float | None) -> str:
        return Measure("latency", Spread(median=old), Spread(median=new)).words

    assert words(200, 250) == "25\N{NO-BREAK SPACE}% more"
    assert words(200, 100) == "50\N{NO-BREAK SPACE}% less"
    assert (words(200, 200), words(None, 1), words(0, 1)) == ("the same", "", "")
