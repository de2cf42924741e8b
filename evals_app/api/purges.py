"""`/retention` and `/purges`: how long answers and inputs are kept, and texts taken away for good."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.actions.labels import find_result
from evals_app.actions.purging import MOST_REASON, Purged, checked_forms, erase_text, purge_answer, purge_case
from evals_app.actions.retention import set_retention
from evals_app.actions.runs import find_run
from evals_app.api.shapes import show_purge
from evals_app.models import Retention
from evals_app.purge_queries import find_case, find_text, purges_of, retention_of
from registry.core.api.bodies import Flag, StrictSerializer, Text, Whole
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import invalid_field
from registry.core.permissions import Permission
from registry.core.texts import LONGEST

DAYS = {"min_value": Retention.LEAST_DAYS, "max_value": Retention.MOST_DAYS, "allow_null": True}


class RetentionBody(StrictSerializer):
    """Days after which answers, and inputs that no suite asks any more, are purged; null keeps them."""

    answers_days = Whole(**DAYS)
    inputs_days = Whole(**DAYS)


class RetentionAnswer(serializers.Serializer[Any]):
    """Days after which answers and inputs are purged; null: never."""

    answers_days = serializers.IntegerField(allow_null=True, help_text="From the end of the run.")
    inputs_days = serializers.IntegerField(allow_null=True, help_text="From the end of the last run that asked it.")


class SoughtText(StrictSerializer):
    """A text that may be somebody's; it is noted nowhere."""

    text = Text(max_length=LONGEST)


class NewPurge(StrictSerializer):
    """What is to go: whatever holds `text`, or of a `run` a case (by `case`, its key) or an answer (by `result`, its id)."""

    text = Text(max_length=LONGEST, required=False)
    run = Whole(required=False)
    case = Text(max_length=200, required=False)
    result = Whole(required=False)
    reason = Text(max_length=MOST_REASON, required=False, allow_blank=True, help_text="Kept for good: name nobody.")
    also_needed = Flag(required=False, help_text="Take also what gates still rest on.")


class FoundText(serializers.Serializer[Any]):
    """How many rows hold a text, by what they are."""

    gone = serializers.DictField(child=serializers.IntegerField(), help_text="What a purge takes.")
    kept = serializers.DictField(
        child=serializers.IntegerField(), help_text="History, or somebody's to change: it stays."
    )
    needed = serializers.ListField(child=serializers.CharField(), help_text="Suites and runs that gates rest on.")
    open_runs = serializers.ListField(child=serializers.IntegerField(), help_text="While they ask it, nothing goes.")


class PurgeAnswer(serializers.Serializer[Any]):
    """Who purged, when and why; `by` is null where the retention time did it."""

    id = serializers.IntegerField()
    by = serializers.CharField(allow_null=True)
    by_name = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class NewPurgeAnswer(PurgeAnswer):
    """What went with it."""

    gone = serializers.DictField(child=serializers.IntegerField())
    suites = serializers.ListField(child=serializers.CharField(), help_text="These have a new version without it.")


class RetentionView(RegistryView):
    """The workspace's retention times."""

    @extend_schema(responses=RetentionAnswer)
    def get(self, request: Request) -> Response:
        """After how many days answers and inputs are purged."""
        self.allow(Permission.READ)
        return self.single(_show_retention(retention_of(self.actor.workspace_id)))

    @extend_schema(request=RetentionBody, responses=RetentionAnswer)
    def put(self, request: Request) -> Response:
        """Set them; the next night acts on it. What gates still rest on is never purged by itself."""
        self.allow(Permission.ADMINISTER)
        return self.single(_show_retention(set_retention(self.actor, **self.body(RetentionBody))))


class SearchTextView(RegistryView):
    """What holds a text."""

    is_change = False

    @extend_schema(request=SoughtText, responses=FoundText)
    def post(self, request: Request) -> Response:
        """How much in the workspace holds a text, whatever its case, and what of that a purge would take."""
        self.allow(Permission.ADMINISTER)
        found = find_text(self.actor.workspace_id, checked_forms(self.body(SoughtText)["text"]))
        return Response(
            {"gone": found.gone, "kept": found.kept, "needed": list(found.needed), "open_runs": list(found.asking)}
        )


class PurgesView(RegistryView):
    """What was purged."""

    @extend_schema(responses=listing(PurgeAnswer))
    def get(self, request: Request) -> Response:
        """Purges, the newest first: who, when and why."""
        self.allow(Permission.ADMINISTER)
        return self.page(purges_of(self.actor.workspace_id), show_purge)

    @extend_schema(request=NewPurge, responses={201: NewPurgeAnswer})
    def post(self, request: Request) -> Response:
        """Take texts away for good; their SHA-256 stays. 409 `purge.needed` names what gates still rest on."""
        self.allow(Permission.ADMINISTER)
        purged = self._purge(self.body(NewPurge))
        rows = dict[str, JSON](purged.gone)
        suites: list[JSON] = [suite.slug for suite in purged.suites]
        return self.single({**show_purge(purged.purge), "gone": rows, "suites": suites}, status=201)

    def _purge(self, given: dict[str, Any]) -> Purged:
        reason, also_needed = given.get("reason", ""), given.get("also_needed", False)
        named = [name for name in ("text", "case", "result") if name in given]
        if len(named) != 1 or ("run" in given) != (named[0] != "text"):
            raise invalid_field("text", "required", "Name a `text`, or a `run` and of it a `case` or a `result`.")
        if named[0] == "text":
            return erase_text(self.actor, given["text"], reason=reason, also_needed=also_needed)
        run = find_run(self.actor.workspace_id, given["run"])
        if named[0] == "case":
            case = find_case(run, given["case"])
            return purge_case(self.actor, case, reason=reason, also_needed=also_needed)
        return purge_answer(self.actor, find_result(run, given["result"]), reason=reason, also_needed=also_needed)


def _show_retention(retention: Retention) -> dict[str, JSON]:
    return {"answers_days": retention.answers_days, "inputs_days": retention.inputs_days}
