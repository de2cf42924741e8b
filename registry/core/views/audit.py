"""The audit log: who did what, when, and whether the chain still holds."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import cast

from django import forms
from django.core.paginator import Paginator
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from registry.core.actions.exporting import export_audit
from registry.core.audit import ChainReport, verify_chain
from registry.core.audit_queries import AuditChoice
from registry.core.downloads import download
from registry.core.pages import PageForm, page
from registry.core.permissions import Permission, require
from registry.core.times import BEYOND, FIRST
from registry.core.web import PageRequest

PAGE_SIZE = 50
# Days that have a beginning and an end in every zone.
DAYS = [
    MinValueValidator(FIRST.date() + timedelta(days=1), "No day as early as this."),
    MaxValueValidator(BEYOND.date() - timedelta(days=3), "No day as late as this."),
]


def day_field() -> forms.DateField:
    """A day that one picks, or none."""
    return forms.DateField(required=False, validators=DAYS, widget=forms.DateInput(attrs={"type": "date"}))


class AuditFilter(PageForm):
    """What of the log is shown; days are those of the reader's zone."""

    event = forms.CharField(required=False, max_length=64)
    actor = forms.CharField(required=False, max_length=254, label="Who")
    subject = forms.CharField(required=False, max_length=255, label="What")
    since = day_field()
    until = day_field()

    def choice(self) -> AuditChoice:
        """What was asked for; fields that do not parse narrow nothing."""
        self.is_valid()
        given = self.cleaned_data
        until = given.get("until")
        return AuditChoice(
            event=given.get("event", ""),
            actor=given.get("actor", ""),
            subject=given.get("subject", ""),
            since=_begin(given.get("since")),
            before=_begin(until and until + timedelta(days=1)),
        )


def _begin(day: date | None) -> datetime | None:
    return timezone.make_aware(datetime.combine(day, time.min)) if day else None


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
    found = Paginator(form.choice().rows(request.workspace.pk), PAGE_SIZE).get_page(request.GET.get("page"))
    verdict = Verdict(verify_chain(request.workspace.pk)) if "check" in request.GET else None
    return render(request, "registry/audit.html", {"form": form, "events": found, "verdict": verdict})


@page("POST")
def audit_export(request: PageRequest) -> HttpResponse:
    """All that fits the filter as a file; that it was taken is in the log from then on."""
    log = export_audit(request.actor, AuditFilter(request.POST).choice(), form=request.POST.get("form", ""))
    return cast("HttpResponse", download(log.name, log.media, log.pieces))
