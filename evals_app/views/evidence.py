"""What suites say, for the prompts' pages: fragments that those load by name, and pages of their own without a script."""

import json
from collections.abc import Sequence
from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from evals_app.actions.runs import resume_run, retry_errors, start_run
from evals_app.actions.suites import attach_suite, find_suite
from evals_app.apart_queries import known_apart
from evals_app.evidence_queries import (
    Lack,
    PromotionEvidence,
    checks_panel,
    evidence_between,
    judged_evidence,
    lacking_words,
)
from evals_app.models import RunState, Suite
from evals_app.usage_queries import usage_of_version
from evals_app.views.suites import RUN_ON, attached_words
from prompts_app.actions.promotions import find_promotion
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.detours import stay_on_detour
from prompts_app.facts import subject_of
from prompts_app.models import Promotion, Prompt, PromptVersion
from registry.core.errors import Conflict, Forbidden, Invalid, NotFound
from registry.core.pages import page
from registry.core.permissions import Permission, allows, require
from registry.core.web import PageRequest

# So long after a version was saved its runs may still be about to start: the panel looks again by itself.
STARTS_WITHIN = timedelta(seconds=60)


@page()
def prompt_checks_panel(request: PageRequest, name: str, number: int = 0) -> HttpResponse:
    """The suites attached to a prompt, and what each says of a version (the newest where none is named)."""
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    return _panel(request, prompt, number, find_version(prompt, number or prompt.last_number))


@page("POST")
def prompt_checks_run(request: PageRequest, name: str, number: int) -> HttpResponse:
    """Start the runs that a version lacks."""
    prompt = find_prompt(request.workspace.pk, name)
    version = find_version(prompt, number)
    require(request.actor, Permission.RUN)
    _start(request, version, checks_panel(version).lacking)
    if request.POST.get("back") == "version":
        return redirect("version", request.workspace.slug, prompt.name, number)
    return stay_on_detour(request, "prompt", request.workspace.slug, prompt.name)


@page("POST")
def prompt_checks_attach(request: PageRequest, name: str) -> HttpResponse:
    """Attach a suite to a prompt, from the prompt's page."""
    prompt = find_prompt(request.workspace.pk, name)
    suite = find_suite(request.workspace.pk, request.POST.get("suite", "").replace("\0", ""))
    required, run_on = request.POST.get("required") == "on", request.POST.get("run_on", RUN_ON[0][0])
    try:
        attach_suite(request.actor, suite, prompt, required=required, run_on=run_on)
        messages.success(request, attached_words(suite, prompt.name, required=required))
    except (Invalid, Conflict, Forbidden) as refused:
        messages.error(request, refused.detail)
    return stay_on_detour(request, "prompt", request.workspace.slug, prompt.name)


@page()
def promotion_evidence(request: PageRequest, pk: int) -> HttpResponse:
    """The required suites' answers in full, for one promotion; a page that is open is kept by it as things are.

    `seen` is the promotion's edition when the page was drawn; asked with `watch`, nothing is answered while it is the same.
    What a vote is bound to (`subject`) does not change under the hands of who may vote: they are told to look again.
    """
    require(request.actor, Permission.READ)
    promotion = find_promotion(request.workspace.pk, pk)
    seen, subject = request.GET.get("seen") or promotion.edition, subject_of(promotion).hash
    is_changed = seen != promotion.edition
    if "watch" in request.GET and not is_changed:
        return HttpResponse(status=204)
    found = judged_evidence(promotion)
    has_begun = request.GET.get("starting") == "1" and not found.is_starting
    has_ended = "moving" in request.GET and not found.is_moving
    is_other = request.GET.get("subject", subject) != subject and allows(request.actor, Permission.REVIEW)
    context = {
        "promotion": promotion,
        "found": found,
        "seen": promotion.edition,
        "subject": subject,
        "view": request.GET.get("view", ""),
        "is_other": is_other,
        "is_told_anew": (is_changed or has_begun or has_ended) and not is_other,
        "may_run": allows(request.actor, Permission.RUN) and promotion.is_pending,
        "lacking_words": lacking_words(found.left_to_ask),
    }
    template = "evals/promotion_evidence.html#evidence" if request.htmx else "evals/promotion_evidence.html"
    answer = render(request, template, context)
    if context["is_told_anew"] and request.htmx:
        text = _news(promotion, found, is_changed=is_changed)
        answer["HX-Trigger"] = json.dumps({"toast": {"text": text}})
    return answer


@page("POST")
def promotion_evidence_run(request: PageRequest, pk: int) -> HttpResponse:
    """Start the runs that a promotion lacks."""
    promotion = find_promotion(request.workspace.pk, pk)
    require(request.actor, Permission.RUN)
    _start(request, promotion.version, judged_evidence(promotion).lacking)
    return redirect("promotion", request.workspace.slug, pk)


@page()
def compare_evidence(request: PageRequest, name: str) -> HttpResponse:
    """What suites said of one version against another, where they were asked; else what each said of either alone."""
    require(request.actor, Permission.READ)
    prompt = find_prompt(request.workspace.pk, name)
    old, new = find_version(prompt, _number(request, "from")), find_version(prompt, _number(request, "to"))
    evidence = evidence_between(old, new)
    context = {
        "prompt": prompt,
        "old": old,
        "new": new,
        "evidence": evidence,
        "apart": known_apart(old, new, but={one.suite.pk for one in evidence}) if old.digest != new.digest else (),
        "is_moving": any(one.line is not None and one.line.run.is_open for one in evidence),
        "may_run": allows(request.actor, Permission.RUN),
    }
    template = "evals/compare_evidence.html#evidence" if request.htmx else "evals/compare_evidence.html"
    return render(request, template, context)


def _panel(request: PageRequest, prompt: Prompt, number: int, version: PromptVersion) -> HttpResponse:
    panel = checks_panel(version)
    attached = [row.suite.pk for row in panel.rows]
    is_new = timezone.now() - version.created_at < STARTS_WITHIN
    context = {
        "prompt": prompt,
        "panel": panel,
        "starting": panel.starting if is_new else (),
        "lacking_words": lacking_words(panel.lacking),
        "usage": usage_of_version(version),
        "back": "version" if number else "prompt",
        "unattached": Suite.objects.in_workspace(request.workspace.pk).exclude(pk__in=attached),
        "run_on_choices": RUN_ON,
        "may_run": allows(request.actor, Permission.RUN),
        "may_lift": allows(request.actor, Permission.WRITE)
        and (allows(request.actor, Permission.CHANGE_REQUIRED_SUITE) or not panel.is_relied_on),
    }
    answer = render(request, "evals/checks.html#panel" if request.htmx else "evals/checks.html", context)
    if "moving" in request.GET and not panel.is_moving and not context["starting"]:
        answer["HX-Trigger"] = "suites-told"  # what stands above, by the stages, says the same
    return answer


def _news(promotion: Promotion, found: PromotionEvidence, *, is_changed: bool) -> str:
    """What somebody reads who has had the page open."""
    if not is_changed and found.is_moving:
        return "Its run has started: the page follows it."
    if not is_changed and found.lacking:
        return "Evidence is missing, and no run for it has started by itself."
    if not is_changed:
        return "The evidence is in: what stands in the way is told anew."
    if promotion.deployment_id is not None:
        return f"v{promotion.version.number} is live in {promotion.environment.label} now."
    if not promotion.is_pending:
        return f"This promotion has ended: {promotion.get_state_display().lower()}."
    return "Something about this promotion has changed: the page shows it as it is now."


def _start(request: PageRequest, version: PromptVersion, lacking: Sequence[Lack]) -> None:
    """Start what is lacking, as far as it can be, and say what came of it."""
    try:
        for lack in lacking:
            if lack.again is None:
                start_run(request.actor, version, lack.suite, baseline=lack.baseline)
            else:
                go_on = resume_run if lack.again.state == RunState.CANCELLED else retry_errors
                go_on(request.actor, lack.again)
    except Conflict as refused:
        messages.error(request, refused.detail)
        return
    if lacking and all(lack.again for lack in lacking):
        messages.success(request, "Asking again where no answer came.")
        return
    count = len(lacking)
    messages.success(request, f"{count} run{'' if count == 1 else 's'} started." if count else "Nothing is missing.")


def _number(request: PageRequest, name: str) -> int:
    text = request.GET.get(name, "")
    if not text.isdecimal() or len(text) > 9:
        raise NotFound("version.not_found", "Name two versions: from and to.")
    return int(text)
