"""Members of a workspace: who is in, with which role, and the links that let others in."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from registry.core.actions.invitations import create_invitation, find_invitation, revoke_invitation
from registry.core.actions.sessions import sign_in_address
from registry.core.actions.workspaces import GRANTS, change_member, find_member, invite
from registry.core.actor import Role
from registry.core.models import Invitation, Member
from registry.core.pages import PageForm, attempt, page, status_of
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

ROLES = [(role.value, role.value.capitalize()) for role in Role]
LIFETIMES = [(1, "A day"), (7, "A week"), (30, "30 days")]


class InviteForm(PageForm):
    """Who comes in, and as what."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=ROLES, initial=Role.EDITOR)


class MemberForm(PageForm):
    """What a member may do."""

    role = forms.ChoiceField(choices=ROLES)
    grants = forms.MultipleChoiceField(choices=[(name, name) for name in sorted(GRANTS)], required=False)


class LinkForm(PageForm):
    """A link for somebody: with which role, for how long."""

    role = forms.ChoiceField(choices=ROLES, initial=Role.EDITOR)
    days = forms.TypedChoiceField(label="Works for", choices=LIFETIMES, coerce=int, initial=7)
    note = forms.CharField(
        label="For whom", max_length=120, required=False, help_text="For the list below, which admins and owners see."
    )


@page("GET", "HEAD", "POST")
def members(request: PageRequest) -> HttpResponse:
    """Everybody in the workspace; adding somebody by address shows their sign-in link once, on the answer itself."""
    require(request.actor, Permission.ADMINISTER)
    form = InviteForm(request.POST or None)
    invited = None
    if request.method == "POST":
        invited = attempt(
            form, lambda: invite(request.actor, form.cleaned_data["email"], role=Role(form.cleaned_data["role"]))
        )
    address = sign_in_address(invited.token) if invited and invited.token else ""
    context: dict[str, object] = {"invited": invited, "address": address}
    if form.is_bound and not invited:
        context["form"] = form
    return _members_page(request, context, status=status_of(form))


@page("POST")
def invitation_new(request: PageRequest) -> HttpResponse:
    """A link that lets its holder in; it is shown once, on the answer itself."""
    form = LinkForm(request.POST)
    made = attempt(
        form,
        lambda: create_invitation(
            request.actor,
            role=Role(form.cleaned_data["role"]),
            days=form.cleaned_data["days"],
            note=form.cleaned_data["note"],
        ),
    )
    context: dict[str, object] = {"link": made, "link_form": None if made else form}
    return _members_page(request, context, status=201 if made else status_of(form))


@page("POST")
def invitation_revoke(request: PageRequest, pk: int) -> HttpResponse:
    """End a link before somebody uses it."""
    revoke_invitation(request.actor, find_invitation(request.workspace.pk, pk))
    messages.success(request, "The link is revoked: it lets nobody in any more.")
    return redirect("settings_members", request.workspace.slug)


def _members_page(request: PageRequest, given: dict[str, object], *, status: int) -> HttpResponse:
    require(request.actor, Permission.ADMINISTER)
    here = request.workspace.pk
    members_here = Member.objects.in_workspace(here).select_related("user").order_by("-is_active", "user__name")
    invitations = Invitation.objects.in_workspace(here).open().select_related("created_by__user").order_by("-pk")
    # Who was sent here to invite somebody for a task begins with the role that the task takes.
    wanted = request.GET.get("role", "")
    initial = {"role": wanted} if wanted in dict(ROLES) else {}
    form = InviteForm(initial=initial)
    context = {"form": form, "roles": ROLES, "members": members_here, "invitations": invitations, **given}
    context["link_form"] = given.get("link_form") or LinkForm(initial=initial)
    return render(request, "registry/members.html", context, status=status)


@page("POST")
def member_change(request: PageRequest, email: str) -> HttpResponse:
    """Another role, other grants."""
    form = MemberForm(request.POST)
    changed = attempt(form, lambda: _change(request, email, form))
    if changed:
        messages.success(request, _said_of(changed))
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return redirect("settings_members", request.workspace.slug)


def _said_of(member: Member) -> str:
    """Role and grants as they are now."""
    may = f", and may {' and '.join(sorted(member.grants))}" if member.grants else ""
    return f"{member.user.name} is {member.role} now{may}."


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
