"""Members of a workspace: who is in, with which role."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.sessions import sign_in_address
from registry.core.actions.workspaces import GRANTS, change_member, find_member, invite
from registry.core.actor import Role
from registry.core.models import Member
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

ROLES = [(role.value, role.value.capitalize()) for role in Role]


class InviteForm(PageForm):
    """Who comes in, and as what."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=ROLES, initial=Role.EDITOR)


class MemberForm(PageForm):
    """What a member may do."""

    role = forms.ChoiceField(choices=ROLES)
    grants = forms.MultipleChoiceField(choices=[(name, name) for name in sorted(GRANTS)], required=False)


@page("GET", "HEAD", "POST")
def members(request: PageRequest) -> HttpResponse:
    """Everybody in the workspace; inviting shows the sign-in link once, on the answer itself."""
    require(request.actor, Permission.ADMINISTER)
    form = InviteForm(request.POST or None)
    invited = None
    if request.method == "POST":
        invited = attempt(
            form, lambda: invite(request.actor, form.cleaned_data["email"], role=Role(form.cleaned_data["role"]))
        )
    everybody = (
        Member.objects.in_workspace(request.workspace.pk).select_related("user").order_by("-is_active", "user__name")
    )
    address = sign_in_address(invited.token) if invited and invited.token else ""
    context: dict[str, object] = {"form": InviteForm() if invited else form, "invited": invited, "address": address}
    context |= {"members": everybody, "roles": ROLES}
    return render(request, "registry/members.html", context, status=status_of(form))


@page("POST")
def member_change(request: PageRequest, email: str) -> HttpResponse:
    """Another role, other grants."""
    form = MemberForm(request.POST)
    changed = attempt(form, lambda: _change(request, email, form))
    if changed:
        messages.success(request, f"{changed.user.name} is {changed.role} now.")
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return redirect("settings_members", request.workspace.slug)


def _change(request: PageRequest, email: str, form: MemberForm) -> Member:
    member = find_member(request.workspace.pk, email)
    return change_member(
        request.actor, member, role=Role(form.cleaned_data["role"]), grants=form.cleaned_data["grants"]
    )


@page("POST")
def member_activity(request: PageRequest, email: str) -> HttpResponse:
    """Deactivate a member, or let them back in."""
    member = find_member(request.workspace.pk, email)
    changed = change_member(request.actor, member, is_active=request.POST.get("active") == "1")
    word = "can sign in again" if changed.is_active else "is deactivated: their approvals no longer count"
    messages.success(request, f"{changed.user.name} {word}.")
    return redirect("settings_members", request.workspace.slug)
