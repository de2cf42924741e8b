"""What the routes of suites, runs and providers answer, for the OpenAPI document; `shapes` makes the values."""

from typing import Any

from rest_framework import serializers

from evals_app.metric_rules import SUPERIOR_ON
from evals_app.models import Arm, Label, Reason, RunOn, RunState, Verdict
from evals_app.scorers.combining import HOWS
from evals_app.verdicts import MODES
from prompts_app.models import CheckState
from registry.core.api.bodies import Json, JsonObject

RESULT_STATES = ("passed", "failed", "error")
METRIC_VERDICTS = (*Verdict.values, "error", "reported")
SLICE_VERDICTS = ("passed", "failed", "reported")
UNITS = ("rate", "score", "dollars", "ms", "tokens")


class Suite(serializers.Serializer[Any]):
    """A question that can be asked of any version of a prompt; `newest_version` is null before the first."""

    slug = serializers.CharField()
    title = serializers.CharField()
    safety = serializers.BooleanField(help_text="A blocker of a safety suite cannot be overridden.")
    check = serializers.CharField(help_text="The name its checks are posted under.")
    newest_version = serializers.IntegerField(allow_null=True)
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class SuiteVersionSummary(serializers.Serializer[Any]):
    """A version of a suite in a list."""

    suite = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    mode = serializers.ChoiceField(MODES)
    repeats = serializers.IntegerField()
    looks = serializers.IntegerField()
    case_count = serializers.IntegerField()
    author = serializers.CharField()
    created_at = serializers.DateTimeField()


class Outlook(serializers.Serializer[Any]):
    """How likely a version that is just as good passes a metric; `seen` where a run told how much answers differ."""

    metric = serializers.CharField()
    chance = serializers.FloatField()
    seen = serializers.BooleanField()
    sentence = serializers.CharField()


class JudgePin(serializers.Serializer[Any]):
    """The version of a judge's prompt that a suite version asks."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()


class SuiteVersion(SuiteVersionSummary):
    """One immutable version with its cases; what a case leaves at its default is left out."""

    cases = serializers.ListField(child=JsonObject())
    scorers = serializers.ListField(child=JsonObject())
    margin = serializers.FloatField()
    first_floor = serializers.FloatField()
    alpha = serializers.FloatField()
    config = JsonObject(allow_null=True)
    judges = JudgePin(many=True)
    combine = serializers.ChoiceField(HOWS, help_text="How the scorers come to one answer.")
    threshold = serializers.FloatField(allow_null=True, help_text="Which weighted mean is enough.")
    groups = serializers.ListField(child=JsonObject())
    floor = serializers.FloatField(allow_null=True)
    least_gain = serializers.FloatField()
    metrics = serializers.ListField(child=JsonObject())
    superior_on = serializers.ChoiceField(SUPERIOR_ON)
    outlook = Outlook(many=True)


class SuiteJudge(serializers.Serializer[Any]):
    """Who judges for a scorer of a suite's newest version, and how far people agree.

    Of `labels` answers that people have labelled, judge and people agree on the share `agreed`; `kappa` leaves out what
    chance explains, with 95 % bounds. Null where nothing is known.
    """

    scorer = serializers.CharField()
    judge = serializers.CharField(help_text="A prompt.")
    version = serializers.IntegerField()
    digest = serializers.CharField()
    newest_version = serializers.IntegerField(help_text="Offered, never taken by itself.")
    provider = serializers.CharField()
    model = serializers.CharField()
    labels = serializers.IntegerField()
    agreed = serializers.FloatField(allow_null=True)
    kappa = serializers.FloatField(allow_null=True)
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    may_claim_superior = serializers.BooleanField(help_text="Whether there are enough labels for it.")
    warnings = serializers.ListField(child=serializers.CharField())


class SuiteJudges(serializers.Serializer[Any]):
    """The judges of a suite's newest version; `problem` says why they could not be asked now."""

    judges = SuiteJudge(many=True)
    problem = serializers.CharField()


class RunJudge(serializers.Serializer[Any]):
    """Who judges in a run; version 0 where no prompt judges but a model's embeddings."""

    judge = serializers.CharField()
    version = serializers.IntegerField()
    digest = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()


class Attachment(serializers.Serializer[Any]):
    """A suite asked of a prompt's versions."""

    suite = serializers.CharField()
    prompt = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    run_on = serializers.ChoiceField(RunOn.values)
    created_at = serializers.DateTimeField()


class Progress(serializers.Serializer[Any]):
    """How many answers are in; those that are errors are among the done ones."""

    done = serializers.IntegerField()
    total = serializers.IntegerField()
    errors = serializers.IntegerField()  # type: ignore[assignment]


class Metric(serializers.Serializer[Any]):
    """What a run says of one metric.

    `delta` and the bounds are of the difference, above 0 for better: of the natural logarithm of old over new for `cost`,
    `latency` and `output_tokens`. The bounds are of the score itself in mode `floor`, which a first version is judged by
    too. Null where there is nothing to compute.
    """

    name = serializers.CharField()
    mode = serializers.ChoiceField(MODES)
    mean_new = serializers.FloatField(allow_null=True)
    mean_base = serializers.FloatField(allow_null=True)
    delta = serializers.FloatField(allow_null=True)
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    verdict = serializers.ChoiceField(METRIC_VERDICTS)
    sentence = serializers.CharField()
    settle = serializers.CharField(help_text="What would settle an inconclusive verdict; it ends the sentence too.")
    cases = serializers.IntegerField()
    clusters = serializers.IntegerField(help_text="Observations: cases that belong together are one.")
    line = serializers.FloatField(allow_null=True, help_text="What the bounds are held against.")
    unit = serializers.ChoiceField(UNITS, help_text="Of the means; `dollars`, `ms` and `tokens` are compared by ratio.")


class Slice(serializers.Serializer[Any]):
    """What a run says of one metric on the cases of one tag: `failed` where these got worse by more than is allowed."""

    metric = serializers.CharField()
    tag = serializers.CharField()
    mean_new = serializers.FloatField()
    mean_base = serializers.FloatField(allow_null=True)
    delta = serializers.FloatField(allow_null=True)
    lower = serializers.FloatField(allow_null=True)
    upper = serializers.FloatField(allow_null=True)
    cases = serializers.IntegerField()
    clusters = serializers.IntegerField()
    unit = serializers.ChoiceField(UNITS)
    verdict = serializers.ChoiceField(SLICE_VERDICTS)
    sentence = serializers.CharField()


class RunCheck(serializers.Serializer[Any]):
    """The check that a run posts."""

    name = serializers.CharField()
    state = serializers.ChoiceField(CheckState.values)
    url = serializers.CharField()


class RunSummary(serializers.Serializer[Any]):
    """A run in a list."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(RunState.values)
    verdict = serializers.ChoiceField(Verdict.values, allow_null=True)
    progress = Progress()
    prompt = serializers.CharField()
    version = serializers.IntegerField()
    baseline = serializers.IntegerField(allow_null=True)
    suite = serializers.CharField()
    suite_version = serializers.IntegerField()
    reason = serializers.ChoiceField(Reason.values)
    started_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class Budget(serializers.Serializer[Any]):
    """What a run may spend; null for no limit. `spent_…` count what was sent, or may have been when a worker was lost."""

    cost = serializers.FloatField(allow_null=True)
    requests = serializers.IntegerField(allow_null=True)
    is_default = serializers.BooleanField(help_text="Nobody named one: it is what the workspace's was then.")
    spent_cost = serializers.FloatField()
    spent_requests = serializers.IntegerField()


class Run(RunSummary):
    """A suite replayed on a version.

    `check` is null for runs that post none: those that compare models, that only report, or whose looks are used up.
    `cost` is in US dollars, so far while it is open, null while no price is known; tokens likewise.
    """

    cost = serializers.FloatField(allow_null=True)
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    budget = Budget(allow_null=True, help_text="Null for none.")
    metrics = Metric(many=True)
    slices = Slice(many=True, help_text="By tag, the hundred largest.")
    check = RunCheck(allow_null=True)
    summary = serializers.CharField(help_text="What came of it in a sentence or two.")
    repeats = serializers.IntegerField()
    look = serializers.IntegerField(help_text="How many runs are pooled for the verdict, this one included.")
    settings = JsonObject(help_text="The effective model settings by arm.")
    judges = RunJudge(many=True)
    warnings = serializers.ListField(child=serializers.CharField(), help_text="What speaks against its judges.")
    judge_cost = serializers.FloatField(allow_null=True, help_text="The judges' part of the cost.")
    url = serializers.CharField(help_text="Its page.")
    started_at = serializers.DateTimeField(allow_null=True)


class Score(serializers.Serializer[Any]):
    """What one scorer says of one answer."""

    name = serializers.CharField()
    score = serializers.FloatField(allow_null=True, help_text="Null where an amount is not known.")
    passed = serializers.BooleanField()
    detail = serializers.CharField()


class ResultLabel(serializers.Serializer[Any]):
    """What a member says of an answer; `scorer` is empty where it is said of the answer as a whole."""

    result = serializers.IntegerField()
    label = serializers.ChoiceField(Label.values)  # type: ignore[assignment]
    scorer = serializers.CharField()
    note = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()


class PurgedText(serializers.Serializer[Any]):
    """A text that was taken away: who did it, and the SHA-256 of what was there (`output` followed by `tool_calls` as stored)."""

    by = serializers.CharField()
    at = serializers.DateTimeField()
    sha256 = serializers.CharField()


class Result(serializers.Serializer[Any]):
    """One answer; in error `output` says what came instead. What its judges used is told apart from the answer itself."""

    id = serializers.IntegerField()
    case = serializers.CharField(help_text="The case's key.")
    tags = serializers.ListField(child=serializers.CharField())
    critical = serializers.BooleanField()
    arm = serializers.ChoiceField(Arm.values)
    repeat = serializers.IntegerField(help_text="Counted from 0; a later run of the same question goes on counting.")
    status = serializers.ChoiceField(RESULT_STATES)
    error = serializers.CharField()
    output = serializers.CharField()
    tool_calls = serializers.ListField(child=JsonObject(), help_text="As the provider gave them.")
    scores = Score(many=True)
    input_tokens = serializers.IntegerField(allow_null=True)
    output_tokens = serializers.IntegerField(allow_null=True)
    cost = serializers.FloatField(allow_null=True)
    latency_ms = serializers.IntegerField(allow_null=True)
    judge_input_tokens = serializers.IntegerField(allow_null=True)
    judge_output_tokens = serializers.IntegerField(allow_null=True)
    judge_cost = serializers.FloatField(allow_null=True)
    labels = ResultLabel(many=True)
    provider = serializers.CharField()
    model = serializers.CharField()
    request_digest = serializers.CharField()
    cached = serializers.BooleanField(
        help_text="Copied from an earlier answer to the same request; `cost` is what it cost then, and counts in no total."
    )
    fallback = serializers.BooleanField(help_text="The provider stood in for the one that was to be asked.")
    purged = PurgedText(allow_null=True, help_text="Null where its texts are there.")
    created_at = serializers.DateTimeField()


class Provider(serializers.Serializer[Any]):
    """Where models are asked; `api_key` shows no more than its last four characters, and is empty without a key."""

    name = serializers.CharField()
    base_url = serializers.CharField()
    api_key = serializers.CharField()
    models = serializers.ListField(child=serializers.CharField())
    default = serializers.BooleanField()
    concurrency = serializers.IntegerField()
    requests_per_minute = serializers.IntegerField(allow_null=True)
    tokens_per_minute = serializers.IntegerField(allow_null=True)
    timeout_s = serializers.IntegerField()
    streams = serializers.BooleanField()
    fallback = serializers.CharField(allow_null=True)


class FieldDifference(serializers.Serializer[Any]):
    """One field that differs; null where a side has none."""

    field = serializers.CharField()
    old = Json()
    new = Json()


class CaseDifference(serializers.Serializer[Any]):
    """A case that differs."""

    key = serializers.CharField()
    op = serializers.ChoiceField(["added", "removed", "changed"])
    changes = FieldDifference(many=True)


class ScorerDifference(serializers.Serializer[Any]):
    """A scorer that differs."""

    name = serializers.CharField()
    op = serializers.ChoiceField(["added", "removed", "changed"])
    changes = FieldDifference(many=True)


class DifferenceSummary(serializers.Serializer[Any]):
    """How many cases."""

    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    changed = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class SuiteDifference(serializers.Serializer[Any]):
    """What differs from one version of a suite to another."""

    suite = serializers.CharField()
    to = serializers.IntegerField()
    summary = DifferenceSummary()
    cases = CaseDifference(many=True)
    scorers = ScorerDifference(many=True)
    rules = FieldDifference(many=True)

    def get_fields(self) -> dict[str, Any]:
        """`from` is no name that Python permits for a member."""
        return {**super().get_fields(), "from": serializers.IntegerField()}


class ReadCase(serializers.Serializer[Any]):
    """A case and the line it comes from."""

    line = serializers.IntegerField()
    case = JsonObject()


class FileMistake(serializers.Serializer[Any]):
    """What is wrong in a file; an empty column is the whole line."""

    line = serializers.IntegerField()
    column = serializers.CharField(allow_blank=True)
    message = serializers.CharField()


class FileNote(serializers.Serializer[Any]):
    """What of a file is not taken over as it stands; line 0 is the whole of it."""

    line = serializers.IntegerField()
    message = serializers.CharField()


class ReadCases(serializers.Serializer[Any]):
    """What a file of cases comes to."""

    cases = ReadCase(many=True)
    mistakes = FileMistake(many=True)
    columns = serializers.ListField(child=JsonObject())
    rules = JsonObject()
    notes = FileNote(many=True)
