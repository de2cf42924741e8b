"""`/scorers`: the kinds there are, and any of them tried on an output."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from evals_app.api.answers import Score
from evals_app.api.bodies import SCORER
from evals_app.engine.trying_scorers import try_scorers
from evals_app.scorers import SCORERS, Asked, Output, Scorer, parse_scorer
from evals_app.scorers.registry import FAMILIES
from registry.core.api.bodies import Json, JsonObject, StrictSerializer, Text, Whole
from registry.core.api.openapi import listing
from registry.core.api.views import RegistryView
from registry.core.canonical import JSON
from registry.core.errors import FieldError, Invalid
from registry.core.permissions import Permission

TARGETS = ("value or expected", "value", "optional value", "nothing")


class ScorerKind(serializers.Serializer[Any]):
    """A kind of scorer. `range` ends in null where values are amounts, which have a budget instead of a threshold."""

    kind = serializers.CharField()
    version = serializers.IntegerField(help_text="Changes only when results do.")
    family = serializers.ChoiceField(FAMILIES)
    about = serializers.CharField(help_text="What passes.")
    target = serializers.ChoiceField(TARGETS, help_text="What the output is compared with.")
    higher_is_better = serializers.BooleanField()
    range = serializers.ListField(child=serializers.FloatField(allow_null=True), min_length=2, max_length=2)
    is_binary = serializers.BooleanField(help_text="Only the ends of the range are answers.")
    is_graded = serializers.BooleanField(help_text="A model is asked.")
    default_threshold = serializers.FloatField(allow_null=True, help_text="Null: the best of the range.")
    options = JsonObject(help_text="Members of its own, as a JSON Schema.")
    example = JsonObject(help_text="A scorer as a suite lists it.")


@extend_schema_field(SCORER)
class OneScorer(Json):
    """A scorer as a suite lists it, read by the registry of kinds."""


class Trial(StrictSerializer):
    """A scorer and an output that you bring; what is left out is not known, as from a provider that does not tell it."""

    scorer = OneScorer()
    output = Text(allow_blank=True, max_length=1_000_000)
    expected = Json(required=False)
    variables = JsonObject(required=False, help_text="Values by name, for templates.")
    tool_calls = serializers.ListField(child=JsonObject(), required=False, max_length=100)
    messages = serializers.ListField(child=JsonObject(), required=False, max_length=1000, help_text="Of the request.")
    tools = serializers.ListField(child=JsonObject(), required=False, max_length=200, help_text="Of the request.")
    cost = serializers.FloatField(required=False, min_value=0, max_value=1e6)
    output_tokens = Whole(required=False)
    latency_ms = Whole(required=False)
    finish_reason = Text(required=False, max_length=40)
    perplexity = serializers.FloatField(required=False, min_value=1, max_value=1e300)


class ScorersView(RegistryView):
    """The kinds of scorers."""

    @extend_schema(responses=listing(ScorerKind))
    def get(self, request: Request) -> Response:
        """Every kind, by family, all on one page."""
        self.allow(Permission.READ)
        return Response({"results": [show_kind(scorer) for scorer in SCORERS.values()], "next": None})


class TryScorerView(RegistryView):
    """A scorer tried."""

    is_change = False

    @extend_schema(request=Trial, responses=Score)
    def post(self, request: Request) -> Response:
        """What a scorer says of an output; nothing is kept, and no model is asked."""
        self.allow(Permission.WRITE)
        given = self.body(Trial)
        spec = parse_scorer(given["scorer"], path="scorer")
        scored = try_scorers([spec], _output(given), _asked(given))
        if not scored:
            is_graded = SCORERS[spec.kind].is_graded
            message = "asks a model: try it in the editor of a suite" if is_graded else "is never run"
            code = "scorer.graded" if is_graded else "scorer.disabled"
            error = FieldError("scorer.kind", "choice", message)
            raise Invalid(code, f"The kind {spec.kind} {message}.", errors=[error])
        return Response(scored[0].to_json())


def show_kind(scorer: Scorer) -> dict[str, JSON]:
    """A kind as the API tells of it."""
    least, most = scorer.range
    required: list[JSON] = [option.name for option in scorer.options if option.is_required]
    options: dict[str, JSON] = {option.name: dict(option.schema) for option in scorer.options}
    schema: dict[str, JSON] = {"type": "object", "properties": options, "required": required}
    return {
        "kind": scorer.kind,
        "version": scorer.version,
        "family": scorer.family,
        "about": scorer.about,
        "target": scorer.target,
        "higher_is_better": scorer.higher_is_better,
        "range": [least, None if scorer.is_raw else most],
        "is_binary": scorer.is_binary,
        "is_graded": scorer.is_graded,
        "default_threshold": scorer.default_threshold,
        "options": schema,
        "example": dict(scorer.example.spec),
    }


def _output(given: dict[str, Any]) -> Output:
    return Output(
        given["output"],
        tuple(given.get("tool_calls", ())),
        output_tokens=given.get("output_tokens"),
        cost=given.get("cost"),
        latency_ms=given.get("latency_ms"),
        finish_reason=given.get("finish_reason", ""),
        perplexity=given.get("perplexity"),
    )


def _asked(given: dict[str, Any]) -> Asked:
    return Asked(
        given.get("variables", {}),
        given.get("expected"),
        tuple(given.get("messages", ())),
        tuple(given.get("tools", ())),
    )
