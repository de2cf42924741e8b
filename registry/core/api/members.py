"""`/members`: who is in the workspace, and what they may do."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from registry.core.actions.sessions import sign_in_address
from registry.core.actions.workspaces import GRANTS, change_member, find_member, invite
from registry.core.actor import Role
from registry.core.api.bodies import Flag, StrictSerializer, Text
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.models import Member
from registry.core.permissions import Permission
from registry.core.times import rfc3339

ROLES = [str(role) for role in Role]


class Email(serializers.EmailField):
    """An e-mail address, as it is written."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, trim_whitespace=False, **kwargs)


class NewMember(StrictSerializer):
    """Somebody to let in."""

    email = Email()
    role = serializers.ChoiceField(ROLES)
    grants = serializers.ListField(child=serializers.ChoiceField(sorted(GRANTS)), required=False)


class MemberChange(StrictSerializer):
    """What is left out stays."""

    role = serializers.ChoiceField(ROLES, required=False)
    grants = serializers.ListField(child=serializers.ChoiceField(sorted(GRANTS)), required=False)
    is_active = Flag(required=False)


class MemberAnswer(serializers.Serializer[Any]):
    """A person in the workspace."""

    email = serializers.CharField()
    name = serializers.CharField()
    role = serializers.ChoiceField(ROLES)
    grants = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class InvitedMember(MemberAnswer):
    """A person just let in: `sign_in_url` is a one-time link for somebody new, else the ordinary page."""

    sign_in_url = Text()


def show_member(member: Member) -> dict[str, JSON]:
    """A member as the API tells of them; the user must be loaded."""
    return {
        "email": member.user.email,
        "name": member.user.name,
        "role": member.role,
        "grants": list(member.grants),
        "is_active": member.can_act,
        "created_at": rfc3339(member.created_at),
    }


class MembersView(RegistryView):
    """The members of the workspace."""

    keeps_answers = False

    @extend_schema(responses=listing(MemberAnswer))
    def get(self, request: Request) -> Response:
        """Members, the newest first; deactivated ones too."""
        self.allow(Permission.ADMINISTER)
        rows = Member.objects.in_workspace(self.actor.workspace_id).select_related("user")
        return self.page(rows, show_member)

    @extend_schema(request=NewMember, responses={201: InvitedMember})
    def post(self, request: Request) -> Response:
        """Let a person in, or back in."""
        self.allow(Permission.ADMINISTER)
        given = self.body(NewMember)
        invited = invite(self.actor, given["email"], role=Role(given["role"]), grants=given.get("grants", ()))
        invited.member.refresh_from_db()
        data: dict[str, JSON] = {**show_member(invited.member), "sign_in_url": sign_in_address(invited.token)}
        return self.single(data, status=201)


class MemberView(RegistryView):
    """One member."""

    @extend_schema(responses=MemberAnswer)
    def get(self, request: Request, email: str) -> Response:
        """One member by address, whatever its case."""
        member = find_member(self.actor.workspace_id, email)
        self.allow(Permission.ADMINISTER)
        return self.single(show_member(member))

    @extend_schema(request=MemberChange, responses=MemberAnswer)
    def patch(self, request: Request, email: str) -> Response:
        """Change role, grants or activity."""
        member = find_member(self.actor.workspace_id, email)
        self.allow(Permission.ADMINISTER)
        given = self.body(MemberChange)
        role = Role(given["role"]) if "role" in given else None
        changed = change_member(
            self.actor, member, role=role, grants=given.get("grants"), is_active=given.get("is_active")
        )
        return self.single(show_member(changed))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, email: str) -> Response:
        """Deactivate a member; what they did keeps their name."""
        member = find_member(self.actor.workspace_id, email)
        self.allow(Permission.ADMINISTER)
        change_member(self.actor, member, is_active=False)
        return Response(status=204)
