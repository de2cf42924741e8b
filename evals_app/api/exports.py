"""Suites and results as files, the difference of two suite versions, and files of cases read without keeping them."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.runs import find_run
from evals_app.actions.suites import find_suite, find_suite_version
from evals_app.api import answers
from evals_app.api.suites import SuiteBase
from evals_app.export_queries import file_of_run, file_of_version
from evals_app.exporting import as_download
from evals_app.files.columns import COMBINING, USES, Column
from evals_app.files.reading import read_file
from evals_app.files.table import FORMS, MOST_BYTES, form_of, storable
from evals_app.queries import offers
from evals_app.version_queries import compare_versions
from registry.core.api.bodies import Flag, StrictSerializer, Text
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.permissions import Permission

FILES = {(200, kind): OpenApiTypes.STR for kind in ("text/csv", "application/jsonl", "application/json")}


class ColumnBody(StrictSerializer):
    """How one column of a file is read."""

    column = Text(max_length=500, allow_blank=True)
    use = serializers.ChoiceField([*USES, *COMBINING], allow_blank=True, help_text="Empty: left out.")
    name = Text(required=False, max_length=100, help_text="The variable's, where it is one.")
    json = Flag(required=False, help_text="Its cells hold JSON.")
    tag = Flag(required=False, help_text="Its values are tags of the case too.")


class ReadFileBody(StrictSerializer):
    """A file of cases as text."""

    text = Text(max_length=MOST_BYTES)
    form = serializers.ChoiceField(FORMS, required=False, help_text="Left out: by how the text begins.")
    columns = ColumnBody(many=True, required=False, help_text="Left out: as the header says.")


class SuiteDiffView(SuiteBase):
    """Two versions of a suite."""

    @extend_schema(responses=answers.SuiteDifference)
    def get(self, request: Request, suite: str, number: int, second: int) -> Response:
        """What differs from the version to the other one: cases by key, scorers by name, the rules."""
        found = self.find(suite)
        old, new = find_suite_version(found, number), find_suite_version(found, second)
        self.allow(Permission.READ)
        shown: dict[str, JSON] = {"suite": found.slug, "from": old.number, "to": new.number}
        return self.single({**shown, **compare_versions(old, new).to_json()})


class SuiteExportView(SuiteBase):
    """One version of a suite as a file."""

    @extend_schema(responses=FILES)
    def get(self, request: Request, suite: str, number: int, form: str) -> Response:
        """`csv`, `jsonl` (a case a line) or `json` (with its rules); what a spreadsheet would run is made harmless."""
        version = find_suite_version(find_suite(self.actor.workspace_id, suite), number)
        self.allow(Permission.READ)
        return as_download(file_of_version(version, form))  # type: ignore[return-value]


class RunExportView(RegistryView):
    """All results of a run as a file."""

    @extend_schema(responses=FILES)
    def get(self, request: Request, pk: int, form: str) -> Response:
        """Each answer of both versions as `csv`, `jsonl` or `json`, in the order in which they came."""
        run = find_run(self.actor.workspace_id, pk)
        self.allow(Permission.READ)
        return as_download(file_of_run(run, form))  # type: ignore[return-value]


class SuiteReadView(SuiteBase):
    """A file of cases, read."""

    is_change = False

    @extend_schema(request=ReadFileBody, responses=answers.ReadCases)
    def post(self, request: Request, suite: str) -> Response:
        """The cases that a CSV, JSONL, JSON or promptfoo file holds, and every mistake by line and column; nothing is kept."""
        self.find(suite)
        self.allow(Permission.WRITE)
        given = self.body(ReadFileBody)
        text = storable(given["text"])
        columns = [
            Column(one["column"], one["use"], one.get("name", ""), one.get("json", False), one.get("tag", False))
            for one in given.get("columns", ())
        ]
        read = read_file(given.get("form") or form_of("", text), text, columns, offers(self.actor.workspace_id))
        cases: list[JSON] = [{"line": one.line, "case": dict(one.case)} for one in read.reading.cases]
        return Response(
            {
                "cases": cases,
                "mistakes": [
                    {"line": one.line, "column": one.column, "message": one.text} for one in read.reading.mistakes
                ],
                "columns": [one.to_json() for one in read.columns],
                "rules": dict(read.rules),
                "notes": [{"line": one.line, "message": one.text} for one in read.notes],
            }
        )
