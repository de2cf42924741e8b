"""Who still runs what."""

from django.http import HttpResponse
from django.shortcuts import render

from prompts_app.actions.prompts import find_prompt
from prompts_app.usage_queries import behind, retiring, served
from registry.core.clock import database_now
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


@page()
def prompt_usage(request: PageRequest, name: str) -> HttpResponse:
    """The versions of a prompt that services serve, beside what is live."""
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    lines = served(prompt)
    context = {
        "prompt": prompt,
        "lines": lines,
        "behind": behind(prompt=prompt),
        "retiring": retiring(prompt, lines, database_now()),
    }
    return render(request, "prompts/usage.html", context)
