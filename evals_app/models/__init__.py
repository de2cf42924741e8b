"""Tables of the evals app."""

from evals_app.models.batch import RunBatch
from evals_app.models.budget import DefaultBudget
from evals_app.models.demo import DemoStory
from evals_app.models.draft import DraftCase, PendingImport, SuiteDraft
from evals_app.models.judge_reply import JudgeReply
from evals_app.models.label import Label, ResultLabel
from evals_app.models.provider import Provider
from evals_app.models.purge import Purge, Retention
from evals_app.models.run import Arm, Priority, Reason, Result, Run, RunChunk, RunMetric, RunSlice, RunState, Verdict
from evals_app.models.suite import Case, RunOn, Suite, SuiteAttachment, SuiteVersion
from evals_app.models.tally import ArmScore, ArmTally
from evals_app.models.tryout import Tryout
from evals_app.models.usage import RunUsage

__all__ = [
    "Arm",
    "ArmScore",
    "ArmTally",
    "Case",
    "DefaultBudget",
    "DemoStory",
    "DraftCase",
    "JudgeReply",
    "Label",
    "PendingImport",
    "Priority",
    "Provider",
    "Purge",
    "Reason",
    "Result",
    "ResultLabel",
    "Retention",
    "Run",
    "RunBatch",
    "RunChunk",
    "RunMetric",
    "RunOn",
    "RunSlice",
    "RunState",
    "RunUsage",
    "Suite",
    "SuiteAttachment",
    "SuiteDraft",
    "SuiteVersion",
    "Tryout",
    "Verdict",
]
