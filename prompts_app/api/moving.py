"""What the routes that change what is live share."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from prompts_app.actions.moving import Moved
from prompts_app.delivery.propagation import wait_until_seen
from prompts_app.models import Deployment
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON


def show_moved(moved: Moved) -> dict[str, JSON]:
    """A change of what is live, as whoever caused it is told; `propagated` is said once it has committed."""
    return {"deployment": moved.deployment.pk, "revision": moved.revision, "propagated": False}


class MovingView(RegistryView):
    """Answers only when every process that serves from memory has dropped what was live before."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """By now all is committed, also where the answer to an earlier request of the same key is given again."""
        data = getattr(response, "data", None)
        if isinstance(data, dict) and "propagated" in data:
            data["propagated"] = wait_until_seen(Deployment.objects.get(pk=data["deployment"]))
        return super().finalize_response(request, response, *args, **kwargs)
