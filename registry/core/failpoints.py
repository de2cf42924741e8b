"""Where a process dies when FAILPOINT says so, as kill -9 would end it: for the fault tests. Production refuses to start with one."""

import os

from django.conf import settings

BEFORE_COMMIT = "before_commit"
AFTER_COMMIT = "after_commit"
DIED = 137


def reach(name: str) -> None:
    """Nothing at all, unless FAILPOINT names this place: then the process ends here, without a word."""
    if name == settings.FAILPOINT:
        os._exit(DIED)
