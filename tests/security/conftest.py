"""The cast in browsers, as the tests of pages have it; nobody has tried to sign in before."""

import pytest

from registry.core import valkey
from tests.pages.conftest import as_

__all__ = ["as_"]


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Tries of other tests in the same minute do not count."""
    valkey.client().flushdb()
