"""The developers' tools are modules beside `bin/dev.py`; their tests meet no variables of the run that they are part of."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bin"))

NOT_OURS = (
    "PORT",
    "VAR",
    "DEMO",
    "DATA_DIR",
    "PUBLIC_URL",
    "LOCAL_MODEL_URL",
    "SCRIPTED_PROVIDER_URL",
    "OUTBOUND_ALLOW",
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a developer's machine: nothing of this test run is set."""
    for name in list(os.environ):
        if name in NOT_OURS or name.startswith(("DATABASE_", "BROKER_", "PIP_", "UV_")):
            monkeypatch.delenv(name)
