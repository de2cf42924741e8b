"""Runs, the chunks they are worked through in, their results and what the results add up to."""

from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now

from evals_app.models.batch import RunBatch
from evals_app.models.purge import Purge, Purgeable
from evals_app.models.suite import Case, SuiteVersion
from prompts_app.models import LivePointer, Prompt, PromptVersion
from registry.core.models import LeasedJob, Member, Workspace


class RunState(models.TextChoices):
    """Where a run is."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    ERROR = "error"
    CANCELLED = "cancelled"


OPEN_STATES = (RunState.QUEUED, RunState.RUNNING)


class Verdict(models.TextChoices):
    """What a finished run says; empty where every metric is only reported."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Reason(models.TextChoices):
    """Why a run started: nothing else starts one."""

    NEW_VERSION = "new_version"
    PROMOTION = "promotion"
    BY_HAND = "by_hand"


class Arm(models.TextChoices):
    """Which of the two versions answered."""

    CANDIDATE = "candidate"
    BASELINE = "baseline"


class RunQuerySet(models.QuerySet["Run"]):
    """Runs, by the questions asked of them."""

    def in_workspace(self, workspace_id: int) -> "RunQuerySet":
        """Runs of one workspace."""
        return self.filter(workspace_id=workspace_id)

    def open(self) -> "RunQuerySet":
        """Queued or running."""
        return self.filter(state__in=OPEN_STATES)

    def dated(self) -> "RunQuerySet":
        """The same, each with whether its baseline `is_replaced`: live nowhere any more."""
        content = OuterRef("baseline__digest")
        live = LivePointer.objects.filter(prompt=OuterRef("prompt"), deployment__version__digest=content)
        return self.annotate(is_replaced=Q(baseline__isnull=False) & ~Exists(live))

    def of_evidence(self, prompt_id: int, evidence_key: str) -> "RunQuerySet":
        """Runs that answer the same question about the same prompt; exploratory runs have no key."""
        return self.filter(prompt_id=prompt_id, evidence_key=evidence_key)


class Run(models.Model):
    """A suite version replayed on a candidate and, where there is one, a baseline.

    `repeats` answers are asked for per arm and case, numbered from `first_repeat`: a re-run goes on where the one before
    it stopped. `look` counts the runs pooled with this one, itself included; `posts_check` is false for exploratory runs
    and once the suite's looks are used up. The settings are the effective model settings of each arm, as JSON text;
    `judges` is JSON text too: who judges (`judge_seats.Seat`), by name. `batch_position` is its column where it is one of a batch.
    `is_default_budget`: nobody named a budget, so it has what the workspace's was then.
    `purge` is the last one that took any of its answers, which is no evidence since; `is_purged`: there is none of them left.
    `cost` (US dollars) and the tokens are the totals of its results, what judges used included, written when it ends; null where nothing is known.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="runs")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="runs")
    candidate = models.ForeignKey(PromptVersion, on_delete=models.PROTECT, related_name="candidate_runs")
    baseline = models.ForeignKey(PromptVersion, null=True, on_delete=models.PROTECT, related_name="baseline_runs")
    suite_version = models.ForeignKey(SuiteVersion, on_delete=models.PROTECT, related_name="runs")
    evidence_key = models.CharField(max_length=64, blank=True, default="")
    posts_check = models.BooleanField()
    reason = models.CharField(max_length=16, choices=Reason)
    started_by = models.ForeignKey(Member, null=True, on_delete=models.PROTECT, related_name="+")
    started_by_name = models.CharField(max_length=254)
    candidate_settings = models.TextField()
    baseline_settings = models.TextField(blank=True, default="")
    judges = models.TextField(default="{}", db_default="{}")
    batch = models.ForeignKey(RunBatch, null=True, on_delete=models.PROTECT, related_name="runs")
    batch_position = models.PositiveSmallIntegerField(null=True)
    first_repeat = models.PositiveIntegerField(default=0)
    repeats = models.PositiveSmallIntegerField()
    look = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=12, choices=RunState, default=RunState.QUEUED)
    verdict = models.CharField(max_length=12, choices=Verdict, blank=True, default="")
    summary = models.TextField(blank=True, default="")
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    budget_cost = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    budget_requests = models.PositiveIntegerField(null=True)
    is_default_budget = models.BooleanField(default=False, db_default=False)
    spent_cost = models.DecimalField(max_digits=18, decimal_places=8, default=0, db_default=0)
    spent_requests = models.PositiveIntegerField(default=0, db_default=0)
    input_tokens = models.PositiveBigIntegerField(null=True)
    output_tokens = models.PositiveBigIntegerField(null=True)
    purge = models.ForeignKey(
        Purge, null=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    is_purged = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["prompt", "evidence_key"],
                condition=Q(state__in=["queued", "running"]) & ~Q(evidence_key=""),
                name="one_open_run_per_evidence",
            ),
            models.UniqueConstraint(fields=["batch", "batch_position"], name="run_once_per_place_in_batch"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="run_by_workspace"),
            models.Index(fields=["workspace", "finished_at"], name="run_by_end"),
            models.Index(fields=["prompt", "-id"], name="run_by_prompt"),
            models.Index(fields=["prompt", "evidence_key"], condition=~Q(evidence_key=""), name="run_by_evidence"),
            models.Index(fields=["state"], condition=Q(state__in=["queued", "running"]), name="run_open"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def url(self) -> str:
        """Where its page is; checks are posted with it, also by processes that serve no pages."""
        return f"/w/{self.workspace.slug}/runs/{self.pk}"

    @property
    def has_budget(self) -> bool:
        """Whether what it may spend is limited; only then is `spent_…` counted."""
        return self.budget_cost is not None or self.budget_requests is not None

    @property
    def is_open(self) -> bool:
        """True while it may still change by itself."""
        return self.state in OPEN_STATES

    @property
    def has_judges(self) -> bool:
        """True where a model judges its answers."""
        return self.judges != "{}"

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms asked, candidate first."""
        return (Arm.CANDIDATE,) if self.baseline_id is None else (Arm.CANDIDATE, Arm.BASELINE)


class Priority(models.IntegerChoices):
    """Who is worked on first: what a gate waits for, then what somebody only wants to know."""

    GATE = 0
    EXPLORATION = 1


class RunChunk(LeasedJob):
    """Consecutive cases of a run, on all arms and repeats, worked through by one worker at a time.

    What the order of the queue depends on is repeated as columns. `held_…` is what of the run's budget its worker has
    taken for questions that are not settled yet.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.GATE, db_default=Priority.GATE)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="chunks")
    first_position = models.PositiveIntegerField()
    last_position = models.PositiveIntegerField()
    total = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    errors = models.PositiveIntegerField(default=0)
    held_cost = models.DecimalField(max_digits=18, decimal_places=8, default=0, db_default=0)
    held_requests = models.PositiveIntegerField(default=0, db_default=0)

    class Meta(LeasedJob.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["run", "first_position"], name="chunk_once_per_run"),
            models.CheckConstraint(name="chunk_is_never_overdone", condition=Q(done__lte=F("total"))),
        ]
        indexes = [
            *LeasedJob.Meta.indexes,
            models.Index(fields=["workspace", "priority", "id"], condition=Q(state="queued"), name="chunk_waiting"),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="chunk_running"),
        ]

    def __str__(self) -> str:
        return f"cases {self.first_position}-{self.last_position} of run {self.run_id}"


class Result(Purgeable):
    """One answer, or why there is none (`error` names the kind, `output` holds the excerpt then).

    `tool_calls` is JSON text, a list of the calls as the provider gave them. `scores` is JSON text, a list of `{name,
    score, passed, detail}` in the order of the scorers. `cost` is in US dollars, null where the price is not known; what judges
    used for the answer is told apart. `is_cached`: copied from an earlier run's answer to the same request instead of asked;
    its cost is what it cost then, and counts in no total.
    `finish_reason` and `perplexity` are empty and null where the provider did not tell them.
    `is_fallback`: `provider_name` stood in for the provider that was to be asked.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="results")
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="results")
    arm = models.CharField(max_length=10, choices=Arm)
    repeat = models.PositiveIntegerField()
    output = models.TextField(blank=True, default="")
    tool_calls = models.TextField(default="[]")
    error = models.CharField(max_length=20, blank=True, default="")
    scores = models.TextField(default="[]")
    is_passed = models.BooleanField(default=False)
    input_tokens = models.PositiveIntegerField(null=True)
    output_tokens = models.PositiveIntegerField(null=True)
    cost = models.DecimalField(max_digits=14, decimal_places=8, null=True)
    latency_ms = models.PositiveIntegerField(null=True)
    finish_reason = models.CharField(max_length=40, blank=True, default="", db_default="")
    perplexity = models.FloatField(null=True)
    judge_input_tokens = models.PositiveIntegerField(null=True)
    judge_output_tokens = models.PositiveIntegerField(null=True)
    judge_cost = models.DecimalField(max_digits=14, decimal_places=8, null=True)
    provider_name = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=200, blank=True, default="")
    request_digest = models.CharField(max_length=64, blank=True, default="")
    is_cached = models.BooleanField(default=False, db_default=False)
    is_fallback = models.BooleanField(default=False, db_default=False)
    attempt = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["case__position", "-arm", "repeat"]
        constraints = [
            models.UniqueConstraint(fields=["run", "case", "arm", "repeat"], name="result_once_per_run_case_arm_repeat")
        ]
        indexes = [
            models.Index(
                fields=["request_digest"],
                condition=Q(error="", is_cached=False) & ~Q(request_digest=""),
                name="result_answer_to_request",
            )
        ]

    def __str__(self) -> str:
        return f"{self.arm} on case {self.case_id} in run {self.run_id}"


class RunMetric(models.Model):
    """What a finished run says about one metric, in numbers and in one sentence, which ends with what would settle it.

    `line` is what the bounds are held against. `error` is the standard error of a difference and `noise` the share of its
    square that asking more often would shrink, null where it cannot be told: what the next run's outlook is made of.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="metrics")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=120)
    mode = models.CharField(max_length=16)
    mean_new = models.FloatField(null=True)
    mean_base = models.FloatField(null=True)
    delta = models.FloatField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    case_count = models.PositiveIntegerField(default=0)
    verdict = models.CharField(max_length=12, blank=True, default="")
    sentence = models.TextField()
    settle = models.TextField(blank=True, default="", db_default="")
    cluster_count = models.PositiveIntegerField(default=0, db_default=0)
    line = models.FloatField(null=True)
    unit = models.CharField(max_length=8, default="rate", db_default="rate")
    error = models.FloatField(null=True)
    noise = models.FloatField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="metric_once_per_run")]

    def __str__(self) -> str:
        return f"{self.name} of run {self.run_id}"


class RunSlice(models.Model):
    """What a finished run says about one metric on the cases of one tag."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="slices")
    position = models.PositiveSmallIntegerField()
    metric = models.CharField(max_length=120)
    tag = models.CharField(max_length=100)
    mean_new = models.FloatField()
    mean_base = models.FloatField(null=True)
    delta = models.FloatField(null=True)
    lower = models.FloatField(null=True)
    upper = models.FloatField(null=True)
    case_count = models.PositiveIntegerField()
    cluster_count = models.PositiveIntegerField()
    unit = models.CharField(max_length=8)
    verdict = models.CharField(max_length=12)
    sentence = models.TextField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "metric", "tag"], name="slice_once_per_run_and_metric")]

    def __str__(self) -> str:
        return f"{self.metric} on {self.tag} in run {self.run_id}"
