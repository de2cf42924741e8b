"""What the routes of suites, runs and providers take."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evals_app.batch_configs import FEWEST, MOST
from evals_app.judge_seats import MOST_JUDGES
from evals_app.metric_rules import MEASURES, MOST_METRICS, SUPERIOR_ON
from evals_app.model_settings import PARAMETERS
from evals_app.models import Label, RunOn
from evals_app.scorers import SCORERS
from evals_app.scorers.combining import HOWS, MOST_GROUPS
from evals_app.verdicts import MODES
from registry.core.api.bodies import Flag, Json, JsonObject, StrictSerializer, Text, Whole

COMBINE: dict[str, object] = {
    "combine": {"type": "string", "enum": list(HOWS)},
    "threshold": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "description": "For weighted_mean."},
}
GROUP = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        **COMBINE,
        "weight": {"type": "number", "minimum": 0, "maximum": 1000},
    },
}
SCORER = {
    "type": "object",
    "description": "Further members are those of its kind, as `GET /scorers` lists them.",
    "required": ["kind"],
    "properties": {
        "kind": {"type": "string", "enum": sorted(SCORERS)},
        "name": {"type": "string", "minLength": 1, "maxLength": 100},
        "weight": {"type": "number", "minimum": 0, "maximum": 1000, "description": "0: reported, not counted."},
        "threshold": {"type": "number", "minimum": 0, "maximum": 1},
        "negate": {"type": "boolean"},
        "group": {"type": "string", "description": "The group of the suite or case that it counts in."},
        "value": {"description": "A template over the case's variables and `expected`; left out, `expected` itself."},
    },
}
CASE = {
    "type": "object",
    "required": ["key"],
    "properties": {
        "key": {"type": "string", "minLength": 1, "maxLength": 200},
        "variables": {"type": "object", "description": "Values by name."},
        "messages": {"type": "array", "items": {"type": "object"}, "description": "A message history."},
        "expected": {"description": "What scorers without a value compare with."},
        "tags": {"type": "array", "items": {"type": "string"}},
        "critical": {"type": "boolean"},
        "cluster": {"type": "string", "description": "Cases that share it count as one observation."},
        "scorers": {"type": "array", "items": SCORER, "description": "Added to the suite's; the same name replaces."},
        **COMBINE,
        "groups": {"type": "array", "items": GROUP, "description": "Likewise."},
    },
}


METRIC = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": f"The name of a scorer, or one of {', '.join(MEASURES)}."},
        "mode": {"type": "string", "enum": list(MODES)},
        "margin": {
            "type": "number",
            "description": "How much worse is allowed: points of a score; 0.1 of a cost is 10 %.",
        },
        "floor": {"type": "number", "description": "What it has to reach; a ceiling where lower is better."},
        "first_floor": {
            "type": "number",
            "description": "The same for a first version, which nothing is compared with.",
        },
        "least_gain": {"type": "number", "minimum": 0, "description": "The smallest gain that counts as superior."},
    },
}


@extend_schema_field({"type": "array", "maxItems": MOST_METRICS, "items": METRIC})
class Metrics(Json):
    """What is judged besides "passes", likewise."""


JUDGE = {
    "type": "object",
    "required": ["name", "version"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": "A prompt, such as judges/rubric."},
        "version": {"type": "integer", "minimum": 1},
        "digest": {"type": "string", "description": "Refused where the version has another one."},
    },
}


@extend_schema_field({"type": "array", "maxItems": MOST_JUDGES, "items": JUDGE})
class Judges(Json):
    """The versions of judges to ask, likewise."""


@extend_schema_field({"type": "array", "minItems": 1, "maxItems": 10_000, "items": CASE})
class Cases(Json):
    """Cases, read by the action, which names every mistake by its row."""


@extend_schema_field({"type": "array", "maxItems": 50, "items": SCORER})
class Scorers(Json):
    """Scorers, likewise."""


@extend_schema_field({"type": "array", "maxItems": MOST_GROUPS, "items": GROUP})
class Groups(Json):
    """Groups, likewise."""


@extend_schema_field({"type": "number"})
class Number(Json):
    """A number, likewise."""


@extend_schema_field({"oneOf": [
    {"type": "integer", "minimum": 1, "description": "A version of the prompt."},
    {"type": "object", "required": ["environment"], "properties": {"environment": {"type": "string"}},
     "additionalProperties": False, "description": "What is live there."},
]})  # fmt: skip
class BaselineField(Json):
    """What a version is compared with."""

    default_error_messages = {"invalid": "must be a version's number, null, or an object that names an `environment`"}

    def to_internal_value(self, data: object) -> int | str:
        """The number, or the environment's name."""
        if isinstance(data, int) and not isinstance(data, bool) and 0 < data < 2**31:
            return data
        if isinstance(data, dict) and set(data) == {"environment"} and isinstance(data["environment"], str):
            return str(data["environment"])
        return self.fail("invalid")


@extend_schema_field({
    "type": "object", "additionalProperties": False,
    "description": "The most a run may spend; it stops before that is exceeded.",
    "properties": {
        "cost": {"type": ["number", "null"], "minimum": 0.000001, "maximum": 1_000_000, "description": "US dollars."},
        "requests": {"type": ["integer", "null"], "minimum": 1, "maximum": 2_000_000_000,
                     "description": "Requests to providers, every try and every judge's included."},
    },
})  # fmt: skip
class BudgetField(Json):
    """A budget, read by `budgets.parse_budget`, which names every mistake."""


class NewSuite(StrictSerializer):
    """A suite; its slug is for good."""

    slug = Text(max_length=63)
    title = Text(max_length=200)
    safety = Flag(required=False, help_text="What a safety suite blocks cannot be overridden.")


class NewSuiteVersion(StrictSerializer):
    """What a version is made of."""

    cases = Cases()
    scorers = Scorers(required=False)
    mode = serializers.ChoiceField(MODES, required=False)
    margin = Number(required=False, help_text="How much worse is allowed: 0.05 is five points.")
    repeats = Number(required=False, help_text="Answers asked for by case and version, 1 to 20; 3 if left out.")
    looks = Number(required=False, help_text="How many runs may be pooled for a verdict, 1 to 10; 1 if left out.")
    first_floor = Number(required=False, help_text="What the first version, or mode floor, has to reach; 0.5.")
    alpha = Number(required=False, help_text="How often a verdict may be wrong, one-sided; 0.05 if left out.")
    config = JsonObject(required=False, allow_null=True, help_text="Model settings pinned for both versions.")
    judges = Judges(
        required=False, help_text="Versions of judges; one left out stays as in the newest version, else is the newest."
    )
    floor = Number(required=False, allow_null=True, help_text="What is asked besides a comparison; none if left out.")
    least_gain = Number(required=False, help_text="The smallest gain that counts in mode superior; 0 if left out.")
    combine = serializers.ChoiceField(HOWS, required=False, help_text="How the scorers come to one answer; all.")
    threshold = Number(required=False, help_text="Which mean is enough; required for weighted_mean, and only there.")
    groups = Groups(required=False, help_text="Scorers that count as one.")
    metrics = Metrics(required=False, help_text="Judged besides the pass rate; all must pass.")
    superior_on = serializers.ChoiceField(
        SUPERIOR_ON, required=False, help_text="Whether all metrics in mode superior must be shown better, or any."
    )


class SuiteDraftBody(StrictSerializer):
    """What is typed and not saved, acceptable or not: `content` is as a version is saved, with its cases."""

    content = JsonObject()
    based_on = Whole(required=False, min_value=0, help_text="The version it was made from; as it was if left out.")


class SaveSuiteDraft(StrictSerializer):
    """How a draft is saved."""

    over = Whole(
        required=False, min_value=0, help_text="The newest version, which you have seen, though you began before."
    )


class NewJudge(StrictSerializer):
    """A judge that the suite asks already, and the version to ask from now on."""

    judge = Text(max_length=255)
    version = Whole(min_value=1)


class NewAttachment(StrictSerializer):
    """Where a suite is asked; sent again for the same prompt it changes how."""

    prompt = Text(max_length=255)
    required = Flag(required=False)  # type: ignore[assignment]
    run_on = serializers.ChoiceField(RunOn.values, required=False)


class NewRun(StrictSerializer):
    """A suite to replay. Without a baseline nothing is compared; with `config` models are, and no check is posted."""

    prompt = Text(max_length=255)
    version = Whole(min_value=1)
    suite = Text(max_length=63)
    baseline = BaselineField(required=False, allow_null=True)
    config = JsonObject(required=False, allow_null=True)
    again = Flag(required=False, help_text="Ask once more although the answer is fresh: pooled, while looks are left.")
    budget = BudgetField(required=False, allow_null=True, help_text="The workspace's default where none is named.")


@extend_schema_field({
    "type": "array", "minItems": FEWEST, "maxItems": MOST,
    "items": {
        "type": "object", "additionalProperties": False,
        "description": "What goes over the version's own settings in this column; {} for the version as it is.",
        "properties": {"provider": {"type": "string"}, "model": {"type": "string"}, **{name: {} for name in PARAMETERS}},
    },
})  # fmt: skip
class ConfigsField(Json):
    """Models to compare, read by `batch_configs.parse_configs`, which names every mistake."""


class NewBatch(StrictSerializer):
    """One version, asked a suite's cases with each of these settings; no check is posted. The first is told against."""

    prompt = Text(max_length=255)
    version = Whole(min_value=1)
    suite = Text(max_length=63)
    configs = ConfigsField()
    budget = BudgetField(required=False, allow_null=True, help_text="Of each run.")


class DefaultBudget(StrictSerializer):
    """What runs that name no budget may spend; null, or neither limit, for no default."""

    budget = BudgetField(allow_null=True)


class RunRetry(StrictSerializer):
    """What an ended run is asked again with; a budget takes the place of the run's, and counts what was spent before."""

    budget = BudgetField(required=False, allow_null=True)


class NewLabel(StrictSerializer):
    """What you say of an answer, as a whole or of what one of its scorers looks at."""

    label = serializers.ChoiceField(Label.values)  # type: ignore[assignment]
    scorer = Text(required=False, max_length=100, allow_blank=True)
    note = Text(required=False, max_length=2000, allow_blank=True)


class NewProvider(StrictSerializer):
    """A provider. `api_key` is write-only; limits left out are none."""

    name = Text(max_length=63)
    base_url = Text(max_length=500)
    api_key = Text(required=False, allow_blank=True, max_length=2000)
    models = serializers.ListField(child=Text(max_length=200), min_length=1, max_length=200)
    default = Flag(required=False)
    concurrency = Whole(required=False, min_value=1, max_value=1000)
    requests_per_minute = Whole(required=False, allow_null=True, min_value=1, max_value=1_000_000_000)
    tokens_per_minute = Whole(required=False, allow_null=True, min_value=1, max_value=1_000_000_000)
    timeout_s = Whole(required=False, min_value=1, max_value=300)
    streams = Flag(required=False, help_text="Answers are asked for in pieces, where a provider gives no others.")
    fallback = Text(required=False, allow_null=True, max_length=63)


class ProviderChange(NewProvider):
    """What changes; a new `base_url` needs `api_key` again."""

    name = Text(required=False, max_length=63)
    base_url = Text(required=False, max_length=500)
    models = serializers.ListField(child=Text(max_length=200), required=False, min_length=1, max_length=200)
