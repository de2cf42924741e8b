"""Suites and results as files to download."""

from typing import cast

from django.http import HttpResponse

from evals_app.actions.runs import find_run
from evals_app.actions.suites import find_suite, find_suite_version
from evals_app.export_queries import file_of_run, file_of_version
from evals_app.exporting import as_download
from registry.core.pages import page
from registry.core.permissions import Permission, require
from registry.core.web import PageRequest


@page()
def suite_export(request: PageRequest, suite: str, number: int, form: str) -> HttpResponse:
    """One version of a suite."""
    require(request.actor, Permission.READ)
    version = find_suite_version(find_suite(request.workspace.pk, suite), number)
    return cast("HttpResponse", as_download(file_of_version(version, form)))


@page()
def run_export(request: PageRequest, pk: int, form: str) -> HttpResponse:
    """All results of a run."""
    require(request.actor, Permission.READ)
    return cast("HttpResponse", as_download(file_of_run(find_run(request.workspace.pk, pk), form)))
