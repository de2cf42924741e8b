"""What can go wrong, in words that say what to do."""

from collections.abc import Sequence


class GreenroomError(Exception):
    """The base of all errors of this package."""


class Misconfigured(GreenroomError):
    """The address or the key is missing or cannot be one."""


class Unreachable(GreenroomError):
    """The server does not answer, or not in time."""


class Refused(GreenroomError):
    """The server answered and said no: `status` and `code` are the machine's words, the text is for people."""

    def __init__(self, status: int, code: str, detail: str, *, fields: Sequence[str] = ()) -> None:
        super().__init__("\n".join([detail, *(f"  {field}" for field in fields)]))
        self.status = status
        self.code = code
        self.detail = detail


class StrangeAnswer(GreenroomError):
    """What answers at the address is no Greenroom, or one that this version does not understand."""
