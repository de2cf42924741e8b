"""What can go wrong, in the domain's words; one middleware makes HTML of it, one handler problem JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from registry.core.canonical import JSON


PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    """One field that was refused: `field` is a path such as `messages[2].role`."""

    field: str
    code: str
    message: str


class RegistryError(Exception):
    """A refusal with a stable `code`, an HTTP `status`, a `detail` that says what to do, and machine-readable extras."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"

    def __init__(self, code: str, detail: str, *, errors: Sequence[FieldError] = (), **extra: "JSON") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.extra: Mapping[str, JSON] = extra

    def to_problem(self, request_id: str) -> "dict[str, JSON]":
        """The problem document (RFC 9457), in the order of the contract."""
        return {
            "type": f"urn:greenroom:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in self.errors],
            "request_id": request_id,
            **self.extra,
        }

    @property
    def waiting(self) -> dict[str, str]:
        """The headers that say when to come back, whatever the form of the answer; none where waiting is no help."""
        found = {"Retry-After": str(self.extra["retry_after"])} if "retry_after" in self.extra else {}
        if self.status == TooManyRequests.status:
            found["RateLimit"] = f'"minute";r=0;t={self.extra.get("retry_after", 60)}'
        return found


class Unauthenticated(RegistryError):
    """No credentials, or credentials that are unknown, expired or revoked."""

    status = 401
    title = "Sign in, or send a key"


class Forbidden(RegistryError):
    """The caller is known and may not do this; `needs` is the right that they lack, where that is why."""

    status = 403
    title = "Not allowed"

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[FieldError] = (), needs: str = "", **extra: "JSON"
    ) -> None:
        super().__init__(code, detail, errors=errors, **extra)
        self.needs = needs


class ConfirmationNeeded(Forbidden):
    """The caller may do it, but signed in too long ago: they say again who they are first."""

    title = "Confirm that it is you"


class NotFound(RegistryError):
    """It does not exist, or the caller may not know that it does."""

    status = 404
    title = "Not found"


class Conflict(RegistryError):
    """The request is sound, but the present state does not permit it."""

    status = 409
    title = "Conflict"


class PreconditionFailed(RegistryError):
    """The caller acted on a stale view (If-Match)."""

    status = 412
    title = "Your view is stale"


class TooLarge(RegistryError):
    """The body is larger than this route takes."""

    status = 413
    title = "Too large"


class Invalid(RegistryError):
    """The input is not acceptable; `errors` names the fields."""

    status = 422
    title = "Invalid input"


class PreconditionRequired(RegistryError):
    """The call changes something that others change too: it must carry If-Match."""

    status = 428
    title = "If-Match is required"


class Gone(RegistryError):
    """It was there once, and is kept no longer."""

    status = 410
    title = "No longer kept"


class TooManyRequests(RegistryError):
    """The caller's budget of requests is used up; `retry_after` says for how long (seconds)."""

    status = 429
    title = "Too many requests"


class Unavailable(RegistryError):
    """A part that this needs is down; trying again later helps."""

    status = 503
    title = "Unavailable for the moment"


class ServerError(RegistryError):
    """A bug of ours; the log has its traceback under the request id."""

    status = 500
    title = "Server error"


def invalid_field(field: str, code: str, message: str) -> Invalid:
    """An `Invalid` about one field, whose detail is the field's message."""
    return Invalid("invalid", message, errors=[FieldError(field, code, message)])
