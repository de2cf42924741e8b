from collections.abc import Iterator

import pytest

from registry.core import jobs
from registry.core.models import OutboxMessage


@pytest.fixture(autouse=True)
def nobody_listens() -> Iterator[None]:
    """Messages wait in their table until a test delivers them; no broker is asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(jobs._looked_after, OutboxMessage, lambda pk: None)
        yield
