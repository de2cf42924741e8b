"""The core's part of `/api/v1`."""

from django.urls import URLPattern, path

from registry.core.api import audit, members, notifications, sessions

urlpatterns: list[URLPattern] = [
    path("session", sessions.SessionView.as_view(), name="api_session"),
    path("members", members.MembersView.as_view(), name="api_members"),
    path("members/<str:email>", members.MemberView.as_view(), name="api_member"),
    path("audit", audit.AuditView.as_view(), name="api_audit"),
    path("audit/verify", audit.AuditChainView.as_view(), name="api_audit_verify"),
    path("notifications", notifications.NotificationsView.as_view(), name="api_notifications"),
    path("notifications/mark-read", notifications.MarkReadView.as_view(), name="api_notifications_mark_read"),
]
