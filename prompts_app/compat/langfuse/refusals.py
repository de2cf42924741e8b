"""Refusals as these clients read them: `{message, error}`, 400 for what was sent, never 408 or 409, which they repeat."""

from registry.core.canonical import JSON
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound, RegistryError, Unauthenticated

PREFIX = "/api/public/"
NAMES = {401: "UnauthorizedError", 403: "ForbiddenError", 404: "LangfuseNotFoundError", 405: "MethodNotAllowedError"}
# Conflicts that say: not like this, as things stand; the others are about what was sent.
FORBIDDEN = ("promotion.", "prompt.live", "version.live", "withdraw.")


class NotPlain(Invalid):
    """The version does more than replace variables, which is all that these clients can do."""


def refusal(error: RegistryError) -> tuple[int, dict[str, JSON]]:
    """Status and body of an answer."""
    status = _status(error)
    default = "InvalidRequestError" if status < 500 else "InternalServerError"
    body: dict[str, JSON] = {"message": _message(error), "error": NAMES.get(status, default)}
    if error.extra.get("blockers"):
        body["blockers"] = error.extra["blockers"]
    return status, body


def _status(error: RegistryError) -> int:
    if isinstance(error, NotPlain):
        return 422
    if isinstance(error, Conflict):
        return 403 if error.code.startswith(FORBIDDEN) else 400
    if isinstance(error, Invalid):
        return 400
    if isinstance(error, Unauthenticated | Forbidden | NotFound):
        return error.status
    return 400 if error.status in {408, 409, 412, 415, 422, 428} else error.status


def _message(error: RegistryError) -> str:
    told = [f"{one.field}: {one.message}" if one.field else one.message for one in error.errors]
    more = "; ".join(one for one in told if one not in error.detail)
    return f"{error.detail} {more}" if more and not error.detail.endswith(more) else error.detail
