"""26. Queries whose cost the caller chooses end when their time is over, and leave the connection as it was."""

import pytest
from django.db import connection

from registry.core.errors import Unavailable
from registry.core.timelimit import at_most


@pytest.mark.django_db
def test_query__that_takes_too_long__is_stopped_and_told() -> None:
    with connection.cursor() as cursor:
        with pytest.raises(Unavailable) as refused, at_most(0.05):
            cursor.execute("SELECT pg_sleep(60)")
        assert refused.value.code == "query.slow"
        with at_most(5):
            cursor.execute("SELECT 1")
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)
