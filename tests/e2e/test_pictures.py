"""Pictures of the main screens, light and dark, of the demo as a newcomer sees it: for a look, and for the README."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from evals_app.actions.demo import seed_demo
from evals_app.demo import banking, people
from evals_app.demo.library import DATA
from evals_app.models import Run
from evals_app.provider_settings import parse_provider
from evals_app.scripted_provider import rules_from
from prompts_app.models import Promotion
from registry.core.actions.notifications import hide_hint
from registry.core.actions.workspaces import find_member
from registry.core.identity import actor_of_member
from registry.core.models import Workspace
from tests.builders import deliver
from tests.e2e.conftest import Seat
from tests.e2e.measures import Scheme, screenshots, wear
from tests.evals.building import scripted, work_all
from tests.servers import Web

pytestmark = pytest.mark.e2e

SCHEMES: tuple[Scheme, ...] = ("light", "dark")
MAIN = {
    "board": "/w/demo/",
    "editor": "/w/demo/prompts/{prompt}/drafts/edit",
    "compare": "/w/demo/prompts/{prompt}/diff?from=1&to=2&view=split",
    "promotion": "/w/demo/promotions/{promotion}",
    "environment": "/w/demo/environments/production",
    "suite": "/w/demo/suites/{suite}",
    "run": "/w/demo/runs/{run}",
    "case": "/w/demo/runs/{run}/cases/5",
    "reviews": "/w/demo/reviews",
}


@pytest.fixture
def demo(transactional_db: None) -> Iterator[Workspace]:
    """The demo when its story has come as far as it goes by itself."""
    rules = rules_from((DATA / "scripted_rules.json").read_text(encoding="utf-8"))
    with scripted(*rules) as provider:
        body = {"name": "scripted", "base_url": provider.base_url, "models": ["scripted"], "default": True}
        workspace = seed_demo(provider=parse_provider(body, allow=frozenset({f"127.0.0.1:{provider.port}"}))).workspace
        while deliver() or Run.objects.open().exists():
            work_all()
        yield workspace


def test_main_screens__of_the_demo__are_pictured_light_and_dark(demo: Workspace, web: Web, browser: Browser) -> None:
    grace = find_member(demo.pk, people.GRACE.email)
    hide_hint(grace, "password")
    seat = Seat(browser, web, actor_of_member(grace))
    waiting = Promotion.objects.pending().filter(environment__name="production").latest("pk")
    found = {"prompt": banking.PROMPT, "suite": banking.SUITE, "promotion": waiting.pk, "run": _telling_run().pk}
    folder = screenshots()
    folder.mkdir(parents=True, exist_ok=True)
    for name, pattern in MAIN.items():
        page = seat.open(pattern.format(**found))
        page.wait_for_load_state("networkidle")
        for scheme in SCHEMES:
            wear(page, scheme)
            page.screenshot(path=folder / f"{name}-{scheme}.png")
    assert seat.complaints == []


def _telling_run() -> Run:
    """The newest run in which a version did worse."""
    return Run.objects.filter(verdict="failed", baseline__isnull=False).latest("pk")
