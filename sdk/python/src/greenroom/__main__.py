"""`python -m greenroom` is the command `greenroom`."""

from greenroom.cli.main import run

run()
