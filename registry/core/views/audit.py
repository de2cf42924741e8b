"""The audit log: who did what, when, and whether the chain still holds."""

from dataclasses import dataclass

from django import forms
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render

from registry.core.audit import ChainReport, verify_chain
from registry.core.models import AuditEvent
from registry.core.pages import PageForm, page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest

PAGE_SIZE = 50


class AuditFilter(PageForm):
    """What of the log is shown."""

    event = forms.CharField(required=False, max_length=64)
    actor = forms.CharField(required=False, max_length=254, label="Who")
    subject = forms.CharField(required=False, max_length=255, label="What")
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def chosen(self, workspace_id: int) -> QuerySet[AuditEvent]:
        """The events that fit, newest first; fields that do not parse filter nothing."""
        events = AuditEvent.objects.filter(workspace_id=workspace_id)
        self.is_valid()
        lookups = {
            "event": "event__icontains",
            "actor": "actor_name__icontains",
            "subject": "subject_name__icontains",
            "since": "at__date__gte",
            "until": "at__date__lte",
        }
        given = {lookup: self.cleaned_data.get(name) for name, lookup in lookups.items()}
        return events.filter(**{lookup: value for lookup, value in given.items() if value})


@dataclass(frozen=True)
class Verdict:
    """A chain report in the words of the page."""

    report: ChainReport

    @property
    def state(self) -> str:
        """`passed` or `failed`."""
        return "passed" if self.report.ok else "failed"


@page()
def audit_log(request: PageRequest) -> HttpResponse:
    """The events, filtered; `?check=1` walks the chain as well."""
    require(request.actor, Permission.ADMINISTER)
    form = AuditFilter(request.GET or {})
    found = Paginator(form.chosen(request.workspace.pk), PAGE_SIZE).get_page(request.GET.get("page"))
    verdict = Verdict(verify_chain(request.workspace.pk)) if "check" in request.GET else None
    return render(request, "registry/audit.html", {"form": form, "events": found, "verdict": verdict})
