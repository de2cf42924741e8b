"""What the OpenAPI document says beyond what the views say themselves: who may call, and every answer that is an error."""

import re
from functools import cache
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from registry.core import events
from registry.core.api.authentication import RegistryAuthentication
from registry.core.api.bodies import StrictSerializer
from registry.core.errors import PROBLEM

LIST = "List"
PARAMETER = re.compile(r"\{(\w+)\}")
WRITES = {"POST", "PUT", "PATCH", "DELETE"}
BODIES = WRITES - {"DELETE"}
WHY = {
    401: "No key or session, or one that is unknown, expired or revoked.",
    403: "The caller may not do this; `actor.key` where only people may.",
    404: "Not there, or not to be seen by this caller.",
    409: "The present state does not permit it.",
    412: "If-Match names another state than the present one.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Something sent is not acceptable; `errors` names the fields.",
    428: "If-Match is missing.",
    429: "Too many requests; Retry-After says for how long.",
    503: "A part that this needs is down; try again.",
}
PARAMETERS: dict[str, str] = {
    "name": "The prompt's name; a slash in it may be sent plainly or as %2F.",
    "env": "The environment's name.",
    "email": "A member's e-mail address.",
}


class FieldProblem(serializers.Serializer[Any]):
    """One refused field."""

    field = serializers.CharField(help_text="A path such as `messages[2].role`; empty for the whole.")
    code = serializers.CharField()
    message = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """Why a request was refused (RFC 9457). Some codes carry more, such as `blockers` with `promotion.blocked`."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable; what programs look at.")
    detail = serializers.CharField(help_text="What happened and what to do, for people.")
    errors = FieldProblem(many=True)  # type: ignore[assignment]
    request_id = serializers.CharField()


class RegistrySchema(AutoSchema):
    """One operation of the document."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """The operation, with its error answers."""
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            problem = self.resolve_serializer(Problem, "response").ref
            for status in self._refusals():
                body = {"content": {PROBLEM: {"schema": problem}}, "description": WHY[status]}
                operation["responses"].setdefault(str(status), body)
            if self._is_conditional():
                operation["responses"]["304"] = {"description": "What the caller holds is what there is."}
            operation["responses"] = dict(sorted(operation["responses"].items()))
            for parameter in operation.get("parameters", []):
                self._complete(parameter)
        return operation

    def get_operation_id(self) -> str:
        """The method and the path in words: `post_promotions_one_apply`."""
        path = PARAMETER.sub("one", self.path.removeprefix("/api/v1")).strip("/")
        return f"{self.method.lower()}_{re.sub(r'[^a-z0-9]+', '_', path)}"

    def get_summary(self) -> str:
        """The first sentence of the docstring."""
        return super().get_description().partition("\n")[0].strip()

    def get_description(self) -> str:  # type: ignore[override]
        """What the docstring says after its first sentence."""
        rest: str = super().get_description().partition("\n")[2].strip()
        return rest

    def _refusals(self) -> list[int]:
        is_open = not self.view.get_authenticators() or not self.view.get_permissions()
        found = [401, 403, 429, 503] if is_open else [401, 403, 404, 422, 429, 503]
        if self.method in BODIES:
            found += [413, 415, 422]
        if (self.method in WRITES and not is_open) or getattr(self.view, "may_conflict", False):
            found += [409]
        if self._needs_match():
            found += [412, 428]
        return found

    def _needs_match(self) -> bool:
        """Whether If-Match is required: where a promotion is moved, and where a view says so."""
        is_move = self.method == "POST" and "/promotions/{" in self.path
        return is_move or self.method in getattr(self.view, "matched", ())

    def _is_conditional(self) -> bool:
        """Whether If-None-Match means something: for one resource, but not for one whose tag is a stamp for If-Match."""
        answer = self.get_response_serializers()
        is_list = isinstance(answer, type) and answer.__name__.endswith(LIST)
        is_stamped = "/promotions/{" in self.path or bool(getattr(self.view, "matched", ()))
        return self.method == "GET" and not is_list and not is_stamped

    def _complete(self, parameter: dict[str, Any]) -> None:
        """Say what a path parameter is; patterns of converters are ours, not the caller's."""
        if parameter["in"] == "path":
            parameter["schema"].pop("pattern", None)
            words = PARAMETERS.get(parameter["name"], "")
            if words and "description" not in parameter:
                parameter["description"] = words

    def get_override_parameters(self) -> list[Any]:
        """The headers that the whole API understands."""
        found = []
        if self._is_conditional():
            found.append(OpenApiParameter("If-None-Match", str, "header", description="The ETag you hold."))
        if self._needs_match():
            found.append(OpenApiParameter("If-Match", str, "header", required=True, description="The ETag you saw."))
        if self.method == "POST" and getattr(self.view, "is_change", True):
            words = "Same key and body, same answer, for 24 hours."
            found.append(OpenApiParameter("Idempotency-Key", str, "header", description=words))
        return found

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, StrictSerializer) and direction == "request":
            schema["additionalProperties"] = False
        return schema


@cache
def listing(item: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """The documented form of a list of `item`: `{results, next}`."""
    fields = {
        "__doc__": "One page; `next` is the address of the following one.",
        "results": item(many=True),
        "next": serializers.CharField(allow_null=True),
    }
    return type(f"{item.__name__}{LIST}", (serializers.Serializer,), fields)


class KeyOrSession(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The two ways to call, for the OpenAPI document."""

    target_class = RegistryAuthentication
    name = ["key", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        """Bearer keys and the session cookie."""
        return [
            {"type": "http", "scheme": "bearer", "description": "A key of this workspace: `gr_…`."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "session",
                "description": "A signed-in person; writes need X-CSRFToken.",
            },
        ]


def add_events(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """The document with what is sent to webhooks."""
    return {**result, "webhooks": events.openapi()}
