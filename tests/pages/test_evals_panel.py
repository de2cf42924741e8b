"""The place of a prompt's suites where there is nothing left to hold a version against, or no suite."""

from prompts_app.actions.applying import apply_promotion
from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn
from tests.pages.evaluated import evaluated

HTMX = {"HX-Request": "true"}


def test_checks_panel__of_what_is_live_wherever_suites_are_asked_for__keeps_what_the_last_run_said(
    cast: Cast, as_: SignedIn
) -> None:
    with evaluated(cast) as world:
        apply_promotion(cast.rosa, world.promotion, stamp=None)

        panel = as_(cast.vera).get("/w/acme/prompts/numbers/echo/checks", headers=HTMX).content.decode()

    [numbers, shape] = panel.partition('<ul class="list">')[2].split("</li>")[:2]
    assert f'href="/w/acme/runs/{world.run.pk}"' in numbers and "Passed" in numbers
    assert f'href="/w/acme/runs/{world.waiting.pk}"' in shape
    assert all("its last run" in row and "it is what is live: nothing else" in row for row in (numbers, shape))


def test_checks_panel__without_a_suite__says_what_that_means_by_the_rules(cast: Cast, as_: SignedIn) -> None:
    builders.prompt(cast.ada, "p", text="a")

    panel = as_(cast.ada).get("/w/acme/prompts/p/checks", headers=HTMX).content.decode()

    assert "ask for a suite that passed, nothing goes live without one; elsewhere nothing holds" in panel
