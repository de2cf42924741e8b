"""What the OpenAPI document says of authentication."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from registry.core.api.authentication import RegistryAuthentication


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
