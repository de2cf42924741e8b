"""What can go wrong, in words that say what to do."""

from collections.abc import Mapping, Sequence

from greenroom.templates.values import JSON


class GreenroomError(Exception):
    """The base of all errors of this package."""


class Misconfigured(GreenroomError):
    """The address or the key is missing or cannot be one."""


class Unreachable(GreenroomError):
    """The server does not answer, or not in time."""


class Refused(GreenroomError):
    """The server answered and said no: `status`, `code` and `extra` are the machine's words, the text is for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        fields: Sequence[str] = (),
        extra: Mapping[str, JSON] | None = None,
    ) -> None:
        super().__init__("\n".join([detail, *(f"  {field}" for field in fields)]))
        self.status = status
        self.code = code
        self.detail = detail
        self.extra = extra or {}


class StrangeAnswer(GreenroomError):
    """What answers at the address is no Greenroom, or one that this version does not understand."""


class NotLive(GreenroomError):
    """The server says that nothing of this name is live, or that this key may not know: no fallback can stand for that."""


class Unavailable(GreenroomError):
    """Nobody can say what is live: the server does not answer, and there is no copy, no lock file and no default."""


class Corrupt(GreenroomError):
    """A body whose content is not what its digest says, or a lock file that is not as `greenroom pull` wrote it."""


class RenderError(GreenroomError):
    """A prompt that cannot be rendered with these values; the values are never repeated.

    `kind` is `variables` (other values help, `variables` names them), `refused` or `limit`; `line` and the index of the
    `message` are given where they are known.
    """

    def __init__(
        self,
        kind: str,
        text: str,
        *,
        line: int | None = None,
        message: int | None = None,
        variables: Sequence[str] = (),
    ) -> None:
        places = [f"messages[{message}]"] if message is not None else []
        places += [f"line {line}"] if line is not None else []
        super().__init__(f"{', '.join(places)}: {text}" if places else text)
        self.kind = kind
        self.line = line
        self.message = message
        self.variables = tuple(variables)
