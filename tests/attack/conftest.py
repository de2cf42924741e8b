"""The cast in browsers, as the tests of pages have it."""

from tests.pages.conftest import as_

__all__ = ["as_"]
