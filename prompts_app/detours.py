"""The way back from settings to what one left for them: `?back=` names a page of this workspace, and is carried along."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse

# The pages that send people elsewhere, by their URL names, and what going back to one is called.
_TASKS: Mapping[str, Callable[[Mapping[str, object]], str]] = {
    "board": lambda _: "Back to the prompts",
    "prompt": lambda at: f"Back to {at['name']}",
    "prompt_edit": lambda at: f"Back to the editor of {at['name']}",
    "version": lambda at: f"Back to {at['name']} v{at['number']}",
    "prompt_try": lambda at: f"Back to trying {at['name']}",
    "promotion": lambda at: f"Back to promotion {at['pk']}",
    "environment": lambda _: "Back to the environment",
    "run": lambda at: f"Back to run {at['pk']}",
}


@dataclass(frozen=True)
class CameFrom:
    """The page that somebody left for a moment, and what going back is called."""

    address: str
    label: str

    @property
    def query(self) -> str:
        """What a form's address carries, so that its answer knows the way back too."""
        return f"?{urlencode({'back': self.address})}"


def came_from(request: HttpRequest) -> CameFrom | None:
    """Where the reader left for this page; None for no such page, and for one that is not of this workspace."""
    address, here = request.GET.get("back", ""), request.resolver_match
    if here is None or not address.startswith(f"/w/{here.kwargs.get('workspace')}/"):
        return None
    try:
        match = resolve(address.partition("?")[0])
    except Resolver404:
        return None
    label = _TASKS.get(match.url_name or "")
    return CameFrom(address, label(match.kwargs)) if label else None


def stay_on_detour(request: HttpRequest, name: str, *args: object, **more: str) -> HttpResponse:
    """A redirect to the page of that URL name which still knows the way back; `more` goes into its address too."""
    known = came_from(request)
    query = {"back": known.address} | more if known else more
    return redirect(reverse(name, args=args) + (f"?{urlencode(query)}" if query else ""))
