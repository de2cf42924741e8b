"""Members who go: what hangs on them is shown first, and their keys find somebody else where they must work on."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from prompts_app.member_queries import others_of, ties_of
from registry.core.actions.workspaces import change_member, find_member, hand_over_keys, leave_workspace
from registry.core.models import Member
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

STOP = "stop"


class GoingForm(PageForm):
    """What becomes of the keys of a member who goes: a choice that nobody makes by accident."""

    keys = forms.ChoiceField(label="Their keys", widget=forms.RadioSelect)

    def __init__(self, *args: object, keys: int, others: list[Member], reader: Member, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["keys"]
        assert isinstance(choice, forms.ChoiceField)
        if not keys:
            del self.fields["keys"]
            return
        names = [
            (str(one.pk), f"Work on: {one.user.name}{' (you)' if one == reader else ''} answers for them")
            for one in others
        ]
        choice.choices = [*names, (STOP, "Stop working at once: what uses them is refused")]


@page("GET", "HEAD", "POST")
def member_deactivate(request: PageRequest, email: str) -> HttpResponse:
    """What becomes of their promotions, votes and keys; posting deactivates."""
    require(request.actor, Permission.ADMINISTER)
    member = find_member(request.workspace.pk, email)
    ties, others = ties_of(member), others_of(member)
    given = request.POST if request.method == "POST" else None
    form = GoingForm(given, keys=len(ties.keys), others=others, reader=request.member)
    if request.method == "POST":
        gone = attempt(form, lambda: _deactivate(request, member, form, others))
        if gone:
            said = f"{gone.user.name} is deactivated: their approvals no longer count, and they cannot sign in here."
            messages.success(request, said)
            return redirect("settings_members", request.workspace.slug)
    context = {"gone": member, "ties": ties, "form": form, "is_self": False}
    return render(request, "prompts/member_going.html", context, status=status_of(form))


@page("GET", "HEAD", "POST")
def leave(request: PageRequest) -> HttpResponse:
    """The same for oneself; posting leaves the workspace."""
    if request.method == "POST":
        leave_workspace(request.actor, request.member)
        messages.success(request, f"You left {request.workspace.name}.")
        return redirect("home")
    context = {"gone": request.member, "ties": ties_of(request.member), "is_self": True}
    return render(request, "prompts/member_going.html", context)


@transaction.atomic
def _deactivate(request: PageRequest, member: Member, form: GoingForm, others: list[Member]) -> Member:
    chosen = form.cleaned_data.get("keys", STOP)
    if chosen != STOP:
        hand_over_keys(request.actor, member, to=next(one for one in others if str(one.pk) == chosen))
    return change_member(request.actor, member, is_active=False)
