"""What processes that serve and work do without."""

import sys


def keep_jinja_out() -> None:
    """Let no import of Jinja succeed here from now on: templates of users are for the render worker alone.

    A library of ours imports Django's helpers for tests, and these load Jinja wherever they find it.
    """
    sys.modules.setdefault("jinja2", None)  # type: ignore[arg-type]
