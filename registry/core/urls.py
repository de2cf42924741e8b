"""Addresses of signing in, of people and of the workspace's own settings."""

from django.urls import path

from registry.core.views import (
    audit,
    join,
    members,
    notifications,
    passkeys,
    people,
    search,
    security,
    sessions,
    single_sign_on,
)

urlpatterns = [
    path("", sessions.home, name="home"),
    path("sign-in", sessions.sign_in, name="sign_in"),
    path("sign-in/sso", single_sign_on.sso, name="sso"),
    path("sign-in/sso/back", single_sign_on.sso_back, name="sso_back"),
    path("sign-in/passkey", passkeys.sign_in_passkey, name="sign_in_passkey"),
    path("sign-in/passkey/options", passkeys.passkey_options, name="passkey_options"),
    path("sign-in/code", sessions.sign_in_code, name="sign_in_code"),
    path("sign-in/<str:token>", sessions.sign_in_link, name="sign_in_link"),
    path("sign-out", sessions.sign_out, name="sign_out"),
    path("join/<str:token>", join.join, name="join"),
    path("w/<slug:workspace>/search", search.search_page, name="search"),
    path("w/<slug:workspace>/notifications", notifications.notifications, name="notifications"),
    path("w/<slug:workspace>/notifications/<int:pk>", notifications.notification_mark, name="notification_mark"),
    path("w/<slug:workspace>/settings/profile", people.profile, name="settings_profile"),
    path("w/<slug:workspace>/settings/security", security.security, name="settings_security"),
    path("w/<slug:workspace>/settings/security/<slug:verb>", security.security_do, name="security_do"),
    path("w/<slug:workspace>/settings/profile/name", people.profile_name, name="profile_name"),
    path("w/<slug:workspace>/settings/profile/password", people.profile_password, name="profile_password"),
    path("w/<slug:workspace>/settings/profile/look", people.profile_look, name="profile_look"),
    path("w/<slug:workspace>/settings/profile/news", people.profile_news, name="profile_news"),
    path(
        "w/<slug:workspace>/settings/profile/sessions/<int:pk>", people.profile_session_end, name="profile_session_end"
    ),
    path("w/<slug:workspace>/hints/<slug:name>", people.hint_hide, name="hint_hide"),
    path("w/<slug:workspace>/settings/members", members.members, name="settings_members"),
    path("w/<slug:workspace>/settings/invitations", members.invitation_new, name="member_invitations"),
    path(
        "w/<slug:workspace>/settings/invitations/<int:pk>/revoke",
        members.invitation_revoke,
        name="member_invitation_revoke",
    ),
    path("w/<slug:workspace>/settings/members/<str:email>", members.member_change, name="member_change"),
    path("w/<slug:workspace>/settings/members/<str:email>/activity", members.member_activity, name="member_activity"),
    path("w/<slug:workspace>/settings/audit", audit.audit_log, name="settings_audit"),
    path("w/<slug:workspace>/settings/audit/export", audit.audit_export, name="settings_audit_export"),
]
