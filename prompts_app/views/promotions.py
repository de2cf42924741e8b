"""Promotions: asked for, reviewed, applied. Every button is one action; what it refuses is said on the same page."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.actions import applying, promotions, reviews
from prompts_app.actions.environments import find_environment
from prompts_app.actions.prompts import find_prompt
from prompts_app.actions.versions import find_version
from prompts_app.around_queries import onward
from prompts_app.blocker_words import overridden
from prompts_app.choice_queries import Choice, choices, failed_suites, proposed
from prompts_app.conversation_queries import Thread
from prompts_app.diffing import compare
from prompts_app.facts import current_policy, live_deployment
from prompts_app.models import Environment, Override, Promotion, PromotionState, Prompt, Side, Vote
from prompts_app.next_steps import checks_first, next_steps
from prompts_app.obstacle_queries import waits_of
from prompts_app.policy import Policy
from prompts_app.promoting_words import what_follows
from prompts_app.promotion_queries import Filter, Review, review_of, story_of
from prompts_app.promotion_queries import promotions as find_promotions
from prompts_app.views.drawing import Marks, Place, draw
from registry.core.actions.workspaces import find_member
from registry.core.errors import ConfirmationNeeded, NotFound, RegistryError, invalid_field
from registry.core.pages import PageForm, attempt, page, read_moment, status_of
from registry.core.people_queries import people_of, who_goes_back
from registry.core.permissions import Permission, allows, require
from registry.core.refusals import note_refusal
from registry.core.templatetags.ui import state_word
from registry.core.web import PageRequest

# A choice draws the page anew with what it would change; without scripts there is a button for that.
REDRAW = {
    "hx-get": "?",
    "hx-trigger": "change",
    "hx-include": "#id_version, #id_environment, #id_title",
    "hx-target": "#new-promotion",
    "hx-select": "#new-promotion",
    "hx-swap": "outerMorph",
    "hx-replace-url": "true",
}
STATES = [(state, state_word(state)) for state in PromotionState.values]


class PromotionForm(PageForm):
    """Which version goes where."""

    version = forms.TypedChoiceField(coerce=int)
    environment = forms.ChoiceField(label="To")
    title = forms.CharField(
        required=False, max_length=200, help_text="What it brings. Left empty, it is named after its version."
    )
    acknowledge_breaking = forms.BooleanField(
        required=False,
        label="Services know of the breaking change",
        help_text="Only where the contract with callers breaks. Reviewers see that you said so.",
    )

    def __init__(self, found: Sequence[Choice], places: Sequence[Environment], *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        version, environment = self.fields["version"], self.fields["environment"]
        assert isinstance(version, forms.ChoiceField) and isinstance(environment, forms.ChoiceField)
        version.choices = [(one.number, one.said(places)) for one in found]
        environment.choices = [(place.name, place.label) for place in places]
        for field in (version, environment):
            field.widget.attrs |= REDRAW

    def open(self, request: PageRequest, prompt: Prompt) -> Promotion:
        """Ask for what the form says."""
        given = self.cleaned_data
        return promotions.open_promotion(
            request.actor,
            find_version(prompt, given["version"]),
            find_environment(prompt.workspace_id, given["environment"]),
            title=given["title"],
            acknowledge_breaking=given["acknowledge_breaking"],
        )


@page()
def promotion_list(request: PageRequest) -> HttpResponse:
    """Promotions by state, environment and prompt."""
    require(request.actor, Permission.READ)
    chosen = Filter(
        state=request.GET.get("state", "pending"),
        environment=request.GET.get("environment", ""),
        prompt=request.GET.get("prompt", ""),
    )
    found = find_promotions(request.workspace.pk, chosen, page=request.GET.get("page"))
    listed = list(found)
    waits = waits_of(request.workspace.pk, listed)
    context = {
        "chosen": chosen,
        "promotions": found,
        "rows": [(promotion, waits.get(promotion.pk)) for promotion in listed],
        "environments": Environment.objects.in_workspace(request.workspace.pk),
        "states": [("pending", "Open, scheduled or suspended"), *STATES, ("", "All")],
    }
    return render(request, "prompts/promotions.html", context)


@page("GET", "HEAD", "POST")
def promotion_new(request: PageRequest, name: str) -> HttpResponse:
    """The form that opens a promotion, with what would change."""
    require(request.actor, Permission.WRITE)
    prompt = find_prompt(request.workspace.pk, name)
    places = list(Environment.objects.in_workspace(prompt.workspace_id))
    found = choices(prompt)
    initial = {**_asked(request, prompt, found, places), "title": request.GET.get("title", "")}
    form = PromotionForm(found, places, request.POST or None, initial=initial)
    if request.method == "POST":
        opened = attempt(form, lambda: form.open(request, prompt))
        if opened:
            return redirect("promotion", request.workspace.slug, opened.pk)
    context = {"prompt": prompt, "form": form, **_preview(request, prompt, found, places, initial)}
    return render(request, "prompts/promotion_new.html", context, status=status_of(form))


@page()
def promotion_page(request: PageRequest, pk: int) -> HttpResponse:
    """What changes, whether the evidence is good enough, what stands in the way, and who can clear it."""
    require(request.actor, Permission.READ)
    return _promotion_page(request, pk)


@page("POST")
def promotion_do(request: PageRequest, pk: int, verb: str) -> HttpResponse:
    """One button of the promotion's page."""
    if verb not in VERBS:
        raise NotFound("not_found", "There is nothing at this address.")
    promotion = promotions.find_promotion(request.workspace.pk, pk)
    try:
        said = VERBS[verb](request, promotion, _stamp(request))
    except (NotFound, ConfirmationNeeded):
        raise
    except RegistryError as refused:
        note_refusal(request, refused)
        return _promotion_page(request, pk, refused)
    messages.success(request, said)
    return redirect("promotion", request.workspace.slug, pk)


@page("POST")
def comment_resolve(request: PageRequest, pk: int, comment: int) -> HttpResponse:
    """A remark is dealt with, or open again."""
    remark = reviews.find_comment(promotions.find_promotion(request.workspace.pk, pk), comment)
    reviews.resolve_comment(request.actor, remark, resolved=request.POST.get("resolved") == "1")
    return redirect("promotion", request.workspace.slug, pk)


def _promotion_page(request: PageRequest, pk: int, refused: RegistryError | None = None) -> HttpResponse:
    promotion = promotions.find_promotion(request.workspace.pk, pk)
    review = review_of(promotion, request.actor)
    base = promotion.base.version.load() if promotion.base and promotion.base.version else None
    is_split = request.GET.get("view") == "split"
    context = {
        "promotion": promotion,
        "review": review,
        "steps": next_steps(review, request.actor),
        "checks_first": checks_first(review),
        "story": story_of(review),
        "overridden": overridden(review.override.present, review.titles) if review.override else (),
        "onward": onward(promotion, review.live) if promotion.deployment else None,
        "drawn": draw(compare(base, promotion.version.load()), side_by_side=is_split, marks=_marks(request, review)),
        "say": ("?view=split" if is_split else "?view=one") if allows(request.actor, Permission.WRITE) else "",
        "may_roll_back": allows(request.actor, Permission.ROLL_BACK),
        "who_goes_back": who_goes_back(request.actor) if promotion.deployment else "",
        "refused": refused,
        "typed": request.POST if refused else {},
    }
    return render(request, "prompts/promotion.html", context, status=refused.status if refused else 200)


def _marks(request: PageRequest, review: Review) -> Marks:
    """What was said about lines that still are what they were, and the line that the address asks to comment on."""
    threads: dict[Place, list[Thread]] = defaultdict(list)
    for thread in review.threads:
        if thread.is_on_line and not thread.is_outdated:
            threads[Place(*thread.place)].append(thread)
    path, side, line = (request.GET.get(name, "") for name in ("path", "side", "line"))
    number = _whole(line)
    return Marks(threads, Place(path, side, number) if number else None)


def _asked(
    request: PageRequest, prompt: Prompt, found: Sequence[Choice], places: Sequence[Environment]
) -> dict[str, object]:
    """The version and the environment of the address; what it does not name is what can go on next."""
    asked = {name: request.GET[name] for name in ("version", "environment") if name in request.GET}
    if len(asked) == 2:
        return dict(asked)
    among = [one for one in found if str(one.number) == asked.get("version", str(one.number))]
    number, place = proposed(prompt, among, [one for one in places if one.name == asked.get("environment", one.name)])
    return {"version": number, "environment": place, **asked}


def _preview(
    request: PageRequest,
    prompt: Prompt,
    found: Sequence[Choice],
    places: Sequence[Environment],
    initial: Mapping[str, object],
) -> dict[str, object]:
    """What opening would change, for the version and environment of the address, what speaks against it, and what has to
    come first there."""
    number = str(initial["version"])
    if not number.isdecimal() or not int(number):
        return {}
    version = find_version(prompt, int(number))
    named = str(initial["environment"])
    environment = next((one for one in places if one.name == named), None)
    environment = environment or find_environment(prompt.workspace_id, named)
    live = live_deployment(prompt, environment)
    old = live.version if live else None
    policy = current_policy(environment).load()
    return {
        "version": version,
        "environment": environment,
        "live": old,
        "choice": next((one for one in found if one.number == version.number), None),
        "failed": failed_suites(version, old, policy),
        "follows": _follows(request, environment, policy, places),
        "drawn": draw(compare(old.load() if old else None, version.load())),
    }


def _follows(request: PageRequest, environment: Environment, policy: Policy, places: Sequence[Environment]) -> str:
    lower = [place for place in places if place.rank < environment.rank]
    may_apply = allows(request.actor, Permission.APPLY, protected=policy.protected)
    names: Sequence[str] = () if may_apply else people_of(request.workspace.pk).who_may(Permission.APPLY)
    return what_follows(policy, environment.label, lower=lower[-1].label if lower else "", appliers=names)


def _stamp(request: PageRequest) -> int | None:
    return _whole(request.POST.get("stamp", ""))


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _voting(choice: Vote, said: str) -> "Verb":
    def vote(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
        post = request.POST
        subject, comment = post.get("subject_hash", ""), _text(post.get("comment", ""))
        if choice is Vote.REQUEST_CHANGES and not comment.strip():
            raise invalid_field("comment", "required", "Say what has to change: whoever asked reads it here.")
        reviews.vote(request.actor, promotion, choice, stamp=stamp, subject_hash=subject, comment=comment)
        if choice is Vote.APPROVE and promotion.ready_by is not None:
            return f"{said} It goes live by itself once nothing stands in the way: {promotion.ready_by.user.name} set it to."
        return said

    return vote


def _comment(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    post = request.POST
    answered = _whole(post.get("reply_to", ""))
    reviews.comment(
        request.actor,
        promotion,
        body=_text(post.get("comment", "")),
        spot=reviews.Spot(post.get("path", ""), _whole(post.get("line", "")), post.get("side", Side.NEW)),
        reply_to=reviews.find_comment(promotion, answered) if answered is not None else None,
        subject_hash=post.get("subject_hash", "") if post.get("line") else "",
    )
    return "Your comment is there."


def _apply(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    applying.apply_promotion(request.actor, promotion, stamp=stamp)
    return f"Version {promotion.version.number} is live in {promotion.environment.label}."


def _override(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    applying.override_promotion(request.actor, promotion, stamp=stamp, reason=_text(request.POST.get("reason", "")))
    return f"Version {promotion.version.number} is live in {promotion.environment.label}, over what stood in the way."


def _schedule(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    at = _moment(request)
    promotions.schedule(request.actor, promotion, stamp=stamp, at=at)
    return "Scheduled. Approvals have to be given for that time."


def _unschedule(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.unschedule(request.actor, promotion, stamp=stamp)
    return "No longer scheduled."


def _resume(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.resume(request.actor, promotion, stamp=stamp)
    return "Open again."


def _rebase(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.rebase(request.actor, promotion, stamp=stamp)
    return "It is compared with what is live now. Approvals given before have to be given again."


def _reopen(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.reopen(request.actor, promotion, stamp=stamp)
    return "It is judged by the present policy; earlier votes no longer count."


def _close(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.close(request.actor, promotion, stamp=stamp, reason=_text(request.POST.get("reason", "")))
    return "Closed."


def _acknowledge(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    promotions.acknowledge_breaking(request.actor, promotion, stamp=stamp)
    return "Noted for reviewers: services know of the breaking change."


def _ready(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    ready = request.POST.get("ready") == "1"
    promotions.set_ready(request.actor, promotion, stamp=stamp, ready=ready)
    return (
        "It will be promoted as soon as nothing stands in the way." if ready else "It waits for somebody to promote it."
    )


def _dismiss(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    member = find_member(request.workspace.pk, request.POST.get("member", ""))
    reason = _text(request.POST.get("reason", ""))
    reviews.dismiss_request(request.actor, promotion, member, stamp=stamp, reason=reason)
    return f"The request of {member.user.name} is set aside."


def _review_override(request: PageRequest, promotion: Promotion, stamp: int | None) -> str:
    override = Override.objects.filter(promotion=promotion).first()
    if override is None:
        raise NotFound("override.not_found", "Nothing was overridden here.")
    applying.review_override(request.actor, override)
    return "You have reviewed this override."


type Verb = Callable[[PageRequest, Promotion, int | None], str]

VERBS: dict[str, Verb] = {
    "approve": _voting(Vote.APPROVE, "You approved it."),
    "request-changes": _voting(Vote.REQUEST_CHANGES, "You asked for changes."),
    "withdraw-vote": _voting(Vote.WITHDRAWN, "Your vote is taken back."),
    "comments": _comment,
    "apply": _apply,
    "override": _override,
    "schedule": _schedule,
    "unschedule": _unschedule,
    "resume": _resume,
    "rebase": _rebase,
    "reopen": _reopen,
    "close": _close,
    "acknowledge-breaking": _acknowledge,
    "ready": _ready,
    "dismiss": _dismiss,
    "review-override": _review_override,
}


def _text(typed: str) -> str:
    return typed.replace("\r\n", "\n")


def _moment(request: PageRequest) -> datetime:
    """The time chosen: exact where the page's script gave it, else as typed."""
    moment = read_moment(request.POST.get("at") or request.POST.get("at_typed", ""))
    if moment is None:
        raise invalid_field("at", "format", "Choose a date and a time.")
    return moment
