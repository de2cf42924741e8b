"""The board: what is live where, found quickly."""

from tests import builders
from tests.builders import Cast
from tests.pages.conftest import SignedIn


def test_board__prompts_in_folders__shows_versions_by_environment(cast: Cast, as_: SignedIn) -> None:
    made = builders.prompt(cast.ada, "support/triage")
    builders.version(cast.ada, made, "Hello again {{ name }}")

    page = as_(cast.vera).get("/w/acme/").content.decode()

    assert 'href="/w/acme/prompts/support/triage"' in page
    assert "Development" in page and "Staging" in page and "Production" in page
    assert page.count('<span class="version">v2</span>') == 2  # the newest, and live in development
