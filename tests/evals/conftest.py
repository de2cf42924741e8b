"""What all tests of evaluation share."""

import pytest


@pytest.fixture(autouse=True)
def back_off_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other quickly; how long to wait is a test of its own."""
    monkeypatch.setattr("evals_app.providers.patience._BACK_OFF_S", 0.02)
